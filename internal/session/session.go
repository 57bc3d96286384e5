// Package session defines sessions: a session is one login of one user through one client, with the refresh tokens that
// keep it alive.
//
// rules.go has the rules that decide about a presented token: they are pure, and checked exhaustively. token.go is the
// token itself, and store.go the contract of the durable and the ephemeral store. The package protects three
// invariants: a session never forks; an orderly client is never logged out; and a revoked session never comes back,
// whatever the ephemeral store loses.
package session

import (
	"time"
)

// Session is the durable row of one login.
type Session struct {
	ID       string // UUIDv7; the `sid` claim. Independent of the family's secret
	Family   FamilyHash
	UserID   string // "" of a machine's, which no user ends
	ClientID string

	CreatedAt      time.Time // database time of the login
	AbsoluteExpiry time.Time // rotation never extends it
	RevokedAt      time.Time // zero: not revoked
	RevokeReason   string    // one of the Reason constants, or ""

	// Checkpoint is the highest generation presented with success, as of
	// LastSeenAt. It bounds what a flushed or rolled-back ephemeral store lets
	// through, and never falls.
	Checkpoint uint32
	LastSeenAt time.Time // when the checkpoint was last written; CreatedAt at first

	// What the session grants from its beginning on; see [Session.Grant].
	Scope     string    // separated by spaces; "": none
	Resources []string  // the granted audiences; nil: the default one
	AuthTime  time.Time // of the user's authentication; zero when it is started: CreatedAt
	ACR       string
	AMR       []string
	JKT       []byte // SHA-256 thumbprint of the key that its refresh tokens are bound to; nil: none

	Address   string // where the login came from
	UserAgent string // at most 256 bytes of it

	// StatusIndex is the place of the session in the status lists, which no other
	// session has while a token of this one may live. Nil: it has none, or none yet.
	StatusIndex *int64
}

// Lapsed reports whether every refresh token of the session is past its idle
// lifetime at now. LastSeenAt is written late, so it says so late, never early.
func (s Session) Lapsed(now time.Time, idle time.Duration) bool {
	return now.Sub(s.LastSeenAt) >= idle+IdleLag
}

// Authenticated is when the user authenticated, to the microsecond: at the start of the
// session, unless AuthTime says otherwise. It is zero where there is no user.
func (s Session) Authenticated() time.Time {
	switch {
	case s.UserID == "":
		return time.Time{}
	case s.AuthTime.IsZero():
		return s.CreatedAt
	}
	return s.AuthTime.UTC().Truncate(time.Microsecond)
}

// Why a session ended.
const (
	ReasonLogout    = "logout"
	ReasonRevoked   = "revoked"  // RFC 7009
	ReasonReplay    = "replay"   // a refresh token was used twice
	ReasonPassword  = "password" // the user's password changed
	ReasonUser      = "user"     // the user was disabled or deleted
	ReasonClient    = "client"   // the client was disabled
	ReasonOperator  = "operator"
	ReasonElsewhere = "elsewhere" // the user ended it from another session
	ReasonLimit     = "limit"     // the user had too many sessions with its client
)

// Standing is a session joined with what its user and client say of it: all
// that a refresh needs of the durable store, in one read.
type Standing struct {
	Session
	Username           string
	UserActive         bool // neither disabled nor deleted, or there is none
	ClientEnabled      bool
	SessionsValidAfter time.Time // sessions of the user begun before are over
	Now                time.Time // the database's clock at the read
}

// Ended reports whether the session is over for good, for whatever reason.
func (s Standing) Ended() bool {
	return !s.RevokedAt.IsZero() || !s.UserActive || !s.ClientEnabled || s.CreatedAt.Before(s.SessionsValidAfter)
}

// Row is what [Decide] may know of the durable store.
func (s Standing) Row() Row {
	return Row{Revoked: s.Ended(), AbsoluteExpiry: s.AbsoluteExpiry, Checkpoint: s.Checkpoint}
}
