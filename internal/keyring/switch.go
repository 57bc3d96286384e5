package keyring

import (
	"errors"
	"fmt"
	"time"
)

const (
	// RotateLead is how far ahead a switch is ordered: longer than any replica may
	// sign on what it read before the order (MaxAge), so that all switch at one
	// instant.
	RotateLead = 70 * time.Second
	// Settled is how long a key must have been published before it may ever sign,
	// but for the very first: two polls, so that every replica serves it.
	Settled = 2 * PollEvery
)

// Reasons to refuse a switch. The error that wraps one of them says when the switch is
// possible.
var (
	// ErrUnknownKey says that no key has that kid.
	ErrUnknownKey = errors.New("no such signing key")
	// ErrKeyRevoked says that the key has been revoked before; nothing takes that back.
	ErrKeyRevoked = errors.New("already revoked")
	// ErrUnripe says that verifiers had no time yet to learn the key that would sign.
	ErrUnripe = errors.New("the standby is not ripe")
	// ErrSwitching says that another switch is about to happen, or just has.
	ErrSwitching = errors.New("another switch comes first")
	// ErrNoStandby says that no key waits for its turn.
	ErrNoStandby = errors.New("there is no standby")
)

// Switch is what an operator's command changes. A field that does not apply is zero.
type Switch struct {
	Revoked    Key           // the key to revoke
	From       Key           // the key that signs now
	To         Key           // the standby whose turn is moved
	At         time.Time     // to when
	FreshAt    time.Time     // when a key that is made for this switch signs
	NotBefore  time.Time     // nothing may be done until then: To is too young to sign
	StandbyAge time.Duration // how long To has been published
}

// Rotate moves the turn of the ripe standby to RotateLead from now. It returns
// ErrUnripe, ErrSwitching or ErrNoStandby.
func Rotate(keys []Key, now time.Time, policy Policy) (Switch, error) {
	from, to, err := pair(keys, now)
	if err != nil {
		return Switch{}, err
	}
	at := now.Add(RotateLead)
	if !to.ActivatesAt.After(at) {
		return Switch{}, fmt.Errorf("key %s signs from %s on, in %s: %w", to.KID, stamp(to.ActivatesAt), short(to.ActivatesAt.Sub(now)), ErrSwitching)
	}
	if ripe := to.PublishedAt.Add(policy.PublishAhead); ripe.After(now) {
		return Switch{}, fmt.Errorf("key %s is published since %s and will be ripe at %s, in %s: %w",
			to.KID, stamp(to.PublishedAt), stamp(ripe), short(ripe.Sub(now)), ErrUnripe)
	}
	return Switch{From: from, To: to, At: freeTurn(keys, at), StandbyAge: now.Sub(to.PublishedAt)}, nil
}

// RotateNow makes the standby sign at once, ripe or not; NotBefore is set while it has
// not settled. It returns ErrSwitching right after another switch, so that only one of
// several operators who act at once switches, and ErrNoStandby.
func RotateNow(keys []Key, now time.Time) (Switch, error) {
	from, to, err := pair(keys, now)
	if err != nil {
		return Switch{}, err
	}
	// The very first key is no switch.
	if since := now.Sub(from.ActivatesAt); since < Settled && from.ActivatesAt.After(from.PublishedAt) {
		return Switch{}, fmt.Errorf("key %s signs for %s only: %w; if a second one is meant, try again in %s",
			from.KID, short(since), ErrSwitching, short(Settled-since))
	}
	return settle(Switch{From: from, To: to, At: freeTurn(keys, now), StandbyAge: now.Sub(to.PublishedAt)}, now), nil
}

// Revoke takes the key out of the JWKS forever. If it signs now, the standby signs at once
// instead. In any case a fresh key takes over after flushAfter: verifiers that refetch only on
// an unknown kid may have cached the revoked one with any of the others, and drop it then.
// ErrUnknownKey, ErrKeyRevoked, ErrNoStandby.
func Revoke(keys []Key, kid string, now time.Time, flushAfter time.Duration) (Switch, error) {
	key, ok := find(keys, kid)
	switch {
	case !ok:
		return Switch{}, fmt.Errorf("key %q: %w", kid, ErrUnknownKey)
	case !key.RevokedAt.IsZero():
		return Switch{}, fmt.Errorf("key %s: %w at %s, for ever; nothing was changed", kid, ErrKeyRevoked, stamp(key.RevokedAt))
	}
	from, signs := SigningAt(keys, now)
	if !signs || from.KID != kid {
		return Switch{Revoked: key, From: from, FreshAt: freeTurn(keys, now.Add(max(flushAfter, Settled)))}, nil
	}
	_, to, err := pair(keys, now)
	if err != nil {
		return Switch{}, err
	}
	at := freeTurn(keys, now)
	s := settle(Switch{
		Revoked: key, From: from, To: to, At: at, StandbyAge: now.Sub(to.PublishedAt),
		FreshAt: freeTurn(keys, at.Add(max(flushAfter, Settled))),
	}, now)
	if s.NotBefore.IsZero() && at.After(now) { // another key has the turn of this instant: no key would sign until the next
		s.NotBefore = at
	}
	return s, nil
}

// settle makes a switch wait until its new signer has been published long enough.
func settle(s Switch, now time.Time) Switch {
	if settled := s.To.PublishedAt.Add(Settled); settled.After(now) {
		s.NotBefore = settled
	}
	return s
}

// Apply returns the keys after the switch, made at now. A fresh key is among them
// without a kid: it is yet to be drawn.
func (s Switch) Apply(keys []Key, now time.Time) []Key {
	after := make([]Key, 0, len(keys)+1)
	for _, k := range keys {
		if k.KID == s.To.KID {
			k.ActivatesAt = s.At
		}
		if k.KID == s.Revoked.KID {
			k.RevokedAt = now
		}
		after = append(after, k)
	}
	if !s.FreshAt.IsZero() {
		after = append(after, Key{Alg: RS256, PublishedAt: now, ActivatesAt: s.FreshAt})
	}
	return after
}

// Steps are the keys to make with the switch: its fresh one, and what the plan asks
// for once it is done.
func (s Switch) Steps(keys []Key, now time.Time, policy Policy) []Step {
	var steps []Step
	if !s.FreshAt.IsZero() {
		steps = append(steps, Step{Alg: RS256, ActivatesAt: s.FreshAt})
	}
	return append(steps, Plan(s.Apply(keys, now), now, policy)...)
}

// pair is the key that signs and the one that signs next.
func pair(keys []Key, now time.Time) (from, to Key, err error) {
	from, _ = SigningAt(keys, now)
	to, ok := StandbyAt(keys, now)
	if !ok {
		return from, to, fmt.Errorf("%w to take over; serve makes one as it starts", ErrNoStandby)
	}
	return from, to, nil
}

func find(keys []Key, kid string) (Key, bool) {
	for _, k := range keys {
		if k.KID == kid {
			return k, true
		}
	}
	return Key{}, false
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// short is a duration as people say it, in whole seconds, rounded up.
func short(d time.Duration) string {
	if whole := d.Truncate(time.Second); whole < d {
		d = whole + time.Second
	}
	return d.String()
}
