package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
)

// RateLimits is the contract of [ratelimit.Store].
func RateLimits(t *testing.T, open func(testing.TB) ratelimit.Store) {
	rules := map[string]func(*testing.T, ratelimit.Store){
		"ABurstIsExactlyTheLimit":         burstIsExactlyTheLimit,
		"ARefusalSaysWhenToRetry":         refusalSaysWhenToRetry,
		"TriesComeBackWithTime":           triesComeBackWithTime,
		"KeysKeepApart":                   limitKeysKeepApart,
		"AnyOctetsAreAKey":                anyOctetsAreAKey,
		"TheZeroRateAllowsEverything":     zeroRateAllowsEverything,
		"ManyAtOnceNeverPassMoreThanTold": manyAtOnceNeverPassMore,
		"ACancelledContextIsAnError":      cancelledTakeIsAnError,
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule(t, open(t))
		})
	}
}

func burstIsExactlyTheLimit(t *testing.T, store ratelimit.Store) {
	rate := ratelimit.Rate{Limit: 7, Per: time.Hour}
	for i := range 10 {
		if got, want := limitTake(t, store, "burst", rate).Allowed, i < 7; got != want {
			t.Errorf("try %d: allowed = %t, want %t", i+1, got, want)
		}
	}
}

func refusalSaysWhenToRetry(t *testing.T, store ratelimit.Store) {
	rate := ratelimit.Rate{Limit: 2, Per: time.Hour}
	limitTake(t, store, "refusal", rate)
	limitTake(t, store, "refusal", rate)
	got := limitTake(t, store, "refusal", rate)
	if got.Allowed || got.RetryAfter < 29*time.Minute || got.RetryAfter > 30*time.Minute {
		t.Errorf("decision = %+v, want refused with half an hour to wait", got)
	}
}

// triesComeBackWithTime spends far more than a burst by waiting as long as told.
func triesComeBackWithTime(t *testing.T, store ratelimit.Store) {
	rate := ratelimit.Rate{Limit: 4, Per: 40 * time.Millisecond}
	begin := time.Now()
	allowed := 0
	for allowed < 12 {
		d := limitTake(t, store, "refill", rate)
		if d.Allowed {
			allowed++
			continue
		}
		if d.RetryAfter <= 0 || d.RetryAfter > rate.Per {
			t.Fatalf("retry after %s, want within (0, %s]", d.RetryAfter, rate.Per)
		}
		select { // not a guess at how long something takes: the store told how long to wait
		case <-time.After(d.RetryAfter):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
	// Twelve tries need two intervals of four beyond the first burst; the store may run on another clock.
	if took := time.Since(begin); took < 2*rate.Per-10*time.Millisecond {
		t.Errorf("12 tries at 4 per %s took %s only", rate.Per, took)
	}
}

func limitKeysKeepApart(t *testing.T, store ratelimit.Store) {
	rate := ratelimit.Rate{Limit: 1, Per: time.Hour}
	for i := range 20 {
		if !limitTake(t, store, fmt.Sprint("key", i), rate).Allowed {
			t.Errorf("key %d was refused its first try", i)
		}
	}
}

func anyOctetsAreAKey(t *testing.T, store ratelimit.Store) {
	rate := ratelimit.Rate{Limit: 1, Per: time.Hour}
	for _, key := range []string{"", "a:b", "{a}b", "{}", "*", "a\r\nFLUSHALL\r\n", "nul\x00", "\xff\xfe", strings.Repeat("k", 1<<16)} {
		if !limitTake(t, store, key, rate).Allowed {
			t.Errorf("the first try of %.20q was refused", key)
		}
		if limitTake(t, store, key, rate).Allowed {
			t.Errorf("the second try of %.20q was allowed", key)
		}
	}
}

func zeroRateAllowsEverything(t *testing.T, store ratelimit.Store) {
	for range 10 {
		if !limitTake(t, store, "unlimited", ratelimit.Rate{}).Allowed {
			t.Error("the zero rate refused a try")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d, err := store.Take(ctx, "unlimited", ratelimit.Rate{}); err != nil || !d.Allowed {
		t.Errorf("the zero rate, of a caller that left: %+v, %v; there is nothing to count", d, err)
	}
}

func manyAtOnceNeverPassMore(t *testing.T, store ratelimit.Store) {
	rate := ratelimit.Rate{Limit: 30, Per: time.Hour}
	var allowed atomic.Int64
	statesContend(t, func(ctx context.Context) error {
		d, err := store.Take(ctx, "contended", rate)
		if d.Allowed {
			allowed.Add(1)
		}
		return err
	})
	if got := allowed.Load(); got != 30 {
		t.Errorf("%d of %d tries were allowed, want 30", got, statesContenders)
	}
}

func cancelledTakeIsAnError(t *testing.T, store ratelimit.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Take(ctx, "cancelled", ratelimit.Rate{Limit: 1, Per: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
}

func limitTake(tb testing.TB, store ratelimit.Store, key string, rate ratelimit.Rate) ratelimit.Decision {
	tb.Helper()
	d, err := store.Take(tb.Context(), key, rate)
	if err != nil {
		tb.Fatalf("take: %v", err)
	}
	return d
}
