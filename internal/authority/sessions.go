package authority

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

// maxOwnSessions bounds what a user is shown of their sessions.
const maxOwnSessions = 100

// OwnSession is what a user may know of a session of theirs.
type OwnSession struct {
	ID         string
	ClientID   string
	CreatedAt  time.Time
	LastSeenAt time.Time // written about once an hour
	Address    string    // of the login
	UserAgent  string
	Current    bool // it is the session of the token that asked
}

// OwnSessions lists the live sessions of the user behind a live access token of the
// caller's for the default audience, newest first. ErrBearer.
func (a *Authority) OwnSessions(ctx context.Context, by Caller, raw string) ([]OwnSession, error) {
	if err := by.Refused(); err != nil {
		return nil, err
	}
	standing, err := a.bearer(ctx, raw, a.Audience, by.client.ID)
	if err != nil {
		return nil, err
	}
	stored, err := a.Sessions.Sessions(ctx, session.Query{
		UserID: standing.UserID, Live: session.LiveOnly, Idle: a.Lifetimes.IdleTTL, Limit: maxOwnSessions,
	})
	if err != nil {
		return nil, err
	}
	var own []OwnSession
	for _, s := range stored {
		own = append(own, ownSession(s, standing.ID))
	}
	return own, nil
}

func ownSession(s session.Session, current string) OwnSession {
	return OwnSession{
		ID: s.ID, ClientID: s.ClientID, CreatedAt: s.CreatedAt, LastSeenAt: s.LastSeenAt,
		Address: s.Address, UserAgent: s.UserAgent, Current: s.ID == current,
	}
}

// bearer checks an access token as a resource service of that audience would (RFC 9068
// §4), that it was issued to that client, and that its session is live this moment, which
// only the authority can tell. ErrBearer.
func (a *Authority) bearer(ctx context.Context, raw, audience, clientID string) (session.Standing, error) {
	claims, err := token.Parse(raw, a.Issuer, a.Keys.Member)
	switch {
	case errors.Is(err, token.ErrToken):
		return session.Standing{}, ErrBearer
	case err != nil:
		return session.Standing{}, err
	case !slices.Contains(claims.Audiences, audience) || claims.ClientID != clientID:
		return session.Standing{}, ErrBearer
	}
	standing, err := a.Sessions.StandingByID(ctx, claims.SessionID)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return session.Standing{}, ErrBearer
	case err != nil:
		return session.Standing{}, err
	}
	now := a.Clocks.At(standing.Now).Reliable()
	switch {
	case !now.Before(claims.Expiry), standing.Ended(), !now.Before(standing.AbsoluteExpiry),
		standing.UserID == "", standing.UserID != claims.Subject, standing.ClientID != claims.ClientID:
		return session.Standing{}, ErrBearer
	}
	return standing, nil
}

// EndSession ends a session of the user behind a pair of the caller's that could be
// refreshed this moment; the pair stays as it is. A second one changes nothing.
// ErrGrant, ErrSession.
func (a *Authority) EndSession(ctx context.Context, by Caller, p Pair, id string) error {
	own, err := a.livePair(ctx, by, p)
	if err != nil {
		return err
	}
	target, err := a.Sessions.StandingByID(ctx, id)
	switch {
	case errors.Is(err, session.ErrNotFound), err == nil && target.UserID != own.UserID:
		return ErrSession
	case err != nil:
		return err
	case target.ID == own.ID:
		return a.end(ctx, target, session.ReasonLogout, by.event(audit.SessionRevoked, audit.ByUser(own.UserID)))
	}
	event := a.endedBy(by, own)
	event.ClientID, event.SessionID = target.ClientID, target.ID
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonAfter) // as in end
	defer cancel()
	ended, err := a.Sessions.RevokeOther(ctx, target.ID, own.ID, session.ReasonElsewhere, event)
	if errors.Is(err, session.ErrNotFound) { // the pair's session has just been ended itself
		return ErrGrant
	}
	if err != nil {
		return err
	}
	a.Lists.Announce(ctx, own.Now, ended)
	return nil
}

// EndOtherSessions ends every session of the user behind such a pair but the
// pair's own. ErrGrant.
func (a *Authority) EndOtherSessions(ctx context.Context, by Caller, p Pair) error {
	own, err := a.livePair(ctx, by, p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonAfter) // as in end
	defer cancel()
	ended, err := a.Sessions.RevokeOthers(ctx, own.UserID, own.ID, session.ReasonElsewhere, a.endedBy(by, own))
	if errors.Is(err, session.ErrNotFound) { // it has just been ended itself
		return ErrGrant
	}
	if err != nil {
		return err
	}
	a.Lists.Announce(ctx, own.Now, ended...)
	return nil
}

func (a *Authority) endedBy(by Caller, own session.Standing) audit.Event {
	e := by.event(audit.SessionRevoked, audit.ByUser(own.UserID))
	e.At = a.Clocks.At(own.Now).Reliable()
	e.UserID = own.UserID
	return e.With(map[string]string{"by_session": own.ID})
}

// livePair finds the session of a pair whose refresh token would be granted if it were
// refreshed now. Nothing is rotated, and a worthless token ends nothing: its holder must not
// be able to log others out. ErrGrant.
func (a *Authority) livePair(ctx context.Context, by Caller, p Pair) (session.Standing, error) {
	ctx, cancel := context.WithTimeout(ctx, abandonAfter)
	defer cancel()
	shown, err := a.findPair(ctx, by, p)
	if err != nil {
		return session.Standing{}, err
	}
	if !shown.standing.ClientEnabled {
		return session.Standing{}, ErrClient
	}
	found, err := a.decide(ctx, shown, onlyLook)
	if err != nil {
		return session.Standing{}, err
	}
	if !found.Verdict.Succeeds() {
		a.recordRefusal(shown, found)
		return session.Standing{}, ErrGrant
	}
	return shown.standing, nil
}
