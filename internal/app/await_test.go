package app_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// heard calls for each line of a log.
type heard func(line string)

func (h heard) Write(line []byte) (int, error) {
	h(string(line))
	return len(line), nil
}

// startPatiently opens an authority in production, which may wait for long, closes it, and says how it went.
func startPatiently(t *testing.T, postgres, redis string, hear heard) error {
	t.Helper()
	cfg, err := config.Load(nil, append(production(postgres, redis), "MINTMARK_STARTUP_WAIT=10m"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	a, err := app.Open(ctx, cfg, slog.New(slog.NewTextHandler(hear, nil)))
	if err != nil {
		return err
	}
	return a.Close()
}

// TestAReplicaWaitsForItsStores, which come as soon as it says that it waits.
func TestAReplicaWaitsForItsStores(t *testing.T) {
	t.Parallel()
	postgres, redis := testserver.StartPostgres(t), testserver.StartRedis(t)
	database, err := db.Postgres(postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := database.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	postgres.Stop()
	redis.Stop()
	var said []string
	err = startPatiently(t, postgres.URL(), redis.URL(), func(line string) {
		for name, server := range map[string]*testserver.Server{"Postgres": postgres, "Redis": redis} {
			if strings.Contains(line, "waiting up to ") && strings.Contains(line, " for "+name+":") {
				server.Start()
				said = append(said, "waits for "+name)
			}
			if strings.Contains(line, name+" is reachable now") {
				said = append(said, name+" is reachable now")
			}
		}
	})
	if got, want := strings.Join(said, ", "), "waits for Postgres, Postgres is reachable now, waits for Redis, Redis is reachable now"; err != nil || got != want {
		t.Errorf("%v, and it said %q, want %q", err, got, want)
	}
}

// TestWhatMustBeMendedEndsTheStartAtOnce.
func TestWhatMustBeMendedEndsTheStartAtOnce(t *testing.T) {
	t.Parallel()
	good, redis := migrated(t), testserver.Redis(t)
	unknown, _, _ := strings.Cut(good, "?")
	unknown = unknown[:strings.LastIndex(unknown, "/")] + "/nobody_made_this"
	locked := testserver.StartRedis(t, "--requirepass", "secret").URL()
	for name, c := range map[string]struct{ postgres, redis string }{
		"an unknown database":      {unknown + "?" + query(good), redis},
		"an empty database":        {testserver.Postgres(t), redis},
		"a Redis with a password":  {good, locked},
		"a Postgres without TLS":   {strings.Replace(good, "sslmode=disable", "sslmode=require", 1), redis},
		"a password that is wrong": {good, strings.Replace(locked, "redis://", "redis://:other@", 1)},
	} {
		err := startPatiently(t, c.postgres, c.redis, func(line string) {
			if strings.Contains(line, "waiting") {
				t.Errorf("%s is waited for: %s", name, line)
			}
		})
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func query(url string) string {
	_, query, _ := strings.Cut(url, "?")
	return query
}
