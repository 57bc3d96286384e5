package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/dial"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/telemetry"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// ErrUnavailable says that a database or Redis can't be reached.
var ErrUnavailable = errors.New("dependency is unavailable")

// ErrPooler says that a pooler can't carry what MINTMARK_DATABASE_URL asks for.
var ErrPooler = errors.New("MINTMARK_DATABASE_URL")

// maxLocalLimits bounds the rate counters kept in memory.
const maxLocalLimits = 100_000

// durable is what both SQL backends keep.
type durable interface {
	user.Store
	client.Store
	session.Store
	keyring.Store
	revocation.Store
	audit.Store
	audit.Sweeper
	session.Sweeper
	Now(ctx context.Context) (time.Time, error) // the database's clock
	Ping(ctx context.Context) error
	Close() error
}

// Stores is the durable store, for operators' commands: safe beside a running serve.
type Stores struct {
	Users    user.Store
	Clients  client.Store
	Sessions session.Store
	Keys     keyring.Store
	Events   audit.Store
	states   session.States // nil where Redis keeps them
	durable  durable
}

// OpenStores opens the durable store that the configuration names. It neither
// creates nor migrates a database.
func OpenStores(ctx context.Context, cfg config.Config) (*Stores, error) {
	if cfg.Mode() == config.Embedded {
		if err := checkDataDir(cfg.DataDir); err != nil {
			return nil, err
		}
		switch _, err := os.Lstat(databasePath(cfg.DataDir)); {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%w: no database in %s; run `mintmark serve` once to make one, or set MINTMARK_DATA_DIR", ErrDataDir, cfg.DataDir)
		case err != nil:
			return nil, fmt.Errorf("%w: %w; run this as the user that serves, or give this one access", ErrDataDir, err)
		}
	}
	schema, err := Schema(cfg)
	if err != nil {
		return nil, err
	}
	if err := schema.Check(ctx); err != nil {
		return nil, err
	}
	if cfg.Mode() == config.Embedded {
		store, err := openSQLite(ctx, cfg)
		return storesOf(store, store, err)
	}
	store, err := openPostgres(ctx, cfg, nil)
	return storesOf(store, nil, err)
}

func storesOf(store durable, states session.States, err error) (*Stores, error) {
	if err != nil {
		return nil, err
	}
	return &Stores{Users: store, Clients: store, Sessions: store, Keys: store, Events: store, states: states, durable: store}, nil
}

// Close closes the store.
func (s *Stores) Close() error { return s.durable.Close() }

// Schema is the schema of the configured database, for serving.
func Schema(cfg config.Config) (*db.Database, error) {
	if cfg.Mode() == config.Embedded {
		return db.SQLite(databasePath(cfg.DataDir)), nil
	}
	return db.Postgres(cfg.DatabaseURL.Reveal())
}

// Migrations is the schema of the configured database, for changing it: past a
// pooler if there is one, and under the lock of the data directory, which the
// returned function lets go.
func Migrations(cfg config.Config) (*db.Database, func() error, error) {
	if cfg.Mode() == config.Embedded {
		dir, err := claimDataDir(cfg.DataDir)
		if err != nil {
			return nil, nil, err
		}
		if err = dir.refuseLost(); err == nil {
			err = dir.ensureSecretOfNew(cfg)
		}
		if err != nil {
			return nil, nil, errors.Join(err, dir.release())
		}
		return db.SQLite(databasePath(cfg.DataDir)), dir.release, nil
	}
	url := cfg.DatabaseURL
	if !cfg.DatabaseMigrateURL.Empty() {
		url = cfg.DatabaseMigrateURL
	}
	database, err := db.Postgres(url.Reveal())
	return database, func() error { return nil }, err
}

func openSQLite(ctx context.Context, cfg config.Config) (*sqlite.Store, error) {
	store, err := sqlite.Open(ctx, sqlite.Config{Path: databasePath(cfg.DataDir)})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	return store, nil
}

func openPostgres(ctx context.Context, cfg config.Config, tracing *telemetry.Tracing) (*postgres.Store, error) {
	options := postgres.Config{URL: cfg.DatabaseURL.Reveal(), DirectURL: cfg.DatabaseMigrateURL.Reveal()}
	if tracing != nil {
		options.Tracer = tracing.Postgres()
	}
	store, err := postgres.Open(ctx, options)
	if errors.Is(err, postgres.ErrPooler) {
		return nil, fmt.Errorf("%w: %w", ErrPooler, err)
	}
	if err != nil {
		return nil, unavailable(err, "check MINTMARK_DATABASE_URL and that Postgres runs")
	}
	return store, nil
}

func openRedis(ctx context.Context, cfg config.Config, tracing *telemetry.Tracing) (*redis.Store, error) {
	options := redis.Config{
		URL:      cfg.RedisURL.Reveal(),
		LimitKey: cfg.RootSecret.Active().Derive(secret.PurposeLimitKeys, sha256.Size),
	}
	if tracing != nil {
		options.Instrument = tracing.Redis
	}
	store, err := redis.Open(ctx, options)
	if err != nil {
		return nil, unavailable(err, "check MINTMARK_REDIS_URL and that Redis runs")
	}
	return store, nil
}

// unavailable says of a store that could not be opened how to mend that, where the error does not.
func unavailable(err error, mend string) error {
	if errors.Is(err, dial.ErrOldServer) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w; %s", ErrUnavailable, err, mend)
}

// ephemeral is what lives outside the durable rows in production: rotation states and
// rate counters that the replicas share.
type ephemeral struct {
	states session.States
	limits ratelimit.Store
	clock  func(context.Context) (time.Time, error) // nil: that of this machine, as the durable store's

	// What replicas tell each other; nil where there is one.
	publish   func(ctx context.Context, message []byte) error
	published func(ctx context.Context, after string) (messages [][]byte, last string, err error)
}
