package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// SessionState reports whether a session can still be refreshed, and why not.
type SessionState string

// The states of a session.
const (
	Live    SessionState = "live"
	Lapsed  SessionState = "lapsed"  // it was not used for the idle lifetime of its client
	Expired SessionState = "expired" // it is past its absolute lifetime
	Revoked SessionState = "revoked"
)

// Session is a session as operators see it.
type Session struct {
	session.Session
	Username string // the user's id once the user is deleted
	State    SessionState
}

// FindSession finds a session by id. session.ErrNotFound.
func (o *Operator) FindSession(ctx context.Context, id string) (Session, error) {
	standing, err := o.Sessions.StandingByID(ctx, id)
	if err != nil {
		return Session{}, err
	}
	seen, err := o.see(ctx, []session.Session{standing.Session}, standing.Now)
	if err != nil {
		return Session{}, err
	}
	return seen[0], nil
}

// ListSessions lists the sessions that the query selects, newest first. Those that have
// lapsed are not live.
func (o *Operator) ListSessions(ctx context.Context, query session.Query) ([]Session, error) {
	now, err := o.Now(ctx) // before the query selects what is live by the same clock
	if err != nil {
		return nil, err
	}
	query.Idle = o.Lifetimes.IdleTTL
	found, err := o.Sessions.Sessions(ctx, query)
	if err != nil {
		return nil, err
	}
	return o.see(ctx, found, now)
}

// EndSession ends a session for good; one that is over already stays as it is.
// session.ErrNotFound.
func (o *Operator) EndSession(ctx context.Context, by audit.Actor, id string) error {
	found, err := o.Sessions.SessionByID(ctx, id)
	if err != nil {
		return err
	}
	event := audit.New(audit.SessionRevoked, by)
	event.UserID, event.ClientID, event.SessionID = found.UserID, found.ClientID, found.ID
	_, err = o.Sessions.RevokeSession(ctx, found.ID, session.ReasonOperator, event)
	return err
}

// EndSessions ends every session of a user for good. user.ErrNotFound.
func (o *Operator) EndSessions(ctx context.Context, by audit.Actor, userID string) error {
	err := o.Sessions.RevokeAll(ctx, userID, session.ReasonOperator, onUser(audit.UserSessionsEnded, by, userID))
	if errors.Is(err, session.ErrNotFound) {
		return user.ErrNotFound
	}
	return err
}

// see adds to sessions what operators want to know of them. It reads each user and each
// client once.
func (o *Operator) see(ctx context.Context, sessions []session.Session, now time.Time) ([]Session, error) {
	username := once(func(id string) (string, error) { return o.username(ctx, id) })
	policy := once(func(id string) (session.Policy, error) { return o.policy(ctx, id) })
	seen := make([]Session, len(sessions))
	for i, one := range sessions {
		name, err := username(one.UserID)
		if err != nil {
			return nil, err
		}
		p, err := policy(one.ClientID)
		if err != nil {
			return nil, err
		}
		seen[i] = Session{one, name, stateOf(one, p, now)}
	}
	return seen, nil
}

// once calls find once for each id and remembers what it found.
func once[T any](find func(id string) (T, error)) func(id string) (T, error) {
	known := make(map[string]T)
	return func(id string) (T, error) {
		if found, ok := known[id]; ok {
			return found, nil
		}
		found, err := find(id)
		if err == nil {
			known[id] = found
		}
		return found, err
	}
}

// username is the name of a user, or the id if there is none any more.
func (o *Operator) username(ctx context.Context, id string) (string, error) {
	u, err := o.Users.UserByID(ctx, id)
	switch {
	case err != nil && !errors.Is(err, user.ErrNotFound):
		return "", fmt.Errorf("user %s: %w", id, err)
	case u.Username == "":
		return id, nil
	}
	return u.Username, nil
}

// policy is what the sessions of a client live by, as configured here; the defaults if
// the client is deleted.
func (o *Operator) policy(ctx context.Context, clientID string) (session.Policy, error) {
	c, err := o.Clients.ClientByID(ctx, clientID)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return session.Policy{}, err
	}
	return o.Lifetimes.PolicyOf(c), nil
}

// stateOf is the state of a session under a policy at now.
func stateOf(one session.Session, policy session.Policy, now time.Time) SessionState {
	switch {
	case !one.RevokedAt.IsZero():
		return Revoked
	case !now.Before(one.AbsoluteExpiry):
		return Expired
	case one.Lapsed(now, policy.Idle):
		return Lapsed
	default:
		return Live
	}
}
