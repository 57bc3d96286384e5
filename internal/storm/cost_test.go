package storm_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func TestARefreshCostsOneReadAndTwoRoundTrips(t *testing.T) {
	t.Parallel()
	h := newHandmade(t, testserver.Postgres(t), testserver.Redis(t))
	token := h.start(t)
	before := token
	token = h.trade(t, token) // connects, prepares the statement, loads the scripts

	const times = 20
	sql, redis := h.meter.spent(func() {
		for range times {
			before, token = token, h.trade(t, token)
		}
	})
	t.Logf("%d refreshes: %d round trips to Postgres, %d to Redis", times, sql, redis)
	if sql != times || redis != 2*times {
		t.Errorf("%d rotations took %d round trips to Postgres and %d to Redis, want %d and %d", times, sql, redis, times, 2*times)
	}

	sql, redis = h.meter.spent(func() {
		for range times {
			h.trade(t, before)
		}
	})
	if sql != times || redis != times {
		t.Errorf("%d repeats took %d round trips to Postgres and %d to Redis, want %d each", times, sql, redis, times)
	}

	sql, redis = h.meter.spent(func() {
		forged := token[:len(token)-4] + "AAAA"
		if _, err := h.Refresh(t.Context(), h.client, forged); !errors.Is(err, authority.ErrGrant) {
			t.Errorf("a forged token: %v, want %v", err, authority.ErrGrant)
		}
	})
	if sql != 0 || redis != 0 {
		t.Errorf("a forged token took %d round trips to Postgres and %d to Redis, want none", sql, redis)
	}
}

// TestARefreshOverHTTPTakesTwoScriptsOfRedis lets Redis itself count: what the
// authority in its own process asks of it, whoever in there asks.
func TestARefreshOverHTTPTakesTwoScriptsOfRedis(t *testing.T) {
	t.Parallel()
	redis := testserver.StartRedis(t)
	s := newStage(t, redis.URL())
	r := s.addReplica(t)
	origin := "http://" + r.web.Addr()
	c := newCaller(t)
	c.register(t, origin)
	token := persist(func() answer { return c.login(origin, patient) }).token
	trade := func() {
		got := c.refresh(origin, token, patient)
		if got.outcome != granted {
			t.Fatalf("refresh: %s %s", got.outcome, got.odd)
		}
		token = got.token
	}
	trade() // loads the scripts

	raw := goredis.NewClient(&goredis.Options{Addr: redis.Addr()})
	t.Cleanup(func() { _ = raw.Close() })
	const times = 20
	before := scriptCalls(t, raw)
	for range times {
		trade()
	}
	if took := scriptCalls(t, raw) - before; took != 2*times {
		t.Errorf("%d refreshes took %d script calls, want %d", times, took, 2*times)
	}
}

// scriptCalls is how many scripts Redis was asked to run since its start.
func scriptCalls(t testing.TB, raw *goredis.Client) (calls int) {
	t.Helper()
	report, err := raw.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(report) {
		if name, figures, ok := strings.Cut(line, ":calls="); ok && strings.HasPrefix(name, "cmdstat_eval") {
			var n int
			if _, err := fmt.Sscanf(figures, "%d,", &n); err != nil {
				t.Fatalf("read %q: %v", line, err)
			}
			calls += n
		}
	}
	return calls
}
