//go:build !race

package session_test

import (
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// Time ticks every ten seconds. A world holds ages in ticks, not moments, and an
// age stops at the limit beyond which it makes no difference; so the walk covers
// histories of any length. Ages are in true time, which every clock shows but the odd
// one; where there is one clock only, they are its, and an age of -1 is in its future
// after it went back.
const tick = 10 * time.Second

// present is the moment of every refresh of the walk.
var present = login.Add(time.Hour)

// ago is the moment of an age.
func ago(age int8) time.Time { return present.Add(-time.Duration(age) * tick) }

// ageOf is the inverse of ago, up to a limit; 0 is none, and then no age counts.
func ageOf(moment time.Time, limit int8) int8 {
	if limit == 0 {
		return 0
	}
	return int8(min(present.Sub(moment)/tick, time.Duration(limit)))
}

// gens is the highest generation that any walk lets the authority issue.
const gens = 6

// limits bound a walk: by the generations issued, by the ages, in ticks, at which
// something ends (zero for idle and absolute: never), and by what may go wrong.
type limits struct {
	gens                  uint8
	grace, idle, absolute int8
	rollbacks, flushes    uint8

	clockBack bool // there is one clock, which once goes back by a tick
	odd       clock.Name
	ahead     int64 // how far the odd clock is, in ticks, while it is wrong: from the login on,
	jumps     uint8 // or, if any, after it was set, and until it is set again
	older     bool  // once, an earlier binary writes the state, without stamps
	leak      bool  // once, the MAC key is marked compromised
	settle    bool  // once, the operator stops the client's rotation
	race      bool  // two holders of any tokens meet in the store

	lateTabs bool // a tab may retry late while the other waits; not orderly
	oldSkips bool // a skip from before a fault may come back; not promised
}

// horizon is the age of a state or a use that makes no difference any more, also by a
// clock that was set back.
func (l limits) horizon() int8 {
	if l.jumps == 0 {
		return l.patience()
	}
	return l.patience() + int8(max(l.ahead, -l.ahead))
}

// patience is how long a client waits for an answer.
func (l limits) patience() int8 { return max(l.grace, 1) }

// held is a token somebody holds; generation 0: none.
type held struct {
	gen uint8
	age int8
	bad bool // its MAC key is compromised
}

// newer returns the newer of two tokens.
func (h held) newer(other held) held {
	if other.gen > h.gen || other.gen == h.gen && other.age < h.age {
		return other
	}
	return h
}

// stored is the ephemeral state; cur 0: missing.
type stored struct {
	cur, prev uint8
	age       int8
	skips     uint8
	stamps    stamp
}

// stamp is whether the clocks were ahead, in what the limits say, when a state was written.
// No field is wider than a byte: a world without gaps is hashed at once.
type stamp struct{ redis, database int8 }

// unstamped is the stamp of a state that has none.
var unstamped = stamp{-128, -128}

// tab is one tab of the owner's browser; used 0: it waits for no answer.
type tab struct {
	used uint8 // the generation it presented
	age  int8  // how long ago
	got  held  // the answer on its way
}

// world is everything that can differ between two moments of one session: the
// durable row, the ephemeral store, the owner's two tabs, a thief, what has gone
// wrong, and ghosts. Ghosts remember the history for the invariants; the rules
// never see them.
//
// The thief may hold a copy of any token that was ever issued. Once it has acted,
// nothing is promised to the owner any more, and everybody presents any token at
// any time: that is more than the owner and the thief could do together.
type world struct {
	age        int8 // of the session
	revoked    bool
	never      bool // the client's tokens rotate no longer
	checkpoint uint8
	presented  uint8 // the generation to be written as the next checkpoint

	store     stored
	saved     [2]stored // what rollbacks bring back
	savings   uint8     // states saved so far
	rollbacks uint8     // done so far
	flushes   uint8
	back      bool  // the clock went back
	wrong     int8  // 1 while the odd clock is ahead
	jumps     uint8 // so far
	old       bool  // an earlier binary wrote the state
	leaked    bool  // the MAC key is compromised; another one signs

	have  held
	tabs  [2]tab
	tried bool  // have was presented
	first int8  // how long ago for the first time
	lost  uint8 // answers lost in a row

	hunted bool           // the thief acted
	issued uint8          // the highest generation ever issued
	tokens [gens + 1]int8 // the age of the youngest token of each generation
	good   uint8          // leaked: a bit for each generation minted under the new key

	ended    bool           // ghost: a revocation was answered
	last     advance        // ghost: the latest advance since the last fault
	firstUse [gens + 1]used // ghost: the first use of each generation since the last fault
	burned   uint8          // ghost: skips in a row since the last fault
}

// used reports whether, and how long ago.
type used struct {
	yes bool
	age int8
}

// advance is a rotation, a skip or a healing; issue 0: unknown.
type advance struct {
	prev, issue uint8
	age         int8
}

// born is the world right after login.
func born(l limits) world {
	wrong := int8(0)
	if l.jumps == 0 && l.ahead != 0 {
		wrong = 1
	}
	return world{wrong: wrong, checkpoint: 1, presented: 1, have: held{gen: 1}, issued: 1, last: advance{issue: 1}}
}

// canonical maps worlds that differ in nothing that matters onto one.
func (w world) canonical(l limits) world {
	if w.rollbacks == l.rollbacks {
		w.saved, w.savings = [2]stored{}, 0
	}
	if a, b := w.saved[0], w.saved[1]; storedOrder(a) < storedOrder(b) {
		w.saved[0], w.saved[1] = b, a
	}
	if w.revoked { // what is tried then depends on nothing else
		return world{revoked: true, ended: w.ended, checkpoint: w.checkpoint, store: w.store, saved: w.saved}
	}
	if w.hunted {
		w.have, w.tabs, w.tried, w.first, w.lost = held{}, [2]tab{}, false, 0, 0
	}
	if a, b := w.tabs[0], w.tabs[1]; tabOrder(a) > tabOrder(b) {
		w.tabs[0], w.tabs[1] = b, a
	}
	return w
}

func tabOrder(t tab) uint32 {
	return uint32(t.used)<<24 | uint32(uint8(t.age))<<16 | uint32(t.got.gen)<<8 | uint32(uint8(t.got.age))
}

func storedOrder(s stored) uint32 {
	return uint32(s.cur)<<24 | uint32(s.prev)<<16 | uint32(uint8(s.age))<<8 | uint32(s.skips)
}

func (w world) hadFault() bool { return w.flushes > 0 || w.rollbacks > 0 }

// eachAge changes every age that the store's clock counts, and not the client's.
func (w *world) eachAge(l limits, change func(age *int8, limit int8)) {
	change(&w.age, l.absolute)
	change(&w.have.age, l.idle)
	for gen := 1; gen <= int(w.issued); gen++ {
		change(&w.tokens[gen], l.idle)
		if w.firstUse[gen].yes {
			change(&w.firstUse[gen].age, l.horizon())
		}
	}
	for i := range w.tabs {
		if w.tabs[i].used != 0 {
			change(&w.tabs[i].got.age, l.idle)
		}
	}
	for _, s := range []*stored{&w.store, &w.saved[0], &w.saved[1]} {
		if s.cur != 0 {
			change(&s.age, l.horizon())
		}
	}
	if w.last.issue != 0 {
		change(&w.last.age, l.horizon())
	}
}

// older is the world one tick later.
func (w world) older(l limits) world {
	grow := func(age *int8, limit int8) { *age = min(*age+1, limit) }
	w.eachAge(l, grow)
	for i := range w.tabs {
		if w.tabs[i].used != 0 {
			grow(&w.tabs[i].age, l.patience())
		}
	}
	if w.tried {
		grow(&w.first, l.patience())
	}
	return w
}

// younger is the world as a clock sees it that is a tick behind. What was too old
// to count stays so.
func (w world) younger(l limits) world {
	w.eachAge(l, func(age *int8, limit int8) {
		if *age < limit {
			*age = max(*age-1, -1)
		}
	})
	w.back = true
	return w
}

// state is the store's value as the rules see it.
func (s stored) state(l limits) session.State {
	if s.cur == 0 {
		return session.State{}
	}
	state := session.State{Cur: uint32(s.cur), Prev: uint32(s.prev), RotatedAt: ago(s.age), Skips: s.skips}
	switch s.stamps {
	case unstamped:
	case stamp{}:
		state.Stamps = stamps(state.RotatedAt)
	default:
		state.Stamps = clock.Clocks{
			Redis:    state.RotatedAt.Add(time.Duration(s.stamps.redis) * l.error()),
			Database: state.RotatedAt.Add(time.Duration(s.stamps.database) * l.error()),
		}
	}
	return state
}

// error is how far the odd clock is ahead while it is wrong.
func (l limits) error() time.Duration { return time.Duration(l.ahead) * tick }

func storedOf(s session.State, l limits) stored {
	if s.Cur == 0 {
		return stored{}
	}
	return stored{cur: uint8(s.Cur), prev: uint8(s.Prev), age: ageOf(s.RotatedAt, l.horizon()), skips: s.Skips, stamps: l.stampOf(s)}
}

func (l limits) stampOf(s session.State) stamp {
	switch {
	case s.Stamps == (clock.Clocks{}):
		return unstamped
	case l.ahead == 0:
		return stamp{}
	}
	return stamp{redis: int8(s.Stamps.Redis.Sub(s.RotatedAt) / l.error()), database: int8(s.Stamps.Database.Sub(s.RotatedAt) / l.error())}
}

// String tells a world in a line of a story.
func (w world) String() string {
	return fmt.Sprintf("the owner has %d and waits for %d and %d; the store has %+v, the row checkpoint %d; the latest advance was %+v",
		w.have.gen, w.tabs[0].got.gen, w.tabs[1].got.gen, w.store, w.checkpoint, w.last)
}
