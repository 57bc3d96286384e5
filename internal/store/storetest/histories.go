package storetest

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// HistoryStore is one of the stores that [Histories] walks together.
type HistoryStore struct {
	States     session.States
	NewSession func(testing.TB) string // makes a live session and returns its id
	// Copy keeps what the store holds of a session now, and gives the verb that
	// puts it back, be it nothing: a store that lost writes, or everything.
	Copy func(tb testing.TB, sessionID string) (restore func(testing.TB))
}

// What follows lies so far apart that the seconds a test takes never matter: the
// stores' own clocks differ, and all must come to one verdict.
const (
	historyGrace = time.Hour
	historyPause = 2 * time.Hour
	historyIdle  = 100 * time.Hour
)

// Histories walks random histories of one session, each through every store and
// through a variable that the pure rules govern, and wants the same verdict, the
// same issue and the same state of all of them after each step. Besides refreshes,
// alone and two at once, time passes, checkpoints are taken, and all stores are
// put back to what they held earlier, or to nothing. Where there are three clocks, one of
// them is set again and again, which must make no difference.
func Histories(t *testing.T, stores map[string]HistoryStore) {
	t.Parallel()
	verdicts, steps := map[session.Verdict]int{}, 0
	rapid.Check(t, func(rt *rapid.T) {
		h := startHistory(t, rt, stores)
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			h.step()
			steps++
		}
		for verdict, times := range h.verdicts {
			verdicts[verdict] += times
		}
	})
	t.Logf("%d steps, verdicts %v", steps, verdicts)
}

// modelTime is the clock of the variable, which is the only one there.
var modelTime = clock.Clocks{Database: stateTime}

// history is one session in several worlds.
type history struct {
	t          testing.TB
	rt         *rapid.T
	policy     session.Policy
	offset     time.Duration // added to every clock
	odd        clock.Name    // the clock that is set
	ahead      time.Duration // and how far it is ahead
	checkpoint uint32
	presented  uint32 // the newest generation presented with success
	newest     uint32 // the newest generation issued
	model      session.State
	copies     []session.State // of the model
	worlds     []*world
	verdicts   map[session.Verdict]int
}

// world is the session in one store.
type world struct {
	name   string
	store  HistoryStore
	id     string
	state  session.State // what was written last
	copies []worldCopy
}

type worldCopy struct {
	state   session.State
	restore func(testing.TB)
}

func startHistory(t testing.TB, rt *rapid.T, stores map[string]HistoryStore) *history {
	h := &history{t: t, rt: rt, checkpoint: 1, presented: 1, newest: 1, verdicts: map[session.Verdict]int{}}
	h.policy = session.Policy{
		Never: rapid.IntRange(0, 9).Draw(rt, "never") == 9,
		Idle:  historyIdle,
		Grace: rapid.SampledFrom([]time.Duration{historyGrace, historyGrace, 0}).Draw(rt, "grace"),
		Skip:  rapid.Bool().Draw(rt, "skip"),
	}
	h.odd = rapid.SampledFrom([]clock.Name{clock.Redis, clock.Database, clock.Machine}).Draw(rt, "odd")
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		h.worlds = append(h.worlds, &world{name: name, store: stores[name], id: stores[name].NewSession(t)})
	}
	h.copy() // the first copy holds nothing
	return h
}

func (h *history) step() {
	present := func() { h.present(h.draw("token")) }
	rapid.SampledFrom([]func(){present, present, present, h.pair, h.pair, h.pause, h.set, h.copy, h.restore, h.lose, h.raise}).Draw(h.rt, "action")()
}

// token is what is presented.
type token struct {
	generation  uint32
	age         time.Duration
	compromised bool
}

func (h *history) draw(label string) token {
	near := rapid.SampledFrom([]uint32{h.newest, max(1, h.model.Cur), max(1, h.model.Prev)})
	return token{
		generation: rapid.OneOf(near, near, rapid.Uint32Range(1, h.newest+1)).Draw(h.rt, label),
		// none is a multiple of the pause, but zero: no verdict hangs on seconds
		age:         rapid.SampledFrom([]time.Duration{0, 0, 0, 0, 0, 0, time.Hour, 3 * time.Hour, 2 * historyIdle}).Draw(h.rt, label+" age"),
		compromised: rapid.IntRange(0, 19).Draw(h.rt, label+" compromised") == 19,
	}
}

// judge asks the rules, by the clock of a store.
func (h *history) judge(state session.State, x token, store clock.Clocks) session.Decision {
	now := store.Median().Add(h.offset)
	row := session.Row{AbsoluteExpiry: now.Add(time.Hour), Checkpoint: h.checkpoint}
	presented := session.Presented{Generation: x.generation, IssuedAt: now.Add(-x.age), Compromised: x.compromised}
	return session.Decide(row, state, presented, h.clocks(store), h.policy)
}

// clocks are those by which a decision is made: where there are three, one is wrong.
func (h *history) clocks(store clock.Clocks) clock.Clocks {
	now := completed(store, store.Median()).Add(h.offset)
	if now.Redis.IsZero() {
		return now
	}
	switch h.odd {
	case clock.Redis:
		now.Redis = now.Redis.Add(h.ahead)
	case clock.Database:
		now.Database = now.Database.Add(h.ahead)
	default:
		now.Machine = now.Machine.Add(h.ahead)
	}
	return now
}

// note keeps what a decision of the rules leads to.
func (h *history) note(x token, d session.Decision) {
	h.verdicts[d.Verdict]++
	h.model = d.State
	if d.Verdict.Succeeds() {
		h.presented, h.newest = max(h.presented, x.generation), max(h.newest, d.Issue)
	}
}

// present presents one token in every world.
func (h *history) present(x token) {
	want := h.judge(h.model, x, modelTime)
	for _, w := range h.worlds {
		got, err := w.refresh(h, x)
		if err != nil {
			h.rt.Fatalf("%s: update state: %v", w.name, err)
		}
		if diff := cmp.Diff(timeless(got.Decision), timeless(want)); diff != "" {
			h.rt.Fatalf("%s: generation %d (-got +want):\n%s", w.name, x.generation, diff)
		}
		if diff := cmp.Diff(got.read, w.state); diff != "" {
			h.rt.Fatalf("%s: state read (-got +want):\n%s", w.name, diff)
		}
		w.state = got.State
	}
	h.note(x, want)
}

// pair presents two tokens at once in every world. Which one is first may differ
// from world to world, so both orders must lead to one state; else it presents one
// token twice.
func (h *history) pair() {
	x, y := h.draw("one"), h.draw("other")
	xy, yx := h.orders(x, y)
	if timeless(xy[1]).State != timeless(yx[0]).State {
		y = x
		xy, yx = h.orders(x, y)
	}
	for _, w := range h.worlds {
		got, err := w.refreshBoth(h, x, y)
		if err != nil {
			h.rt.Fatalf("%s: update state: %v", w.name, err)
		}
		decided := [2]session.Decision{timeless(got[0].Decision), timeless(got[1].Decision)}
		first, last := 0, 1
		switch decided {
		case [2]session.Decision{timeless(xy[0]), timeless(xy[1])}:
		case [2]session.Decision{timeless(yx[0]), timeless(yx[1])}:
			first, last = 1, 0
		default:
			h.rt.Fatalf("%s: generations %d and %d at once: %+v, want %+v or %+v", w.name, x.generation, y.generation, decided, xy, yx)
		}
		if got[first].read != w.state || got[last].read != got[first].State {
			h.rt.Fatalf("%s: from %+v the first read %+v and left %+v, the second read %+v",
				w.name, w.state, got[first].read, got[first].State, got[last].read)
		}
		w.state = got[last].State
	}
	h.note(x, xy[0])
	h.note(y, xy[1])
}

// orders gives the decisions on x and on y when x is first, and when y is.
func (h *history) orders(x, y token) (xy, yx [2]session.Decision) {
	xy[0] = h.judge(h.model, x, modelTime)
	xy[1] = h.judge(xy[0].State, y, modelTime)
	yx[1] = h.judge(h.model, y, modelTime)
	yx[0] = h.judge(yx[1].State, x, modelTime)
	return xy, yx
}

func (h *history) pause() { h.offset += historyPause }

// set sets the odd clock.
func (h *history) set() {
	h.ahead = rapid.SampledFrom([]time.Duration{
		0, 5 * time.Second, -5 * time.Second, historyPause, -historyPause, 31 * 24 * time.Hour, -31 * 24 * time.Hour,
	}).Draw(h.rt, "ahead")
}

// raise moves the durable row's checkpoint as far as the writes of it may have come.
func (h *history) raise() {
	h.checkpoint = rapid.Uint32Range(h.checkpoint, max(h.checkpoint, h.presented)).Draw(h.rt, "checkpoint")
}

func (h *history) copy() {
	h.copies = append(h.copies, h.model)
	for _, w := range h.worlds {
		w.copies = append(w.copies, worldCopy{w.state, w.store.Copy(h.t, w.id)})
	}
}

func (h *history) restore() { h.putBack(rapid.IntRange(0, len(h.copies)-1).Draw(h.rt, "copy")) }
func (h *history) lose()    { h.putBack(0) }

func (h *history) putBack(at int) {
	h.model = h.copies[at]
	for _, w := range h.worlds {
		w.copies[at].restore(h.t)
		w.state = w.copies[at].state
	}
}

// worldDecision is a decision and what it was taken on.
type worldDecision struct {
	session.Decision
	read session.State
}

func (w *world) refresh(h *history, x token) (got worldDecision, err error) {
	err = w.store.States.UpdateState(h.rt.Context(), w.id, statesKeep, func(stored session.State, now clock.Clocks) (session.State, bool) {
		got = worldDecision{h.judge(stored, x, now), stored}
		return got.State, got.State != stored
	})
	return got, err
}

func (w *world) refreshBoth(h *history, x, y token) (got [2]worldDecision, err error) {
	var errs [2]error
	var wg sync.WaitGroup
	for i, one := range []token{x, y} {
		wg.Go(func() { got[i], errs[i] = w.refresh(h, one) })
	}
	wg.Wait()
	return got, errors.Join(errs[:]...)
}

// timeless is a decision without the times, which are each world's own.
func timeless(d session.Decision) session.Decision {
	d.Issued, d.State.RotatedAt, d.State.Stamps = time.Time{}, time.Time{}, clock.Clocks{}
	return d
}
