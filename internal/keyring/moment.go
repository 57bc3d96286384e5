package keyring

import (
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

// moment is the time of a decision.
type moment struct {
	now   time.Time // the reliable one, see [clock.Clocks]
	wrong error     // ErrClocks while the clocks disagree; nil: they agree
}

// judge finds what moment it is by what the clocks say, who have agreed for a while or not.
func judge(said clock.Clocks, agreed bool) moment {
	m := moment{now: said.Reliable().Truncate(time.Microsecond)} // the precision of the stores
	switch {
	case !said.Agree():
		m.wrong = fmt.Errorf("%s: %w", said.Disagreement(), ErrClocks)
	case !agreed:
		m.wrong = fmt.Errorf("the clocks of this machine, the database and Redis were not seen to agree at two readings in a row: %w", ErrClocks)
	}
	return m
}

// past refuses a moment that must be wrong: a key is published later than now. Two clocks may
// disagree of which one has stopped years ago.
func (m moment) past(keys []Key) error {
	for _, k := range keys {
		if k.PublishedAt.After(m.now) {
			return m.wrong
		}
	}
	return nil
}

// destroys reports whether the private half of a key in this state is destroyed. A revoked one
// is so by an order; the others, by nothing but time, as long after they retired as they are
// in the JWKS, so that a clock that was wrong for a while has destroyed nothing.
func (m moment) destroys(s State) bool { return s == Revoked || s == Removed && m.wrong == nil }

// verb is what is wanted of the keys: one of the pure functions of switch.go, as an operator
// gives it, or nothing.
type verb func(keys []Key, m moment) (Switch, error)

// nothing is the verb of the owner, who only wants what is due, and can wait.
func nothing(_ []Key, m moment) (Switch, error) { return Switch{}, m.wrong }

// rotating is [Rotate], which can wait.
func rotating(policy Policy) verb {
	return func(keys []Key, m moment) (Switch, error) {
		if m.wrong != nil {
			return Switch{}, m.wrong
		}
		return Rotate(keys, m.now, policy)
	}
}

// rotatingNow is [RotateNow], which must not wait for an operator who sets a clock right.
func rotatingNow(keys []Key, m moment) (Switch, error) {
	if err := m.past(keys); err != nil {
		return Switch{}, err
	}
	return RotateNow(keys, m.now)
}

// revoking is [Revoke], which must not wait either.
func revoking(kid string, flushAfter time.Duration) verb {
	return func(keys []Key, m moment) (Switch, error) {
		if err := m.past(keys); err != nil {
			return Switch{}, err
		}
		return Revoke(keys, kid, m.now, flushAfter)
	}
}
