package verifier

import (
	"errors"
	"time"
)

// Outcome is the result of a verification.
type Outcome string

// The outcomes. A cached token is still checked against time, keys and status list.
const (
	Valid       Outcome = "valid"       // valid, with a full check
	Cached      Outcome = "cached"      // valid, and found in the cache
	Unlisted    Outcome = "unlisted"    // valid, but its status list is absent or has expired: its session may have ended
	Invalid     Outcome = "invalid"     // an [ErrInvalidToken]
	Revoked     Outcome = "revoked"     // an [ErrInvalidToken]: the status list says that its session has ended
	Unavailable Outcome = "unavailable" // the token could not be checked
)

// Metrics are functions that the verifier calls as things happen, from many goroutines at once and while requests wait:
// they must not block. Each may be nil. They receive no part of a token.
type Metrics struct {
	// Verified counts verifications. A token whose proof of possession is refused is Invalid.
	Verified func(Outcome)
	// Fetched reports requests to the issuer: what is "keys" (metadata included), "status list" or "introspection"; err
	// is nil if the answer was as expected, and an [ErrRefused] if the issuer answered and the verifier refuses what it
	// said. For a status list, took includes the time that the request waited for a
	// change.
	Fetched func(what string, took time.Duration, err error)
}

func (m Metrics) verified(outcome Outcome) {
	if m.Verified != nil {
		m.Verified(outcome)
	}
}

func (m Metrics) fetched(what string, took time.Duration, err error) {
	if m.Fetched != nil {
		m.Fetched(what, took, err)
	}
}

// outcomeOf sorts the errors of Verify.
func outcomeOf(err error) Outcome {
	switch {
	case errors.Is(err, errRevoked):
		return Revoked
	case errors.Is(err, ErrInvalidToken):
		return Invalid
	}
	return Unavailable
}
