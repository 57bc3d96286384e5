package memory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

func TestLimitsKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.RateLimits(t, func(testing.TB) ratelimit.Store { return memory.NewLimits(time.Now, 1<<10) })
}

func TestTheNumberOfKeysIsBounded(t *testing.T) {
	t.Parallel()
	limits := memory.NewLimits(fixed, 160)
	for i := range 10_000 {
		take(t, limits, fmt.Sprint("flood", i), ratelimit.Rate{Limit: 5, Per: time.Minute})
	}
	if got := limits.Len(); got != 160 {
		t.Errorf("%d keys are held after a flood, want 160", got)
	}
}

func TestAFloodOfKeysDoesNotForgetARefusal(t *testing.T) {
	t.Parallel()
	limits := memory.NewLimits(fixed, 160)
	rate := ratelimit.Rate{Limit: 5, Per: time.Minute}
	take(t, limits, "guessed", rate)
	for i := range 100 {
		take(t, limits, fmt.Sprint("before", i), rate)
	}
	for range 4 {
		take(t, limits, "guessed", rate)
	}
	for i := range 10_000 {
		take(t, limits, fmt.Sprint("flood", i), rate)
	}
	if take(t, limits, "guessed", rate) {
		t.Error("a flood of other keys gave the refused one new tries")
	}
}

// TestAFloodOfKeysOfAnotherRateDoesNotForgetARefusal has both rates refuse somebody, and floods with either.
func TestAFloodOfKeysOfAnotherRateDoesNotForgetARefusal(t *testing.T) {
	t.Parallel()
	rates := []ratelimit.Rate{{Limit: 10, Per: time.Minute}, {Limit: 100, Per: time.Hour}, {Limit: 5, Per: time.Second}}
	for _, refusing := range rates {
		for _, flooding := range rates {
			limits := memory.NewLimits(fixed, 160)
			for range refusing.Limit {
				take(t, limits, "guessed", refusing)
			}
			for i := range 5_000 {
				take(t, limits, fmt.Sprint("flood", i), flooding)
			}
			if take(t, limits, "guessed", refusing) {
				t.Errorf("a flood of keys of %v gave a refused one of %v new tries", flooding, refusing)
			}
		}
	}
}

func TestAnExpiredKeyGoesBeforeALiveOne(t *testing.T) {
	t.Parallel()
	now := start
	limits := memory.NewLimits(func() time.Time { return now }, 1600)
	short, long := ratelimit.Rate{Limit: 1, Per: time.Second}, ratelimit.Rate{Limit: 1, Per: time.Hour}
	for i := range 10_000 {
		take(t, limits, fmt.Sprint("short", i), short)
	}
	now = now.Add(time.Minute)
	for i := range 400 {
		take(t, limits, fmt.Sprint("long", i), long)
	}
	for i := range 400 {
		if take(t, limits, fmt.Sprint("long", i), long) {
			t.Errorf("live key %d was forgotten while expired ones were held", i)
		}
	}
}

func TestExpiredKeysAreForgottenAlongTheWay(t *testing.T) {
	t.Parallel()
	now := start
	limits := memory.NewLimits(func() time.Time { return now }, 1<<16)
	rate := ratelimit.Rate{Limit: 5, Per: time.Minute}
	for i := range 2000 {
		take(t, limits, fmt.Sprint("old", i), rate)
	}
	now = now.Add(time.Hour)
	for i := range 2000 {
		take(t, limits, fmt.Sprint("new", i), rate)
	}
	if got := limits.Len(); got > 2200 {
		t.Errorf("%d keys are held, want little more than the 2000 live ones", got)
	}
}

func TestAClockThatStepsBackLetsNoMoreThrough(t *testing.T) {
	t.Parallel()
	now := start
	limits := memory.NewLimits(func() time.Time { return now }, 100)
	rate := ratelimit.Rate{Limit: 3, Per: time.Minute}
	for range 3 {
		take(t, limits, "key", rate)
	}
	now = now.Add(-10 * time.Second)
	if take(t, limits, "key", rate) {
		t.Error("a clock that went back gave a try")
	}
	now = start.Add(20 * time.Second)
	if !take(t, limits, "key", rate) {
		t.Error("the try that was due was refused")
	}
}

var start = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func fixed() time.Time { return start }

func take(t *testing.T, limits *memory.Limits, key string, rate ratelimit.Rate) bool {
	t.Helper()
	d, err := limits.Take(t.Context(), key, rate)
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	return d.Allowed
}
