package e2e_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func TestOneHistoryIsOneInEveryStore(t *testing.T) {
	storetest.Histories(t, map[string]storetest.HistoryStore{"sqlite": sqliteHistory(t), "redis": redisHistory(t)})
}

func sqliteHistory(t *testing.T) storetest.HistoryStore {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mintmark.db")
	if err := db.SQLite(file).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	raw, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	return storetest.HistoryStore{
		States:     store,
		NewSession: func(tb testing.TB) string { return storetest.NewSession(tb, store) },
		Copy: func(tb testing.TB, id string) func(testing.TB) {
			tb.Helper()
			var held [4]any
			err := raw.QueryRowContext(tb.Context(), `SELECT state_cur, state_prev, state_rotated_at, state_skips FROM sessions WHERE id = ?`, id).
				Scan(&held[0], &held[1], &held[2], &held[3])
			if err != nil {
				tb.Fatal(err)
			}
			return func(tb testing.TB) {
				tb.Helper()
				_, err := raw.ExecContext(tb.Context(), `UPDATE sessions SET state_cur = ?, state_prev = ?, state_rotated_at = ?, state_skips = ? WHERE id = ?`,
					held[0], held[1], held[2], held[3], id)
				if err != nil {
					tb.Fatal(err)
				}
			}
		},
	}
}

func redisHistory(t *testing.T) storetest.HistoryStore {
	t.Helper()
	c := &cluster{Redis: testserver.Redis(t)}
	store, err := redis.Open(t.Context(), redis.Config{URL: c.Redis, LimitKey: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	raw := c.redis(t)
	return storetest.HistoryStore{
		States:     store,
		NewSession: func(testing.TB) string { return uuid.Must(uuid.NewV7()).String() },
		Copy: func(tb testing.TB, id string) func(testing.TB) {
			tb.Helper()
			held, err := raw.Get(tb.Context(), "s:"+id).Result()
			if err != nil && !errors.Is(err, goredis.Nil) {
				tb.Fatal(err)
			}
			missing := err != nil
			return func(tb testing.TB) {
				tb.Helper()
				err := raw.Del(tb.Context(), "s:"+id).Err()
				if !missing {
					err = raw.Set(tb.Context(), "s:"+id, held, time.Hour).Err()
				}
				if err != nil {
					tb.Fatal(err)
				}
			}
		},
	}
}
