package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// exec runs statements on the database of a data directory.
func exec(t *testing.T, dir string, statements ...string) {
	t.Helper()
	execOn(t, "sqlite", "file:"+filepath.Join(dir, "mintmark.db")+"?_pragma=busy_timeout(5000)", statements...)
}

func execOn(t *testing.T, driver, source string, statements ...string) {
	t.Helper()
	handle, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	for _, statement := range statements {
		if _, err := handle.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func migrated(t *testing.T) string {
	t.Helper()
	return testserver.PostgresTemplate(t, "mintmark", func(url string) error {
		database, err := db.Postgres(url)
		if err != nil {
			return err
		}
		return database.Up(context.Background()) // the template outlives the test
	})
}

// production is the settings of an authority on servers.
func production(postgres, redis string) []string {
	return []string{
		"MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0",
		"MINTMARK_DATABASE_URL=" + postgres, "MINTMARK_REDIS_URL=" + redis, "MINTMARK_ROOT_SECRET=" + secret.GenerateRoots().Encode().Reveal(),
	}
}

// start opens an authority, closes it, and gives what it logged.
func start(t *testing.T, settings ...string) (log string, err error) {
	t.Helper()
	cfg, err := config.Load(nil, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	a, err := app.Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		return said.String(), err
	}
	return said.String(), a.Close()
}

// TestServeChecksTheSchemaAndChangesNone in production, where operators migrate.
func TestServeChecksTheSchemaAndChangesNone(t *testing.T) {
	t.Parallel()
	empty := testserver.Postgres(t)
	settings := production(empty, testserver.Redis(t))
	cfg, err := config.Load(nil, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one must not have changed it
		if _, err := start(t, settings...); !errors.Is(err, db.ErrSchemaBehind) {
			t.Errorf("serve on an empty database: %v, want %v", err, db.ErrSchemaBehind)
		}
		if _, err := app.OpenStores(t.Context(), cfg); !errors.Is(err, db.ErrSchemaBehind) {
			t.Errorf("operators on an empty database: %v, want %v", err, db.ErrSchemaBehind)
		}
	}
	later := migrated(t)
	execOn(t, "pgx", later, `INSERT INTO schema_compat VALUES (999, 999)`, `UPDATE schema_migrations SET version = 999`)
	settings[2] = "MINTMARK_DATABASE_URL=" + later
	if _, err := start(t, settings...); !errors.Is(err, db.ErrSchemaTooNew) {
		t.Errorf("serve on a schema of a later time: %v, want %v", err, db.ErrSchemaTooNew)
	}
}

func TestAnEvictingRedisIsReportedAtTheStart(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	operator := redis.NewClient(options)
	defer operator.Close()
	settings := append(production(migrated(t), server.URL()), "MINTMARK_ISSUER=http://localhost:1")
	for policy, warns := range map[string]bool{"noeviction": false, "allkeys-lru": true, "volatile-ttl": true} {
		if err := operator.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
		log, err := start(t, settings...)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log, "level=WARN msg=\"with maxmemory-policy "+policy+" Redis forgets live sessions; set it to noeviction\""); got != warns {
			t.Errorf("%s: warned %v, want %v; the log says\n%s", policy, got, warns, log)
		}
	}
}

func TestReplicasWithoutAnIssuerAreWarned(t *testing.T) {
	t.Parallel()
	settings := production(migrated(t), testserver.Redis(t))
	const warning = "the issuer follows the port of this process"
	if log, err := start(t, settings...); err != nil || !strings.Contains(log, warning) {
		t.Errorf("%v, and the log says\n%s", err, log)
	}
	settings = production(migrated(t), testserver.Redis(t))
	if log, err := start(t, append(settings, "MINTMARK_ISSUER=http://localhost:1")...); err != nil || strings.Contains(log, warning) {
		t.Errorf("%v, and the log says\n%s", err, log)
	}
}

// TestAServerThatIsNotThereIsNamed, and what was opened before it is closed.
func TestAServerThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	good := migrated(t)
	const nobody = "127.0.0.1:1"
	for variable, settings := range map[string][]string{
		"MINTMARK_REDIS_URL": production(good, "redis://"+nobody),
		"Postgres":           production("postgres://x:x@"+nobody+"/x?sslmode=disable", testserver.Redis(t)),
	} {
		if _, err := start(t, append(settings, "MINTMARK_STARTUP_WAIT=0s")...); !errors.Is(err, app.ErrUnavailable) && !errors.Is(err, db.ErrUnavailable) || !strings.Contains(err.Error(), variable) {
			t.Errorf("got %v, want it unavailable, and %s", err, variable)
		}
	}
	var connections int
	handle, err := sql.Open("pgx", good)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(50 * time.Second); time.Now().Before(end); <-again.C { // the server takes a moment to notice
		if err := handle.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()`).Scan(&connections); err != nil {
			t.Fatal(err)
		}
		if connections == 1 {
			return
		}
	}
	t.Errorf("%d connections are left of a start that failed", connections-1)
}

// TestMigrationsGoPastThePooler, by the URL that is meant for them.
func TestMigrationsGoPastThePooler(t *testing.T) {
	t.Parallel()
	pooler, direct := testserver.Postgres(t), testserver.Postgres(t)
	for _, c := range []struct {
		name    string
		setting []string
		changed string
	}{
		{"with a URL of their own", []string{"MINTMARK_DATABASE_MIGRATE_URL=" + direct}, direct},
		{"without", nil, pooler},
	} {
		cfg, err := config.Load(nil, append(production(pooler, "redis://127.0.0.1:1"), c.setting...), nil)
		if err != nil {
			t.Fatal(err)
		}
		database, release, err := app.Migrations(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(database.Up(t.Context()), release()); err != nil {
			t.Fatal(err)
		}
		changed, err := db.Postgres(c.changed)
		if err != nil {
			t.Fatal(err)
		}
		if err := changed.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestAnOperatorReadsTheStateThatServeKeeps, in Redis.
func TestAnOperatorReadsTheStateThatServeKeeps(t *testing.T) {
	t.Parallel()
	settings := production(migrated(t), testserver.Redis(t))
	cfg, err := config.Load(nil, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	stores, err := app.OpenStores(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stores.Close()
	const sid = "01935b7e-0000-7000-8000-000000000000"
	options, err := redis.ParseURL(cfg.RedisURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	operator := redis.NewClient(options)
	defer operator.Close()
	keys := func() int64 {
		n, err := operator.DBSize(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := keys()
	state, now, err := stores.RotationState(t.Context(), cfg, sid)
	if err != nil || state != (session.State{}) || time.Since(now.Redis).Abs() > time.Hour || time.Since(now.Machine).Abs() > time.Hour {
		t.Errorf("%+v at %+v, %v", state, now, err)
	}
	if after := keys(); after != before {
		t.Errorf("looking left %d keys", after-before)
	}
	cfg.RedisURL = secret.NewString("redis://127.0.0.1:1")
	if _, _, err := stores.RotationState(t.Context(), cfg, sid); !errors.Is(err, app.ErrUnavailable) {
		t.Errorf("without Redis: %v", err)
	}
}
