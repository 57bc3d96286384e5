package verifier

import (
	"testing"
	"time"
)

func TestTheBudgetIsAHundredAtOnceAndTenASecond(t *testing.T) {
	t.Parallel()
	var b budget
	spend := func(now time.Time) (spent int) {
		for ; !b.isSpent(now, 0); spent++ {
			b = b.spend(now)
		}
		return spent
	}
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 100}, {time.Second, 10}, {time.Hour, 100}, {-time.Hour, 0}, {time.Hour - time.Second, 0}, {time.Second, 0}, {100 * time.Millisecond, 1}} {
		now = now.Add(c.after)
		if got := spend(now); got != c.want {
			t.Errorf("another %v later: %d answers, want %d", c.after, got, c.want)
		}
	}
	now = now.Add(time.Hour)
	for asking := range maxSpent {
		spent := 0
		for b = (budget{}); !b.isSpent(now, asking); spent++ {
			b = b.spend(now)
		}
		if spent+asking != maxSpent {
			t.Errorf("%d answers beside %d that may come, want %d in all", spent, asking, maxSpent)
		}
	}
}
