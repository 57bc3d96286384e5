package verifier

import (
	"errors"
	"fmt"
	"math/rand/v2"
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
	r := newReplays()
	r.most = 10
	see := func(jti string, issuedAfter, after time.Duration) sighting {
		return r.see(replayOf("k", jti), start.Add(issuedAfter), start.Add(after))
	}
	for n := range 10 {
		if got := see(fmt.Sprint(n), 0, 0); got != seenFirst {
			t.Fatalf("%d: got %v", n, got)
		}
	}
	for _, after := range []time.Duration{0, 69 * time.Second} { // a span of ten seconds, and their minute
		if got := see("one more", after, after); got != seenTooMany {
			t.Errorf("after %v: got %v, want too many", after, got)
		}
		if got := see("3", 0, after); got != seenBefore {
			t.Errorf("after %v: got %v, want before", after, got)
		}
	}
	if got := see("one more", 70*time.Second, 70*time.Second); got != seenFirst {
		t.Errorf("when the others are too old: got %v", got)
	}
	if got := see("3", 0, 70*time.Second); got != seenForgotten {
		t.Errorf("one of those: got %v", got)
	}
	if r.count != 1 || len(r.seen) != 1 {
		t.Errorf("%d are remembered, in %d spans", r.count, len(r.seen))
	}
}

// TestNoProofIsFirstTwiceWhateverTheClockDoes walks it to and fro, with proofs that are in time at each step.
func TestNoProofIsFirstTwiceWhateverTheClockDoes(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 0)
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 7))
		r, now := newReplays(), start
		used, first := map[int]time.Time{}, map[int]bool{}
		for n := range 300 {
			now = now.Add([]time.Duration{time.Second, 7 * time.Second, 90 * time.Second, time.Hour, -time.Hour, -90 * time.Second, -time.Second}[random.IntN(7)])
			used[n] = now.Add(time.Duration(random.IntN(90)-59) * time.Second)
			for jti, issued := range used {
				if age := now.Sub(issued); age >= proofAge || age < -30*time.Second {
					continue // refused before it is looked for
				}
				if r.see(replayOf("k", fmt.Sprint(jti)), issued, now) != seenFirst {
					continue
				}
				if first[jti] {
					t.Fatalf("seed %d: proof %d works twice", seed, jti)
				}
				first[jti] = true
			}
		}
		if len(first) == 0 {
			t.Fatalf("seed %d: no proof worked", seed)
		}
	}
}

// TestAfterTheClockWasSetBackNewProofsWork, for all that were refused are older than what was forgotten.
func TestAfterTheClockWasSetBackNewProofsWork(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 0)
	r := newReplays()
	r.see(replayOf("k", "old"), start, start)
	r.see(replayOf("k", "ahead"), start.Add(time.Hour), start.Add(time.Hour))
	back := start.Add(replaySpan)
	for jti, want := range map[string]sighting{"old": seenForgotten, "another of then": seenForgotten} {
		if got := r.see(replayOf("k", jti), start, back); got != want {
			t.Errorf("%s: got %v, want %v", jti, got, want)
		}
	}
	if got := r.see(replayOf("k", "new"), back, back); got != seenFirst {
		t.Errorf("a new one: got %v", got)
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
