// Package audit records what happened to users, clients, sessions and keys, so that an operator can find out months
// later who did what, when and from where.
//
// An event about a durable change commits in the same transaction as the change (the store method takes the event); an
// event about anything else goes through a bounded [Queue]. An event never contains a token, password or key: its
// fields are identifiers, addresses and short words.
package audit

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Kind names what happened, as `noun.verb`.
type Kind string

// The kinds of events this version writes.
const (
	UserRegistered      Kind = "user.registered"
	UserCreated         Kind = "user.created"
	UserDisabled        Kind = "user.disabled"
	UserEnabled         Kind = "user.enabled"
	UserDeleted         Kind = "user.deleted"
	UserPasswordChanged Kind = "user.password-changed"
	UserSessionsEnded   Kind = "user.sessions-ended"

	// LoginRefused is a wrong password, or a name that is no active user's: the first of its user and network in an hour,
	// or how many there were. It never holds what was typed.
	LoginRefused Kind = "login.refused"

	ClientDisabled Kind = "client.disabled"
	ClientEnabled  Kind = "client.enabled"

	SessionStarted  Kind = "session.started"
	SessionRevoked  Kind = "session.revoked"
	SessionRepeated Kind = "session.repeated"
	SessionSkipped  Kind = "session.skipped"
	SessionHealed   Kind = "session.healed"
	SessionReplayed Kind = "session.replayed"
	// SessionRefused is a refresh token of a session that was over, or that had expired.
	SessionRefused Kind = "session.refused"
	// SessionCompromisedKey is a token that was accepted under a MAC key marked compromised.
	SessionCompromisedKey Kind = "session.compromised-key"

	KeyPublished Kind = "key.published"
	// KeyRotated is an operator's order that the ripe standby signs from a time on,
	// KeyRotatedNow that it signs at once, ripe or not.
	KeyRotated    Kind = "key.rotated"
	KeyRotatedNow Kind = "key.rotated-now"
	KeyRevoked    Kind = "key.revoked"
	KeyResealed   Kind = "key.resealed"
	// KeyDestroyed is the private half of a key that was revoked, or left the JWKS.
	KeyDestroyed Kind = "key.destroyed"
)

// Event is one row of the audit trail.
type Event struct {
	ID        string            // UUIDv7, set by [New]
	At        time.Time         // database time; set by the store when zero
	Kind      Kind              // what happened
	Actor     Actor             // who did it
	UserID    string            // the user concerned, or ""
	ClientID  string            // the client concerned, or ""
	SessionID string            // the session concerned, or ""
	Address   string            // where the request came from, or ""
	UserAgent string            // at most 256 bytes of it, or ""
	RequestID string            // the request that caused it, or ""
	Detail    map[string]string // a few short facts, such as the generation presented; never a secret
}

// New returns an event of the given kind with a fresh id.
func New(kind Kind, by Actor) Event {
	return Event{ID: uuid.Must(uuid.NewV7()).String(), Kind: kind, Actor: by}
}

// With returns the event with further facts in a map of its own.
func (e Event) With(facts map[string]string) Event {
	detail := make(map[string]string, len(e.Detail)+len(facts))
	maps.Copy(detail, e.Detail)
	maps.Copy(detail, facts)
	e.Detail = detail
	return e
}

// OfSession returns a copy of the event that concerns one session: a change that
// concerns many of them leaves an event in the story of each.
func (e Event) OfSession(sessionID, clientID string) Event {
	e.ID = uuid.Must(uuid.NewV7()).String()
	e.SessionID, e.ClientID = sessionID, clientID
	return e
}

// Query selects events, newest first. Zero fields select everything.
type Query struct {
	UserID    string
	SessionID string
	RequestID string
	Kind      Kind
	Limit     int // 1 to 1000
}

// Merge merges two lists that are each newest first, drops what is in both, and cuts it.
func Merge(a, b []Event, limit int) []Event {
	if len(b) == 0 {
		return a
	}
	all := append(a, b...)
	slices.SortStableFunc(all, func(x, y Event) int { return strings.Compare(y.ID, x.ID) })
	all = slices.CompactFunc(all, func(x, y Event) bool { return x.ID == y.ID })
	return all[:min(len(all), limit)]
}

// Store keeps the audit trail. It only ever appends, and removes what is older than the
// configured retention.
type Store interface {
	// AppendEvents writes the events; one whose id is there already is left alone,
	// so a batch may be sent again.
	AppendEvents(ctx context.Context, events []Event) error
	// Events returns the events that the query selects, newest first by the times in their ids.
	Events(ctx context.Context, query Query) ([]Event, error)
}

// Sweeper keeps the trail tidy, a small batch at a time. Replicas may do so at once.
type Sweeper interface {
	// MoveEvents moves up to so many events, 1 to 1000, from where earlier versions write them to
	// where this one does, and reports how many.
	MoveEvents(ctx context.Context, rows int) (moved int, err error)
	// RemoveEvents looks at the next events of the sweep and removes those older than before, by the
	// times in their ids and by their own: a clock that was wrong once loses no fresh event.
	RemoveEvents(ctx context.Context, s Sweep) (Swept, error)
}

// Sweep is where a sweep of old rows stands.
type Sweep struct {
	After  string    // the id that was looked at last; "": begin at the oldest
	Before time.Time // what is older goes
	Rows   int       // how many to look at, 1 to 1000
}

// Swept is what a sweep came to.
type Swept struct {
	Last    string // the id that was looked at last; "": nothing was left to look at
	Removed int
}
