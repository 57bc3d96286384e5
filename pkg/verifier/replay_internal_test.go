package verifier

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNoTwoProofsAreTakenForOne(t *testing.T) {
	t.Parallel()
	seen := map[replayID]string{}
	for _, p := range [][2]string{{"k", "1"}, {"k", "2"}, {"l", "1"}, {"k1", ""}, {"", "k1"}} {
		id := replayOf(p[0], p[1])
		if other, taken := seen[id]; taken {
			t.Errorf("%q and %s are one", p, other)
		}
		seen[id] = strings.Join(p[:], " and ")
	}
}

func TestReplaysAreBoundedAndNeverForgottenEarly(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 0)
	r := newReplays(time.Minute)
	r.most = 10
	for n := range 10 {
		if got := r.see(replayOf("k", fmt.Sprint(n)), start); got != seenFirst {
			t.Fatalf("%d: got %v", n, got)
		}
	}
	for _, after := range []time.Duration{0, 59 * time.Second} {
		if got := r.see(replayOf("k", "one more"), start.Add(after)); got != seenTooMany {
			t.Errorf("after %v: got %v, want too many", after, got)
		}
		if got := r.see(replayOf("k", "3"), start.Add(after)); got != seenBefore {
			t.Errorf("after %v: got %v, want before", after, got)
		}
	}
	if got := r.see(replayOf("k", "one more"), start.Add(time.Minute)); got != seenFirst {
		t.Errorf("in the next generation: got %v", got)
	}
	if got := r.see(replayOf("k", "3"), start.Add(time.Minute)); got != seenBefore {
		t.Errorf("the generation before: got %v", got)
	}
	if got := r.see(replayOf("k", "3"), start.Add(3*time.Minute)); got != seenFirst {
		t.Errorf("when all is over: got %v", got)
	}
	if len(r.earlier) != 0 || len(r.recent) != 1 {
		t.Errorf("%d and %d are remembered", len(r.earlier), len(r.recent))
	}
}

// TestReplaysAreForgottenByTheClockOnTheWall: a monotonic clock goes on while that one has gone back, and then a proof could
// outlive its memory.
func TestReplaysAreForgottenByTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	r, now := newReplays(time.Minute), time.Now()
	r.see(replayOf("k", "1"), now)
	if r.began != now.Round(0) {
		t.Errorf("a generation began at %v", r.began)
	}
	for _, after := range []time.Duration{-time.Hour, -time.Minute, time.Minute, time.Minute + 59*time.Second} {
		if got := r.see(replayOf("k", "1"), now.Add(after)); got != seenBefore {
			t.Errorf("after %v: got %v, want before", after, got)
		}
	}
}

// TestAFullMemoryOfProofsIsNotABadProof: the client may try again when there is room.
func TestAFullMemoryOfProofsIsNotABadProof(t *testing.T) {
	t.Parallel()
	refused := new(Verifier).refuse(errProofsFull)
	if refused.status != 503 || refused.code != "temporarily_unavailable" || refused.retryAfter != time.Second || errors.Is(errProofsFull, ErrInvalidToken) {
		t.Errorf("got %+v", refused)
	}
}
