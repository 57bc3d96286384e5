package postgres

import (
	"cmp"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

const (
	connectTimeout = 2 * time.Second // below callTimeout, so that a caller sees why
	pingTimeout    = time.Second     // of a connection unused for a second, before it is used

	// A connection lives for half an hour at most: a primary that was moved by name, or behind a balancer, is found by
	// then. Connections of one age don't end at one time.
	lifetime       = 25 * time.Minute
	lifetimeJitter = 5 * time.Minute

	healthCheckPeriod = 5 * time.Second
)

// poolConfig gives what pgx opens a pool by.
func poolConfig(url storeurl.Postgres) (*pgxpool.Config, error) {
	settings, err := pgxpool.ParseConfig(url.KeywordValues().Reveal())
	if err != nil { // the error would quote parts of the URL
		return nil, errors.New("open database: a file that its URL names (sslcert, sslkey, sslrootcert, service) or a PG… variable of the environment cannot be used")
	}
	settings.ConnConfig.ConnectTimeout = cmp.Or(settings.ConnConfig.ConnectTimeout, connectTimeout)
	pool := url.Pool
	settings.MaxConns = cmp.Or(pool.MaxConns, settings.MaxConns)
	settings.MinConns, settings.MinIdleConns = pool.MinConns, pool.MinIdleConns
	settings.MaxConnLifetime = cmp.Or(pool.MaxConnLifetime, lifetime)
	settings.MaxConnLifetimeJitter = cmp.Or(pool.MaxConnLifetimeJitter, min(lifetimeJitter, settings.MaxConnLifetime))
	settings.MaxConnIdleTime = cmp.Or(pool.MaxConnIdleTime, settings.MaxConnIdleTime)
	settings.HealthCheckPeriod = cmp.Or(pool.HealthCheckPeriod, healthCheckPeriod)
	settings.PingTimeout = cmp.Or(pool.PingTimeout, pingTimeout)
	return settings, nil
}
