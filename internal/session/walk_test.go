//go:build !race

package session_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// walk names a policy and how far it is walked.
type walk struct {
	policy session.Policy
	limits limits
}

// walks are the policies that a client can have, each with what can go wrong.
func walks() map[string]walk {
	return map[string]walk{
		"bearer":                        {session.Policy{}, limits{gens: 6, grace: 2, rollbacks: 2, flushes: 1}},
		"confidential":                  {session.Policy{Skip: true}, limits{gens: 6, grace: 2, rollbacks: 2, flushes: 1}},
		"strict":                        {session.Policy{Skip: true}, limits{gens: 6, rollbacks: 2, flushes: 1, race: true}},
		"never":                         {session.Policy{Never: true}, limits{gens: 6, grace: 2, rollbacks: 2, flushes: 1, leak: true}},
		"bearer that ends":              {session.Policy{}, limits{gens: 6, grace: 1, idle: 2, absolute: 4, rollbacks: 2, flushes: 1}},
		"confidential that ends":        {session.Policy{Skip: true}, limits{gens: 6, grace: 1, idle: 2, absolute: 3, rollbacks: 1, flushes: 1}},
		"strict that ends":              {session.Policy{}, limits{gens: 6, idle: 2, absolute: 4, rollbacks: 2, flushes: 1}},
		"never, yet it ends":            {session.Policy{Never: true}, limits{gens: 6, grace: 1, idle: 2, absolute: 4, rollbacks: 2, flushes: 1}},
		"confidential, the clock errs":  {session.Policy{Skip: true}, limits{gens: 6, grace: 2, rollbacks: 1, clockBack: true}},
		"strict, the clock errs":        {session.Policy{}, limits{gens: 6, rollbacks: 1, clockBack: true}},
		"bearer, a MAC key leaks":       {session.Policy{}, limits{gens: 6, grace: 2, rollbacks: 1, leak: true}},
		"confidential, a MAC key leaks": {session.Policy{Skip: true}, limits{gens: 6, grace: 2, rollbacks: 1, leak: true}},
		"bearer, then never":            {session.Policy{}, limits{gens: 6, grace: 2, rollbacks: 1, flushes: 1, settle: true}},
		"bearer, all at once":           {session.Policy{}, limits{gens: 6, grace: 2, rollbacks: 1, race: true}},
		"confidential, all at once":     {session.Policy{Skip: true}, limits{gens: 6, grace: 2, rollbacks: 1, race: true}},
	}
}

// TestWalkKeepsTheInvariants walks, breadth first, every state that two tabs of an
// orderly client, a thief, flushes and rollbacks can bring a session into, and
// checks S1 to S10 at every refresh. What comes before the rules, as a wrong client
// or proof, is S10, too, and tested in internal/authority.
//
// The race detector would make each state ten times as expensive, and a walk has nothing for
// it to find: it is built without it only, and so is what breaks the rules to see
// whether the walk notices.
func TestWalkKeepsTheInvariants(t *testing.T) {
	t.Parallel()
	var states, transitions atomic.Int64
	begin := time.Now()
	t.Cleanup(func() {
		t.Logf("%d states, %d transitions in all, %s",
			states.Load(), transitions.Load(), time.Since(begin).Round(100*time.Millisecond))
	})
	for name, walk := range walks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWalker(walk, theAuthority())
			begin := time.Now()
			w.walk()
			states.Add(int64(len(w.index)))
			transitions.Add(int64(w.transitions))
			t.Logf("%d states, %d transitions, %s; refreshes by verdict: %v",
				len(w.index), w.transitions, time.Since(begin).Round(time.Millisecond), w.verdicts)
			if w.violation != "" {
				t.Errorf("%s\n%s", w.violation, w.story())
				return
			}
			w.wantEveryVerdict(t)
		})
	}
}

// TestWalkFindsWhatIsNotGuaranteed holds docs/decisions/0009 to the truth: without
// its two exceptions, S4 and S6 do not hold where skips are allowed.
func TestWalkFindsWhatIsNotGuaranteed(t *testing.T) {
	t.Parallel()
	tests := map[string]limits{
		"S4: an orderly client was refused":                            {gens: 4, grace: 2, lateTabs: true},
		"S6: an orderly client was refused after a fault of the store": {gens: 4, grace: 2, rollbacks: 1, flushes: 1, oldSkips: true},
	}
	for want, limits := range tests {
		w := newWalker(walk{session.Policy{Skip: true}, limits}, theAuthority())
		w.walk()
		if w.violation != want {
			t.Errorf("the walk found %q; want %q", w.violation, want)
		}
		w = newWalker(walk{session.Policy{}, limits}, theAuthority())
		w.walk()
		if w.violation != "" {
			t.Errorf("where skips are not allowed, the walk found: %s\n%s", w.violation, w.story())
		}
	}
}

// walker walks the worlds of one policy.
type walker struct {
	authority
	policy session.Policy
	limits limits

	index       map[world]int32 // every world met, by the order of meeting
	parents     []int32         // where each was met from
	steps       []step          // and by what
	queue       []world
	here, left  int32 // the world being left, and how many were
	transitions int
	verdicts    [session.Replayed + 1]int

	violation string // the first one; it ends the walk
	culprit   step
}

// newWalker gives the policy the lifetimes that the limits say.
func newWalker(of walk, a authority) *walker {
	w := &walker{authority: a, policy: of.policy, limits: of.limits, index: map[world]int32{}}
	w.policy.Grace = time.Duration(w.limits.grace) * tick
	w.policy.Idle = 24 * time.Hour
	if w.limits.idle > 0 {
		w.policy.Idle = time.Duration(w.limits.idle) * tick
	}
	return w
}

// step is one line of the story; checkpoint 0: not a refresh.
type step struct {
	what       string
	generation uint8
	checkpoint uint8
	verdict    session.Verdict
}

func (s step) String() string {
	if s.checkpoint == 0 {
		return s.what
	}
	return fmt.Sprintf("%s presents %d having read checkpoint %d: %s", s.what, s.generation, s.checkpoint, s.verdict)
}

func (w *walker) walk() {
	w.meet(step{what: "login"}, born(w.limits))
	for len(w.queue) > 0 && w.violation == "" {
		from := w.queue[0]
		w.queue = w.queue[1:]
		w.here = w.left
		w.left++ // worlds are left in the order of meeting
		w.leave(from)
	}
}

// meet notes a world once.
func (w *walker) meet(by step, to world) {
	w.transitions++
	to = to.canonical(w.limits)
	if _, met := w.index[to]; met {
		return
	}
	w.index[to] = int32(len(w.parents))
	w.parents = append(w.parents, w.here)
	w.steps = append(w.steps, by)
	w.queue = append(w.queue, to)
}

// story tells how the walk came to the violation.
func (w *walker) story() string {
	worlds := make([]world, len(w.parents))
	for met, i := range w.index {
		worlds[i] = met
	}
	lines := []string{w.culprit.String()}
	for i := w.here; i > 0; i = w.parents[i] {
		lines = append(lines, fmt.Sprintf("%s\n    → %s", w.steps[i], worlds[i]))
	}
	slices.Reverse(lines)
	return strings.Join(lines, "\n")
}

// leave takes every step that is possible in a world. A revoked session is not
// walked on: every token anybody holds is tried at once, see tryRevoked.
func (w *walker) leave(from world) {
	if from.revoked {
		w.tryRevoked(from)
		return
	}
	w.passTime(from)
	w.breakStore(from)
	w.changeRow(from)
	w.operate(from)
	if !from.hunted {
		w.answer(from)
		w.ownerRefreshes(from)
	}
	w.thiefRefreshes(from)
}

// wantEveryVerdict fails a walk that never came to what it is about.
func (w *walker) wantEveryVerdict(t *testing.T) {
	t.Helper()
	rotates := !w.policy.Never || w.limits.leak
	want := map[session.Verdict]bool{
		session.Revoked:  true,
		session.Expired:  w.limits.idle > 0,
		session.Renewed:  w.policy.Never || w.limits.settle,
		session.Rotated:  rotates,
		session.Repeated: !w.policy.Never && w.limits.grace > 0,
		session.Skipped:  w.policy.Skip && w.limits.grace > 0,
		session.Healed:   !w.policy.Never && w.limits.rollbacks+w.limits.flushes > 0,
		session.Replayed: rotates,
	}
	for v, met := range want {
		if met != (w.verdicts[v] > 0) {
			t.Errorf("the walk met %d refreshes that were %s", w.verdicts[v], v)
		}
	}
}
