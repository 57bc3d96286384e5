package keyring_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// tick is the grain of the walk: the two polls that settle a key.
const tick = keyring.Settled

// walkPolicy is the default in small: publishing takes longer than an ordered switch,
// a rotation twice as long, and a retired key stays for as long as a replica may sign
// with it after all (MaxAge) and a token of that lives (two ticks).
var walkPolicy = keyring.Policy{PublishAhead: 8 * tick, RotateEvery: 16 * tick, Retain: 8 * tick}

const tokenLife = 2 * tick

// keys as a walk knows them, with what the invariants ask and the table does not hold.
type walked struct {
	keyring.Stored
	excepted bool // K2: the first, ordered at once, or the fresh one of a revocation
	first    bool
	damaged  bool // its private half
}

// moment is a state of the walk: the keys at t0, which is always now.
type moment struct {
	keys    []walked
	made    int           // keys so far, for a kid
	orders  int           // given, and standbys damaged, since the keys came to rest
	quiet   time.Duration // since the last of them, capped; 0 at rest
	skipped bool          // a poll was left out since the keys came to rest
}

// walk says how many orders operators give, and whether polls may be left out, rows of
// standbys be damaged or the database's clock be wrong, before the keys come to rest.
type walk struct {
	orders  int
	skips   bool
	damages bool
	jumps   bool
}

// rightly is what the clocks say while all are right.
var rightly = clock.Clocks{Redis: t0, Database: t0, Machine: t0}

// TestWalkKeepsK1ToK8 walks, breadth first, every state that time, polls that come
// or not, and orders of operators can bring the keys into, as the keyring decides, and
// asserts the invariants at every instant.
func TestWalkKeepsK1ToK8(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]walk{
		"every poll comes":  {orders: walkOrders, damages: true},
		"polls are skipped": {orders: walkOrders - 1, skips: true},
		"a clock is wrong":  {orders: max(walkOrders-1, 1), jumps: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin, transitions := time.Now(), 0
			states := make(map[string]bool)
			for frontier := []moment{poll(moment{})}; len(frontier) > 0; {
				var next []moment
				for _, m := range frontier {
					for _, after := range w.successors(m) {
						transitions++
						if problem := after.violation() + after.backwards(m); problem != "" {
							t.Fatalf("%s\nbefore: %s\nafter:  %s", problem, m, after)
						}
						if key := after.key(); !states[key] {
							states[key] = true
							next = append(next, after)
						}
					}
				}
				frontier = next
			}
			t.Logf("%d states, %d transitions, %s", len(states), transitions, time.Since(begin).Round(time.Millisecond))
			if len(states) < 500 {
				t.Errorf("%d states only: the walk is lame", len(states))
			}
		})
	}
}

// successors are all moments one tick later: with each order that can be given, and
// with or without a poll before it.
func (w walk) successors(m moment) []moment {
	aged := m.age()
	polls := []moment{poll(aged)}
	if w.skips {
		left := aged
		left.skipped = true
		polls = append(polls, left)
	}
	if w.damages && m.orders < w.orders {
		polls = append(polls, aged.damaged()...)
	}
	var all []moment
	for _, m := range polls {
		all = append(all, m)
		if m.orders < w.orders {
			all = append(all, m.ordered(rightly)...)
		}
		if w.jumps {
			all = append(all, w.wrongly(m)...)
		}
	}
	return all
}

// wrongly are the moments at which the database's clock is wrong: a poll changes nothing, and
// orders may be granted.
func (w walk) wrongly(m moment) []moment {
	var all []moment
	for _, jump := range jumps {
		said := rightly
		said.Database = t0.Add(jump)
		if next, done, err := m.decide(keyring.Nothing, true, said); !errors.Is(err, keyring.ErrClocks) || len(done.Add)+len(done.Update) > 0 {
			panic(fmt.Sprintf("%s: the plan goes on while a clock is wrong: %s, %v", m, next, err))
		}
		if m.orders < w.orders {
			all = append(all, m.ordered(said)...)
		}
	}
	return all
}

// damaged are the moments after the row of each standby was damaged, and found by a poll.
func (m moment) damaged() []moment {
	var all []moment
	for i, k := range m.keys {
		if k.ActivatesAt.After(t0) && k.RevokedAt.IsZero() {
			next := m
			next.keys, next.orders, next.quiet = slices.Clone(m.keys), m.orders+1, 0
			next.keys[i].damaged = true
			all = append(all, poll(next))
		}
	}
	return all
}

// ordered are the moments after each order that is granted while the clocks say that.
func (m moment) ordered(said clock.Clocks) []moment {
	var all []moment
	order := func(give keyring.Verb, orderly bool) keyring.Switch {
		next, done, err := m.decide(give, orderly, said)
		if err == nil && !done.Waits {
			next.orders, next.quiet = m.orders+1, 0
			all = append(all, next)
		}
		return done.Switch
	}
	order(keyring.Rotating(walkPolicy), true)
	order(keyring.RotatingNow, false)
	for _, k := range m.keys {
		for _, flush := range []time.Duration{0, 3 * tick} {
			if s := order(keyring.Revoking(k.KID, flush), false); s.FreshAt.IsZero() {
				break // flush changes nothing
			}
		}
	}
	return all
}

// poll is what a replica does at each.
func poll(m moment) moment {
	next, _, err := m.decide(keyring.Nothing, true, rightly)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", m, err))
	}
	return next
}

// decide has the keyring decide, and carries out what it says as a store does. Two spare
// keys are enough: the fresh one of a revocation, and a standby.
func (m moment) decide(give keyring.Verb, orderly bool, said clock.Clocks) (moment, keyring.Decided, error) {
	next := m
	next.keys = slices.Clone(m.keys)
	spare := []keyring.Stored{drawn(m.made + 1), drawn(m.made + 2)}
	done, err := keyring.Decide(m.stored(), spare, func(i int) bool { return m.keys[i].damaged }, give, said, walkPolicy)
	for _, update := range done.Update {
		i := slices.IndexFunc(next.keys, func(k walked) bool { return k.KID == update.KID })
		next.keys[i].Stored = update
		if update.KID == done.To.KID && !orderly {
			next.keys[i].excepted = true
		}
	}
	for _, key := range done.Add {
		first := len(next.keys) == 0
		next.keys = append(next.keys, walked{Stored: key, first: first, excepted: first || key.ActivatesAt.Equal(done.FreshAt)})
		next.made++
	}
	return next, done, err
}

// drawn is a key that is not stored yet.
func drawn(n int) keyring.Stored {
	return keyring.Stored{Key: keyring.Key{KID: strconv.Itoa(n)}, Sealed: []byte("sealed")}
}

// age lets a tick pass: every time moves back by it. What can decide nothing any more
// is forgotten, so that the walk ends.
func (m moment) age() moment {
	next := moment{made: m.made, orders: m.orders, quiet: min(m.quiet+tick, walkPolicy.PublishAhead+2*tick), skipped: m.skipped}
	keys := m.table()
	for i, k := range m.keys {
		if forgettable(keys[i], keys) {
			continue
		}
		k.PublishedAt, k.ActivatesAt = k.PublishedAt.Add(-tick), k.ActivatesAt.Add(-tick)
		if !k.RevokedAt.IsZero() {
			k.RevokedAt = k.RevokedAt.Add(-tick)
		}
		next.keys = append(next.keys, k)
	}
	if len(next.keys) == 2 && next.ripe() && len(keyring.Plan(next.table(), t0, walkPolicy)) == 0 { // at rest
		next.orders, next.skipped = 0, false
		for i, k := range next.keys { // the microseconds that keep turns apart would add up for ever
			next.keys[i].PublishedAt, next.keys[i].ActivatesAt = k.PublishedAt.Round(tick), k.ActivatesAt.Round(tick)
		}
	}
	if next.orders == 0 {
		next.quiet = 0
	}
	return next
}

// forgettable keys decide nothing any more: removed for a while, or revoked so long
// ago that what they made retire is removed.
func forgettable(k keyring.Key, keys []keyring.Key) bool {
	const while = 2 * tick
	switch keyring.StateAt(k, keys, t0, walkPolicy) {
	case keyring.Removed:
		return keyring.StateAt(k, keys, t0.Add(-while), walkPolicy) == keyring.Removed
	case keyring.Revoked:
		if k.RevokedAt.Before(k.ActivatesAt) {
			return t0.Sub(k.ActivatesAt) > while
		}
		return t0.Sub(k.ActivatesAt) > walkPolicy.Retain+while
	}
	return false
}

// backwards names a key whose life ran backwards since the moment before.
func (m moment) backwards(before moment) string {
	order := []keyring.State{keyring.Published, keyring.Signing, keyring.Retired, keyring.Removed, keyring.Revoked}
	was, is := before.table(), m.table()
	for _, k := range was {
		i := slices.IndexFunc(is, func(now keyring.Key) bool { return now.KID == k.KID })
		if i < 0 {
			continue // forgotten
		}
		from, to := keyring.StateAt(k, was, t0, walkPolicy), keyring.StateAt(is[i], is, t0, walkPolicy)
		if slices.Index(order, to) < slices.Index(order, from) {
			return fmt.Sprintf("K6: %s was %s and is %s", k.KID, from, to)
		}
	}
	return ""
}

// violation names an invariant that does not hold, or "".
func (m moment) violation() string {
	keys := m.table()
	signing := 0
	for i, k := range keys {
		switch keyring.StateAt(k, keys, t0, walkPolicy) {
		case keyring.Signing:
			signing++
			if at, ok := keyring.SigningAt(keys, t0); !ok || at.KID != k.KID {
				return fmt.Sprintf("K1: %s signs by its state, %s by the clock", k.KID, at.KID)
			}
			if m.keys[i].Sealed == nil || m.keys[i].damaged {
				return "K1: " + k.KID + " signs without its private half"
			}
			if problem := m.keys[i].late(); problem != "" {
				return problem
			}
		case keyring.Retired:
			if m.keys[i].Sealed == nil {
				return k.KID + " is retired, and its private half destroyed already"
			}
		case keyring.Removed:
			if retired, _ := keyring.RetiresAt(k, keys); t0.Sub(retired) < keyring.MaxAge+tokenLife {
				return fmt.Sprintf("K3: %s is removed %s after it retired", k.KID, t0.Sub(retired))
			}
		}
		if slices.ContainsFunc(keys[:i], func(other keyring.Key) bool { return other.ActivatesAt.Equal(k.ActivatesAt) }) {
			return "K1: " + k.KID + " has the turn of another key"
		}
	}
	if signing != 1 {
		return fmt.Sprintf("K1: %d keys sign", signing)
	}
	if _, ok := keyring.StandbyAt(keys, t0); !ok && !m.skipped {
		return "K8: there is no standby"
	}
	// At rest it is ripe and stays so; after an order (and the first start is one) it
	// is again once it has been published for long enough.
	if unripe := !m.skipped && !m.ripe(); unripe && (m.orders == 0 && !m.young() || m.quiet > walkPolicy.PublishAhead+tick) {
		return "K8: the standby is not ripe though all is quiet"
	}
	return ""
}

// late says that a key that signs was published too short a time before (K2).
func (w walked) late() string {
	ahead := w.ActivatesAt.Sub(w.PublishedAt)
	switch {
	case w.first:
		return ""
	case ahead < keyring.Settled:
		return fmt.Sprintf("K2: %s signs %s after it was published", w.KID, ahead)
	case !w.excepted && ahead < walkPolicy.PublishAhead:
		return fmt.Sprintf("K2: %s signs %s after it was published, without an emergency", w.KID, ahead)
	}
	return ""
}

func (m moment) ripe() bool {
	standby, ok := keyring.StandbyAt(m.table(), t0)
	return ok && t0.Sub(standby.PublishedAt) >= walkPolicy.PublishAhead
}

// young says that the first key has not been there for as long as a standby ripens.
func (m moment) young() bool {
	return slices.ContainsFunc(m.keys, func(k walked) bool { return k.first && t0.Sub(k.PublishedAt) <= walkPolicy.PublishAhead+tick })
}

func (m moment) table() []keyring.Key {
	keys := make([]keyring.Key, len(m.keys))
	for i, k := range m.keys {
		keys[i] = k.Key
	}
	return keys
}

func (m moment) stored() []keyring.Stored {
	stored := make([]keyring.Stored, len(m.keys))
	for i, k := range m.keys {
		stored[i] = k.Stored
	}
	return stored
}

// key is the same for two moments exactly when the rules can't tell them apart: ages
// beyond those that decide anything are cut.
func (m moment) key() string {
	const old = 12 * tick // longer than Retain, PublishAhead, and RotateEvery without it
	lines := make([]string, 0, len(m.keys))
	for _, k := range m.keys {
		activates := max(k.ActivatesAt.Sub(t0), -old)
		published := time.Duration(0)
		if activates > 0 || k.first {
			published = max(k.PublishedAt.Sub(t0), -old)
		}
		line := binary.BigEndian.AppendUint64(nil, uint64(activates))
		line = binary.BigEndian.AppendUint64(line, uint64(published))
		for _, is := range []bool{!k.RevokedAt.IsZero(), k.excepted && activates > 0, k.Sealed == nil, k.damaged} {
			line = strconv.AppendBool(line, is)
		}
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	return fmt.Sprint(strings.Join(lines, ""), m.orders, m.quiet, m.skipped)
}

// String describes a moment for people.
func (m moment) String() string {
	var b strings.Builder
	for _, k := range m.keys {
		fmt.Fprintf(&b, "%s (published %s, signs %s", k.KID, k.PublishedAt.Sub(t0), k.ActivatesAt.Sub(t0))
		if !k.RevokedAt.IsZero() {
			fmt.Fprintf(&b, ", revoked %s", k.RevokedAt.Sub(t0))
		}
		fmt.Fprintf(&b, ", excepted %t, destroyed %t, damaged %t) ", k.excepted, k.Sealed == nil, k.damaged)
	}
	return fmt.Sprintf("%s%d orders, quiet %s, skipped %t", &b, m.orders, m.quiet, m.skipped)
}
