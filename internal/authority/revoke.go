package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

// Logout ends the session of a pair of the caller's for good. A second one changes
// nothing. ErrGrant.
func (a *Authority) Logout(ctx context.Context, by Caller, p Pair) error {
	found, err := a.findPair(ctx, by, p)
	if err != nil {
		return err
	}
	return a.end(ctx, found.standing, session.ReasonLogout, by.event(audit.SessionRevoked, audit.ByUser(found.standing.UserID)))
}

// Revoke ends the session of one of the caller's refresh tokens (RFC 7009 §2.1). An unknown
// token, or another client's, is ignored without an error. An access token is refused with
// ErrAccessToken: every resource service sees those of a public client, and must not be able
// to log its users out.
func (a *Authority) Revoke(ctx context.Context, by Caller, raw string) error {
	if err := by.Refused(); err != nil {
		return err
	}
	if _, err := token.Parse(raw, a.Issuer, a.Keys.Public); err == nil {
		return ErrAccessToken
	}
	found, err := a.find(ctx, by, raw)
	if errors.Is(err, ErrGrant) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.end(ctx, found.standing, session.ReasonRevoked, by.event(audit.SessionRevoked, audit.ByClient(by.client.ID)))
}

// end commits the revocation before the caller hears of it. A caller that hangs up
// does not stop it: a thief must not be able to replay and run.
func (a *Authority) end(ctx context.Context, s session.Standing, reason string, event audit.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonAfter)
	defer cancel()
	event.UserID, event.ClientID, event.SessionID = s.UserID, s.ClientID, s.ID
	event.At = a.Clocks.At(s.Now).Reliable()
	ended, err := a.Sessions.RevokeSession(ctx, s.ID, reason, event)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	a.Lists.Announce(ctx, s.Now, ended)
	return nil
}
