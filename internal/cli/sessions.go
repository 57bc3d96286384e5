package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/session"
)

func (s *shell) newSessions() *cobra.Command {
	return s.group("sessions", "list who is logged in, and end sessions",
		`A session is one login of one user through one client. All its access tokens have its
id as their sid.`,
		`  mintmark sessions list --user ada --live
  mintmark sessions revoke --user ada`,
		s.newSessionsList(), s.newSessionsShow(), s.newSessionsRevoke())
}

func (s *shell) newSessionsList() *cobra.Command {
	var wanted wantedSessions
	cmd := &cobra.Command{
		Use: "list", Short: "list sessions, newest first",
		Long: `List sessions, the newest first, a page at a time. The last use is written about once an
hour, so it may be an hour old. A session is lapsed if it was not used for the idle lifetime
of its client, as configured here.`,
		Example: `  mintmark sessions list --live
  mintmark sessions list --user ada --limit 10`,
		Args: arguments(),
		RunE: s.operate(func(ctx context.Context, cmd *cobra.Command, o operation, _ []string) error {
			query, err := wanted.query(ctx, o)
			if err != nil {
				return err
			}
			sessions, err := o.ListSessions(ctx, query)
			if err != nil {
				return err
			}
			if err := s.answerSessions(sessions); err != nil || len(sessions) == 0 {
				return err
			}
			s.printNext(cmd.CommandPath(), wanted.page, len(sessions), sessions[len(sessions)-1].ID)
			return nil
		}),
	}
	wanted.page.register(cmd)
	cmd.Flags().StringVar(&wanted.user, "user", "", "only the sessions of this `user`, by name, e-mail address or id")
	wanted.register(cmd, "--user")
	cmd.Flags().BoolVar(&wanted.live, "live", false, "only sessions that can still refresh")
	return cmd
}

// wantedSessions are those that the flags of a listing ask for.
type wantedSessions struct {
	page page
	user string
	meant
	live bool
}

func (w wantedSessions) query(ctx context.Context, o operation) (session.Query, error) {
	if err := w.page.check(); err != nil {
		return session.Query{}, err
	}
	query := session.Query{After: w.page.after, Limit: w.page.limit}
	if w.live {
		query.Live = session.LiveOnly
	}
	if w.user == "" {
		return query, w.unasked()
	}
	u, err := o.user(ctx, w.user, w.meant)
	query.UserID = u.ID
	return query, err
}

func (s *shell) answerSessions(sessions []operator.Session) error {
	now := time.Now()
	answer := make([]sessionAnswer, 0, len(sessions))
	t := table{
		head:  []string{"ID", "USER", "CLIENT", "STATE", "STARTED", "LAST USED", "ENDS", "ADDRESS"},
		empty: "there are no such sessions; one begins with each login",
	}
	for _, one := range sessions {
		state := string(one.State)
		answer = append(answer, sessionJSON(one))
		if one.RevokeReason != "" {
			state += " (" + one.RevokeReason + ")"
		}
		t.rows = append(t.rows, []string{one.ID, one.Username, one.ClientID, state, stamp(one.CreatedAt),
			span(max(0, now.Sub(one.LastSeenAt))) + " ago", stamp(one.AbsoluteExpiry), one.Address})
	}
	return s.answer(answer, t)
}

type sessionAnswer struct {
	ID             string `json:"id"`
	UserID         string `json:"user_id"`
	Username       string `json:"username"`
	ClientID       string `json:"client_id"`
	State          string `json:"state"` // live, lapsed (past its idle lifetime), expired or revoked
	CreatedAt      string `json:"created_at"`
	LastSeenAt     string `json:"last_seen_at"`
	AbsoluteExpiry string `json:"absolute_expiry"`
	RevokedAt      string `json:"revoked_at,omitempty"`
	RevokeReason   string `json:"revoke_reason,omitempty"`
	Address        string `json:"address,omitempty"`
	UserAgent      string `json:"user_agent,omitempty"`
}

func sessionJSON(one operator.Session) sessionAnswer {
	return sessionAnswer{
		ID: one.ID, UserID: one.UserID, Username: one.Username, ClientID: one.ClientID, State: string(one.State),
		CreatedAt: stamp(one.CreatedAt), LastSeenAt: stamp(one.LastSeenAt), AbsoluteExpiry: stamp(one.AbsoluteExpiry),
		RevokedAt: stamp(one.RevokedAt), RevokeReason: one.RevokeReason, Address: one.Address, UserAgent: one.UserAgent,
	}
}
