package session_test

import (
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// The walk's clock ticks every ten seconds. A world holds ages in ticks, not
// moments, and an age stops at the limit beyond which it makes no difference; so
// the walk covers histories of any length.
const tick = 10 * time.Second

// present is the moment of every refresh of the walk.
var present = login.Add(time.Hour)

// ago is the moment of an age.
func ago(age uint8) time.Time { return present.Add(-time.Duration(age) * tick) }

// ageOf is the inverse of ago, up to a limit.
func ageOf(moment time.Time, limit uint8) uint8 {
	return min(uint8(present.Sub(moment)/tick), limit)
}

// gens is the highest generation that any walk lets the authority issue.
const gens = 6

// limits bound a walk: by the generations issued, by the ages, in ticks, at which
// something ends (zero for idle and absolute: never), and by a store that loses
// nothing.
type limits struct {
	gens                  uint8
	grace, idle, absolute uint8
	calm                  bool
}

// held is a token somebody holds; generation 0: none.
type held struct{ gen, age uint8 }

// newer returns the newer of two tokens.
func (h held) newer(other held) held {
	if other.gen > h.gen || other.gen == h.gen && other.age < h.age {
		return other
	}
	return h
}

// stored is the ephemeral state; cur 0: missing.
type stored struct{ cur, prev, age, skips uint8 }

// tab is one tab of the owner's browser; used 0: it waits for no answer.
type tab struct {
	used uint8 // the generation it presented
	age  uint8 // how long ago
	got  held  // the answer on its way
}

// world is everything that can differ between two moments of one session: the
// durable row, the ephemeral store, the owner's two tabs, a thief, what faults
// have happened, and ghosts. Ghosts remember the history for the invariants; the
// rules never see them.
type world struct {
	age        uint8 // of the session
	revoked    bool
	checkpoint uint8
	presented  uint8 // the highest generation presented with success: the next checkpoint

	store   stored
	saved   stored // what a rollback brings back
	isSaved bool
	flushed bool
	rolled  bool

	have  held
	tabs  [2]tab
	tried bool  // have was presented
	first uint8 // how long ago for the first time
	lost  uint8 // answers lost in a row

	stole   bool
	thieved bool           // the thief presented something
	stolen  [gens + 1]used // the tokens that the thief holds

	last     advance        // ghost: the latest advance since the last fault
	firstUse [gens + 1]used // ghost: the first use of each generation since the last fault
	burned   uint8          // ghost: skips in a row since the last fault
}

// used says whether, and how long ago.
type used struct {
	yes bool
	age uint8
}

// advance is a rotation, a skip or a healing; issue 0: unknown.
type advance struct{ prev, issue, age uint8 }

// born is the world right after login.
func born() world {
	return world{checkpoint: 1, presented: 1, have: held{gen: 1}, last: advance{issue: 1}}
}

// canonical maps worlds that differ in nothing that matters onto one.
func (w world) canonical() world {
	if w.revoked { // what is tried then depends on nothing else
		return world{revoked: true, checkpoint: w.checkpoint, store: w.store, saved: w.saved, isSaved: w.isSaved, have: held{gen: 1}}
	}
	if w.rolled {
		w.saved = stored{}
	}
	if w.thieved { // the owner is held to nothing any more
		w.tried, w.first, w.lost = false, 0, 0
	}
	for gen := range w.firstUse {
		if !w.holds(uint8(gen)) {
			w.firstUse[gen] = used{}
		}
	}
	if a, b := w.tabs[0], w.tabs[1]; tabOrder(a) > tabOrder(b) {
		w.tabs[0], w.tabs[1] = b, a
	}
	return w
}

func tabOrder(t tab) uint32 {
	return uint32(t.used)<<24 | uint32(t.age)<<16 | uint32(t.got.gen)<<8 | uint32(t.got.age)
}

// holds reports whether anybody may still present a generation.
func (w world) holds(gen uint8) bool {
	return w.have.gen == gen || w.stolen[gen].yes || w.tabs[0].got.gen == gen || w.tabs[1].got.gen == gen
}

// faulted is the world whose ghosts know that the store lost something.
func (w world) faulted() world {
	w.last, w.burned, w.firstUse = advance{}, 0, [gens + 1]used{}
	return w
}

func (w world) hadFault() bool { return w.flushed || w.rolled }

// older is the world one tick later.
func (w world) older(l limits) world {
	grow := func(age *uint8, limit uint8) { *age = min(*age+1, limit) }
	grow(&w.age, l.absolute)
	grow(&w.have.age, l.idle)
	for i := range w.stolen {
		if w.stolen[i].yes {
			grow(&w.stolen[i].age, l.idle)
		}
		if w.firstUse[i].yes {
			grow(&w.firstUse[i].age, l.grace)
		}
	}
	for i := range w.tabs {
		if w.tabs[i].used != 0 {
			grow(&w.tabs[i].age, max(l.grace, 1))
			grow(&w.tabs[i].got.age, l.idle)
		}
	}
	if w.tried {
		grow(&w.first, l.grace)
	}
	if w.store.cur != 0 {
		grow(&w.store.age, l.grace)
	}
	if w.saved.cur != 0 {
		grow(&w.saved.age, l.grace)
	}
	grow(&w.last.age, l.grace)
	return w
}

// state is the store's value as the rules see it.
func (s stored) state() session.State {
	if s.cur == 0 {
		return session.State{}
	}
	return session.State{Cur: uint32(s.cur), Prev: uint32(s.prev), RotatedAt: ago(s.age), Skips: s.skips}
}

func storedOf(s session.State, l limits) stored {
	if s.Cur == 0 {
		return stored{}
	}
	return stored{cur: uint8(s.Cur), prev: uint8(s.Prev), age: ageOf(s.RotatedAt, l.grace), skips: s.Skips}
}
