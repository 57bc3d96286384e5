package storm_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

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
		if _, err := h.Refresh(t.Context(), h.client, forged, authority.Origin{}); !errors.Is(err, authority.ErrGrant) {
			t.Errorf("a forged token: %v, want %v", err, authority.ErrGrant)
		}
	})
	if sql != 0 || redis != 0 {
		t.Errorf("a forged token took %d round trips to Postgres and %d to Redis, want none", sql, redis)
	}
}
