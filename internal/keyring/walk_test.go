package keyring_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
	keyring.Key
	excepted  bool // K2: the first, ordered at once, or the fresh one of a revocation
	first     bool
	destroyed bool
}

// moment is a state of the walk: the keys at t0, which is always now.
type moment struct {
	keys    []walked
	made    int           // keys so far, for a kid
	orders  int           // given since the keys came to rest
	quiet   time.Duration // since the last order, capped; 0 at rest
	skipped bool          // a poll was left out since the keys came to rest
}

// walk says how many orders operators give, and whether polls may be left out,
// before the keys come to rest.
type walk struct {
	orders int
	skips  bool
}

// TestWalkKeepsK1ToK8 walks, breadth first, every state that time, polls that come
// or not, and orders of operators can bring the keys into, and asserts the
// invariants at every instant.
func TestWalkKeepsK1ToK8(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]walk{
		"every poll comes":  {orders: walkOrders},
		"polls are skipped": {orders: walkOrders - 1, skips: true},
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
	var all []moment
	for _, m := range polls {
		all = append(all, m)
		if m.orders < w.orders {
			all = append(all, m.ordered()...)
		}
	}
	return all
}

// ordered are the moments after each order that is granted.
func (m moment) ordered() []moment {
	keys := m.table()
	var all []moment
	grant := func(s keyring.Switch, err error, orderly bool) {
		if err == nil && !s.NotBefore.After(t0) {
			all = append(all, m.apply(s, orderly))
		}
	}
	s, err := keyring.Rotate(keys, t0, walkPolicy)
	grant(s, err, true)
	s, err = keyring.RotateNow(keys, t0)
	grant(s, err, false)
	for _, k := range keys {
		for _, flush := range []time.Duration{0, 3 * tick} {
			s, err := keyring.Revoke(keys, k.KID, t0, flush)
			grant(s, err, false)
			if s.FreshAt.IsZero() {
				break // flush changes nothing
			}
		}
	}
	return all
}

// apply carries a switch out as Keyring does, in one transaction with the plan.
func (m moment) apply(s keyring.Switch, orderly bool) moment {
	next := moment{made: m.made, orders: m.orders + 1, skipped: m.skipped}
	for i, k := range s.Apply(m.table(), t0) {
		var w walked
		if i < len(m.keys) {
			w = m.keys[i]
		} else {
			w.excepted = true
			k.KID = next.newKID()
		}
		w.Key = k
		if k.KID == s.To.KID && !orderly {
			w.excepted = true
		}
		next.keys = append(next.keys, w)
	}
	return poll(next)
}

// poll is what a replica does at each: the plan, and the end of private halves.
func poll(m moment) moment {
	m.keys = slices.Clone(m.keys)
	for _, step := range keyring.Plan(m.table(), t0, walkPolicy) {
		first := len(m.keys) == 0
		m.keys = append(m.keys, walked{
			Key:   keyring.Key{KID: m.newKID(), Alg: step.Alg, PublishedAt: t0, ActivatesAt: step.ActivatesAt},
			first: first, excepted: first,
		})
	}
	keys := m.table()
	for i := range m.keys {
		if !keyring.StateAt(keys[i], keys, t0, walkPolicy).Signs() {
			m.keys[i].destroyed = true
		}
	}
	return m
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
			if m.keys[i].destroyed {
				return "K1: " + k.KID + " signs without its private half"
			}
			if problem := m.keys[i].late(); problem != "" {
				return problem
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

func (m *moment) newKID() string {
	m.made++
	return strconv.Itoa(m.made)
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
		for _, is := range []bool{!k.RevokedAt.IsZero(), k.excepted && activates > 0, k.destroyed} {
			line = strconv.AppendBool(line, is)
		}
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	return fmt.Sprint(strings.Join(lines, ""), m.orders, m.quiet, m.skipped)
}

// String tells a moment to people.
func (m moment) String() string {
	var b strings.Builder
	for _, k := range m.keys {
		fmt.Fprintf(&b, "%s (published %s, signs %s", k.KID, k.PublishedAt.Sub(t0), k.ActivatesAt.Sub(t0))
		if !k.RevokedAt.IsZero() {
			fmt.Fprintf(&b, ", revoked %s", k.RevokedAt.Sub(t0))
		}
		fmt.Fprintf(&b, ", excepted %t, destroyed %t) ", k.excepted, k.destroyed)
	}
	return fmt.Sprintf("%s%d orders, quiet %s, skipped %t", &b, m.orders, m.quiet, m.skipped)
}
