package verifier

import (
	"errors"
	"time"
)

// Outcome says how a verification ended.
type Outcome string

// The outcomes. A token that was seen before is still checked against time, keys and status list.
const (
	Valid       Outcome = "valid"       // checked from its signature on
	Cached      Outcome = "cached"      // valid, and seen before
	Unlisted    Outcome = "unlisted"    // valid but for its status list, which is absent or has expired: its session may have ended
	Invalid     Outcome = "invalid"     // an [ErrInvalidToken]
	Revoked     Outcome = "revoked"     // an [ErrInvalidToken]: the status list says that its session has ended
	Unavailable Outcome = "unavailable" // nothing is known about it
)

// Metrics are called as things happen, by many goroutines at once and on the path of requests: they must not block. Each
// may be nil. Nothing of a token is passed to them.
type Metrics struct {
	// Verified counts verifications. A token whose proof of possession is refused is Invalid.
	Verified func(Outcome)
	// Fetched tells of requests to the issuer: what is "keys" (metadata included), "status list" or "introspection";
	// err is nil where it answered as it should. A status list that has not changed took long because it was waited for.
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
