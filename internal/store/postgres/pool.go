package postgres

import (
	"cmp"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

const (
	// A refresh gives a read two seconds: they suffice to find the second of two servers where the first is silent, or
	// that the connections of a small pool are dead.
	connectTimeout = 900 * time.Millisecond // of one server
	pingTimeout    = 300 * time.Millisecond // of a connection unused for a second, before it is used

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
