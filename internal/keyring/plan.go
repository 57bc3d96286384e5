package keyring

import "time"

// Key is the public side of a signing key: what decides about its life.
type Key struct {
	KID         string // RFC 7638 SHA-256 thumbprint
	Alg         string // RFC 7518 §3.1, "RS256"
	PublishedAt time.Time
	ActivatesAt time.Time
	RevokedAt   time.Time // zero: not revoked
}

// Policy is how keys are to live.
type Policy struct {
	RotateEvery  time.Duration // from one activation to the next
	PublishAhead time.Duration // in the JWKS before it signs
	Retain       time.Duration // in the JWKS after it retired
	Bits         int           // length of the modulus of new keys; 0 is 2048
}

// State is where a key stands in its life.
type State string

// The states of a key: published → signing → retired → removed; revoked is forever.
const (
	Published State = "published"
	Signing   State = "signing"
	Retired   State = "retired"
	Removed   State = "removed"
	Revoked   State = "revoked"
)

// Member reports whether keys in this state are in the JWKS.
func (s State) Member() bool { return s == Published || s == Signing || s == Retired }

// Signs reports whether keys in this state sign now or may sign later.
func (s State) Signs() bool { return s == Published || s == Signing }

// Step is one thing to do: create a key that activates then.
type Step struct {
	Alg         string
	ActivatesAt time.Time
}

// Plan has one rule: when no unrevoked key activates later than now +
// PublishAhead, one is created at max(now + PublishAhead, latest activation +
// RotateEvery). An empty table first gets a key that activates now.
func Plan(keys []Key, now time.Time, policy Policy) []Step {
	var latest time.Time
	for _, k := range keys {
		if k.RevokedAt.IsZero() && k.ActivatesAt.After(latest) {
			latest = k.ActivatesAt
		}
	}
	ripe := now.Add(policy.PublishAhead)
	switch {
	case len(keys) == 0:
		return []Step{{Alg: RS256, ActivatesAt: now}}
	case latest.After(ripe):
		return nil
	}
	at := latest.Add(policy.RotateEvery)
	if at.Before(ripe) {
		at = ripe
	}
	return []Step{{Alg: RS256, ActivatesAt: freeTurn(keys, at)}}
}

// freeTurn is the first instant from at on at which no key activates, in the precision of the
// stores: if two keys had the same turn, it would be unclear which one signs.
func freeTurn(keys []Key, at time.Time) time.Time {
	for taken := true; taken; {
		taken = false
		for _, k := range keys {
			if k.ActivatesAt.Equal(at) {
				at, taken = at.Add(time.Microsecond), true
			}
		}
	}
	return at
}

// SigningAt returns the key that signs at now: the activated one with the latest
// activation that is not revoked.
func SigningAt(keys []Key, now time.Time) (Key, bool) {
	var signing Key
	for _, k := range keys {
		if k.RevokedAt.IsZero() && !k.ActivatesAt.After(now) && k.ActivatesAt.After(signing.ActivatesAt) {
			signing = k
		}
	}
	return signing, signing.KID != ""
}

// StandbyAt returns the key that signs next: of those that wait for their turn at
// now, the one whose turn comes first.
func StandbyAt(keys []Key, now time.Time) (Key, bool) {
	var next Key
	for _, k := range keys {
		if k.RevokedAt.IsZero() && k.ActivatesAt.After(now) && (next.KID == "" || k.ActivatesAt.Before(next.ActivatesAt)) {
			next = k
		}
	}
	return next, next.KID != ""
}

// StateAt returns the state of the key among all keys at now.
func StateAt(key Key, keys []Key, now time.Time, policy Policy) State {
	if !key.RevokedAt.IsZero() {
		return Revoked
	}
	if key.ActivatesAt.After(now) {
		return Published
	}
	retires, ok := RetiresAt(key, keys)
	switch {
	case !ok || retires.After(now):
		return Signing
	case retires.Add(policy.Retain).After(now):
		return Retired
	default:
		return Removed
	}
}

// RetiresAt is when the next key activates; false while there is none.
func RetiresAt(key Key, keys []Key) (time.Time, bool) {
	var next time.Time
	for _, k := range keys {
		if k.ActivatesAt.After(key.ActivatesAt) && counts(k) && (next.IsZero() || k.ActivatesAt.Before(next)) {
			next = k.ActivatesAt
		}
	}
	return next, !next.IsZero()
}

// counts reports whether a key ever signs: one revoked before its turn never does.
func counts(k Key) bool {
	return k.RevokedAt.IsZero() || k.RevokedAt.After(k.ActivatesAt)
}
