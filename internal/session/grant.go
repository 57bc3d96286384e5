package session

import (
	"cmp"
	"time"
)

// Grant is all that an access token is issued from. What it doesn't have is absent from
// the token.
type Grant struct {
	Subject     string // whom the token stands for: a user's id, or a client's
	ClientID    string
	SessionID   string
	Scope       string    // separated by spaces (RFC 6749 §3.3); "": none
	Audiences   []string  // nil: the default audience
	AuthTime    time.Time // when the user authenticated; zero where there is no user
	ACR         string    // authentication context class (RFC 9068 §2.2.1)
	AMR         []string  // authentication methods (RFC 8176)
	JKT         []byte    // thumbprint of the key that the token is bound to (RFC 9449 §6.1); nil: a bearer token
	StatusIndex *int64    // place of the session in the status lists; nil: it has none
	Actor       *Actor    // who acts for the subject; nil: the subject does
}

// Actor acts for a subject; Before is the actor that called it (RFC 8693 §4.1).
type Actor struct {
	Subject string
	Before  *Actor
}

// Grant returns what the session grants.
func (s Session) Grant() Grant {
	return Grant{
		Subject: cmp.Or(s.UserID, s.ClientID), ClientID: s.ClientID, SessionID: s.ID, Scope: s.Scope, Audiences: s.Resources,
		AuthTime: s.AuthTime, ACR: s.ACR, AMR: s.AMR, JKT: s.JKT, StatusIndex: s.StatusIndex,
	}
}
