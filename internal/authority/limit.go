package authority

import (
	"context"
	"errors"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// limit ends sessions of the user with the caller's client that are more than a user may have,
// but never the one that was just started. The login goes on if that fails, since its session is
// committed; the next login tries again. Logins at the same moment may exceed the limit.
func (a *Authority) limit(ctx context.Context, by Caller, started session.Session, now time.Time) {
	if err := a.endSurplus(ctx, by, started, now); err != nil {
		a.Log.WarnContext(ctx, "a user has more sessions than allowed, which could not be ended; the next login tries again",
			"user", started.UserID, "client", started.ClientID, "error", err)
	}
}

func (a *Authority) endSurplus(ctx context.Context, by Caller, started session.Session, now time.Time) error {
	unended, err := a.Sessions.UnendedSessions(ctx, started.UserID, started.ClientID, a.MaxSessions+session.LimitSlack)
	if err != nil {
		return err
	}
	idle := orDefault(by.client.IdleTTL, a.Lifetimes.IdleTTL)
	for _, s := range session.Surplus(unended, started.ID, a.MaxSessions, now, idle) {
		event := by.event(audit.SessionRevoked, audit.BySystem()).With(map[string]string{"reason": session.ReasonLimit, "by_login": started.ID})
		err = errors.Join(err, a.end(ctx, session.Standing{Session: s, Now: started.CreatedAt}, session.ReasonLimit, event))
	}
	return err
}
