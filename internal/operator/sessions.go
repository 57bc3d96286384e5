package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// SessionState says whether a session can still be refreshed, and why not.
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
	found, err := o.Sessions.SessionByID(ctx, id)
	if err != nil {
		return Session{}, err
	}
	policies, err := o.policies(ctx)
	if err != nil {
		return Session{}, err
	}
	seen, err := o.see(ctx, []session.Session{found}, policies)
	if err != nil {
		return Session{}, err
	}
	return seen[0], nil
}

// ListSessions lists the sessions that the query selects, newest first. Those that have
// lapsed are not live.
func (o *Operator) ListSessions(ctx context.Context, query session.Query) ([]Session, error) {
	policies, err := o.policies(ctx)
	if err != nil {
		return nil, err
	}
	query.Idle = o.Lifetimes.IdleTTL
	found, err := o.Sessions.Sessions(ctx, query)
	if err != nil {
		return nil, err
	}
	return o.see(ctx, found, policies)
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
	return o.Sessions.RevokeSession(ctx, found.ID, session.ReasonOperator, event)
}

// EndSessions ends every session of a user for good. user.ErrNotFound.
func (o *Operator) EndSessions(ctx context.Context, by audit.Actor, userID string) error {
	err := o.Sessions.RevokeAll(ctx, userID, session.ReasonOperator, onUser(audit.UserSessionsEnded, by, userID))
	if errors.Is(err, session.ErrNotFound) {
		return user.ErrNotFound
	}
	return err
}

// see adds to sessions what operators want to know of them.
func (o *Operator) see(ctx context.Context, sessions []session.Session, p policies) ([]Session, error) {
	now := o.Now()
	names := make(map[string]string) // by id
	seen := make([]Session, len(sessions))
	for i, one := range sessions {
		if names[one.UserID] == "" {
			name, err := o.username(ctx, one.UserID)
			if err != nil {
				return nil, err
			}
			names[one.UserID] = name
		}
		seen[i] = Session{one, names[one.UserID], p.state(one, now)}
	}
	return seen, nil
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

// policies are the lifetimes of every client's tokens, as configured here.
type policies struct {
	defaults authority.Lifetimes
	clients  map[string]client.Client
}

func (o *Operator) policies(ctx context.Context) (policies, error) {
	all, err := o.Clients.Clients(ctx)
	if err != nil {
		return policies{}, err
	}
	p := policies{defaults: o.Lifetimes, clients: make(map[string]client.Client, len(all))}
	for _, c := range all {
		p.clients[c.ID] = c
	}
	return p, nil
}

// of is the policy of a client; the defaults where there is none of that id.
func (p policies) of(clientID string) session.Policy { return p.defaults.PolicyOf(p.clients[clientID]) }

// state is that of a session at now.
func (p policies) state(one session.Session, now time.Time) SessionState {
	switch {
	case !one.RevokedAt.IsZero():
		return Revoked
	case !now.Before(one.AbsoluteExpiry):
		return Expired
	case one.Lapsed(now, p.of(one.ClientID).Idle):
		return Lapsed
	default:
		return Live
	}
}
