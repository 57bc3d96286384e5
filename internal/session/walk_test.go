package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestTheRulesKeepTheInvariants walks, breadth first, every state that two tabs
// of an orderly client, a thief, a flush and a rollback can bring a session into,
// under a clock of coarse ticks, and checks S1 to S9 at every refresh. S10 is
// about the steps before the rules and is tested with them; here: what fails
// changes no state.
func TestTheRulesKeepTheInvariants(t *testing.T) {
	tests := map[string]struct {
		policy session.Policy
		limits limits
	}{
		"bearer":                {session.Policy{}, limits{gens: 5, grace: 2}},
		"confidential":          {session.Policy{Skip: true}, limits{gens: 5, grace: 2}},
		"confidential, calm":    {session.Policy{Skip: true}, limits{gens: 6, grace: 2, calm: true}},
		"strict":                {session.Policy{Skip: true}, limits{gens: 6}},
		"never":                 {session.Policy{Never: true}, limits{gens: 6, grace: 2}},
		"bearer that ends":      {session.Policy{}, limits{gens: 5, grace: 1, idle: 2, absolute: 4}},
		"confidential, it ends": {session.Policy{Skip: true}, limits{gens: 5, grace: 1, idle: 2, absolute: 3}},
		"strict, and it ends":   {session.Policy{}, limits{gens: 5, idle: 2, absolute: 4}},
		"never, yet it ends":    {session.Policy{Never: true}, limits{gens: 6, grace: 1, idle: 2, absolute: 4}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWalker(tt.policy, tt.limits)
			begin := time.Now()
			w.walk()
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

// newWalker gives the policy the lifetimes that the limits say.
func newWalker(policy session.Policy, l limits) *walker {
	l.gens = min(l.gens, walkGens)
	policy.Grace = time.Duration(l.grace) * tick
	policy.Idle = 24 * time.Hour
	if l.idle > 0 {
		policy.Idle = time.Duration(l.idle) * tick
	}
	return &walker{policy: policy, limits: l, index: map[world]int32{}}
}

// wantEveryVerdict fails a walk that never came to what it is about.
func (w *walker) wantEveryVerdict(t *testing.T) {
	t.Helper()
	want := map[session.Verdict]bool{
		session.Revoked:  true,
		session.Expired:  w.limits.idle > 0,
		session.Renewed:  w.policy.Never,
		session.Rotated:  !w.policy.Never,
		session.Repeated: !w.policy.Never && w.limits.grace > 0,
		session.Skipped:  w.policy.Skip && w.limits.grace > 0,
		session.Healed:   !w.policy.Never && !w.limits.calm,
		session.Replayed: !w.policy.Never,
	}
	for v, met := range want {
		if met != (w.verdicts[v] > 0) {
			t.Errorf("the walk met %d refreshes that were %s", w.verdicts[v], v)
		}
	}
}

// walker walks the worlds of one policy.
type walker struct {
	policy session.Policy
	limits limits

	index       map[world]int32 // every world met, by the order of meeting
	parents     []int32         // where each was met from
	steps       []step          // and by what
	queue       []world
	here        int32 // the world being left
	transitions int
	verdicts    [session.Replayed + 1]int

	violation string // the first one; it ends the walk
	culprit   step
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
	w.meet(step{what: "login"}, born())
	for len(w.queue) > 0 && w.violation == "" {
		from := w.queue[0]
		w.queue = w.queue[1:]
		w.here = w.index[from]
		w.leave(from)
	}
}

// meet notes a world once.
func (w *walker) meet(by step, to world) {
	w.transitions++
	to = to.canonical()
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
		lines = append(lines, fmt.Sprintf("%s\n    → %+v", w.steps[i], worlds[i]))
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
	w.answer(from)
	w.rowChanges(from)
	w.ownerRefreshes(from)
	w.thiefActs(from)
}

// tryRevoked presents every generation to a revoked session, with the store as it
// is, rolled back, and flushed.
func (w *walker) tryRevoked(from world) {
	for _, store := range []stored{from.store, from.saved, {}} {
		from.store = store
		for gen := range w.limits.gens + 1 {
			w.refresh("somebody", from, held{gen: gen}, from.checkpoint)
		}
	}
}

func (w *walker) rowChanges(from world) {
	out := from
	out.revoked = true
	w.meet(step{what: "the owner logs out"}, out)
	if from.presented > from.checkpoint {
		out := from
		out.checkpoint = from.presented
		w.meet(step{what: "the checkpoint is written"}, out)
	}
}

// breakStore loses what the store may lose: once everything, once what came after
// some moment. Where skips are allowed, a flush is not rolled back: that would
// bring back a skip of the time before, which burned the generation that the same
// token was given again after the flush, and the rules can't know of it.
func (w *walker) breakStore(from world) {
	if w.limits.calm {
		return
	}
	if !from.flushed && from.store.cur != 0 {
		out := from.faulted()
		out.store, out.flushed = stored{}, true
		if w.policy.Skip && !out.rolled {
			out.saved, out.isSaved = stored{}, false
		}
		w.meet(step{what: "the store is flushed"}, out)
	}
	switch {
	case from.rolled:
	case !from.isSaved:
		out := from
		out.saved, out.isSaved = from.store, true
		w.meet(step{what: "the store is saved"}, out)
	case from.saved != from.store:
		out := from.faulted()
		out.store, out.rolled = from.saved, true
		w.meet(step{what: "the store is rolled back"}, out)
	}
}

// passTime ticks the clock, as long as that leaves the owner orderly: a retry is
// handled within grace of the first attempt, where skips don't forgive a later
// one. A tab gives up waiting before grace ends.
func (w *walker) passTime(from world) {
	forgiving := w.policy.Skip || w.policy.Never || w.policy.Grace == 0
	if !forgiving && from.tried && from.first+1 >= w.limits.grace {
		return
	}
	out := from.older(w.limits)
	for i, waiting := range out.tabs {
		if waiting.used != 0 && waiting.age >= max(w.limits.grace, 1) && !out.lose(i) {
			return
		}
	}
	w.meet(step{what: "time passes"}, out)
}

// answer delivers or loses the answers on their way.
func (w *walker) answer(from world) {
	for i, waiting := range from.tabs {
		if waiting.used == 0 {
			continue
		}
		out := from
		out.tabs[i] = tab{}
		if newest := out.have.newer(waiting.got); newest != out.have {
			out.have, out.tried, out.first, out.lost = newest, false, 0, 0
		}
		w.meet(step{what: "an answer is delivered"}, out)
		out = from
		if out.lose(i) {
			w.meet(step{what: "an answer is lost"}, out)
		}
	}
}

// lose drops the answer to a tab; an orderly client loses at most three in a row.
func (w *world) lose(i int) bool {
	if w.tabs[i].used == w.have.gen {
		w.lost++
	}
	w.tabs[i] = tab{}
	return w.lost <= session.MaxSkips
}

// ownerRefreshes lets an idle tab present the newest token.
func (w *walker) ownerRefreshes(from world) {
	for i, waiting := range from.tabs {
		if waiting.used != 0 || !w.mayStart(from, from.tabs[1-i]) {
			continue
		}
		w.eachRead(from, func(checkpoint uint8) {
			out, d, by := w.refresh("the owner", from, from.have, checkpoint)
			if d.Issue > uint32(w.limits.gens) {
				return
			}
			w.checkOwner(from, d, by)
			if d.Verdict.Succeeds() {
				out.tabs[i] = tab{used: from.have.gen, got: w.issued(d)}
			}
			out.tried = true
			w.meet(by, out)
		})
	}
}

// mayStart reports whether an orderly client starts a refresh beside the other
// tab: not while an older token is in flight, and later than grace after the first
// attempt only alone. For that one may skip, and so burn the token that an earlier
// attempt was given at the end of grace, and that is still on its way.
func (w *walker) mayStart(from world, other tab) bool {
	if other.used == 0 {
		return true
	}
	late := w.policy.Skip && from.tried && from.first >= w.limits.grace
	return other.used == from.have.gen && !(late && w.limits.grace > 0)
}

// thiefActs lets the thief copy the owner's token, once, and present any token
// that came of it; the thief loses no answer.
func (w *walker) thiefActs(from world) {
	if !from.stole {
		out := from
		out.stole, out.stolen[from.have.gen] = true, used{true, from.have.age}
		w.meet(step{what: "the thief copies the newest token"}, out)
	}
	for gen, token := range from.stolen {
		if !token.yes {
			continue
		}
		w.eachRead(from, func(checkpoint uint8) {
			out, d, by := w.refresh("the thief", from, held{uint8(gen), token.age}, checkpoint)
			if d.Issue > uint32(w.limits.gens) {
				return
			}
			out.thieved = true
			if d.Verdict.Succeeds() {
				got := w.issued(d)
				out.stolen[got.gen] = used{true, got.age}
			}
			w.meet(by, out)
		})
	}
}

// eachRead calls try with every checkpoint that a refresh may have read: the one
// of now, and the oldest, by a refresh that read its row long ago.
func (w *walker) eachRead(from world, try func(checkpoint uint8)) {
	try(from.checkpoint)
	if from.checkpoint > 1 {
		try(1)
	}
}

// refresh presents a token, and returns the world after. A decision that would
// leave the bounds, issuing more generations, is neither checked nor carried out.
func (w *walker) refresh(who string, from world, token held, checkpoint uint8) (world, session.Decision, step) {
	row := session.Row{Revoked: from.revoked, AbsoluteExpiry: w.end(from), Checkpoint: uint32(checkpoint)}
	presented := session.Presented{Generation: uint32(token.gen), IssuedAt: ago(token.age)}
	d := session.Decide(row, from.store.state(), presented, present, w.policy)
	by := step{who, token.gen, checkpoint, d.Verdict}
	if d.Issue > uint32(w.limits.gens) {
		return from, d, by
	}
	w.verdicts[d.Verdict]++
	w.check(from, token, d, by)

	out := from
	out.store = storedOf(d.State, w.limits)
	out.revoked = from.revoked || d.Verdict == session.Replayed
	if d.Verdict.Succeeds() {
		out.presented = max(out.presented, token.gen)
	}
	return out.remember(token.gen, d), d, by
}

// end is the absolute expiry of the session.
func (w *walker) end(from world) time.Time {
	if w.limits.absolute == 0 {
		return present.Add(time.Hour)
	}
	return ago(from.age).Add(time.Duration(w.limits.absolute) * tick)
}

// issued is the token that a refresh gave.
func (w *walker) issued(d session.Decision) held {
	return held{uint8(d.Issue), ageOf(d.Issued, w.limits.idle)}
}

// remember keeps the ghosts.
func (w world) remember(gen uint8, d session.Decision) world {
	switch d.Verdict {
	case session.Skipped:
		w.burned++
	case session.Rotated, session.Healed:
		w.burned = 0
	default:
		return w
	}
	w.last = advance{gen, uint8(d.Issue), 0}
	if !w.firstUse[gen].yes {
		w.firstUse[gen] = used{yes: true}
	}
	return w
}
