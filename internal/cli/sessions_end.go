package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

func (s *shell) newSessionsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show SID", Short: "show a session",
		Long:    `Show one session, by id. explain tells its story.`,
		Example: `  mintmark sessions show 019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42`,
		Args:    arguments("SID"),
		RunE: s.atDesk(func(ctx context.Context, _ *cobra.Command, d desk, args []string) error {
			one, err := d.Sessions.SessionByID(ctx, args[0])
			if err != nil {
				return about("session", args[0], err)
			}
			names, err := usernames(ctx, d.Users, []session.Session{one})
			if err != nil {
				return err
			}
			policies, err := d.policies(ctx)
			if err != nil {
				return err
			}
			now := time.Now()
			state := policies.state(one, now)
			ended := stampWithAge(one.RevokedAt, now)
			if ended != "" {
				ended += ": " + reasonMeans(one.RevokeReason)
			}
			return s.answer(sessionJSON(one, names[one.UserID], state), table{rows: [][]string{
				{"id", one.ID},
				{"user", names[one.UserID] + " (" + one.UserID + ")"},
				{"client", one.ClientID},
				{"state", state},
				{"started", stampWithAge(one.CreatedAt, now)},
				{"last used", stampWithAge(one.LastSeenAt, now)},
				{"ends", stampWithAge(one.AbsoluteExpiry, now)},
				{"ended", ended},
				{"address", one.Address},
				{"user agent", one.UserAgent},
			}})
		}),
	}
}

func (s *shell) newSessionsRevoke() *cobra.Command {
	var whose string
	cmd := &cobra.Command{
		Use: "revoke [SID]", Short: "end a session, or all of a user's",
		Long: `End one session for good, or with --user all of one user's. They can't be refreshed from
then on. Access tokens that are out die within 5 s at services that follow the status lists;
at others they live on until they expire. The user may log in again.`,
		Example: `  mintmark sessions revoke 019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42
  mintmark sessions revoke --user ada --yes`,
		Args: cobra.ArbitraryArgs,
		RunE: s.atDesk(func(ctx context.Context, cmd *cobra.Command, d desk, args []string) error {
			if whose != "" {
				if err := arguments()(cmd, args); err != nil {
					return err
				}
				return s.revokeAll(ctx, cmd, d, whose)
			}
			if err := arguments("SID")(cmd, args); err != nil {
				return err
			}
			return s.revokeOne(ctx, cmd, d, args[0])
		}),
	}
	cmd.Flags().StringVar(&whose, "user", "", "every session of this `user`, by name or id")
	addYes(cmd)
	return cmd
}

func (s *shell) revokeOne(ctx context.Context, cmd *cobra.Command, d desk, id string) error {
	one, err := d.Sessions.SessionByID(ctx, id)
	if err != nil {
		return about("session", id, err)
	}
	if err := s.confirm(cmd, harmful, "End the session %s?", one.ID); err != nil {
		return fmt.Errorf("revoke session %s: %w", one.ID, err)
	}
	event := operated(audit.SessionRevoked)
	event.UserID, event.ClientID, event.SessionID = one.UserID, one.ClientID, one.ID
	if err := d.Sessions.RevokeSession(ctx, one.ID, session.ReasonOperator, event); err != nil {
		return fmt.Errorf("session %s: %w", one.ID, err)
	}
	return s.done(changed{ID: one.ID, Done: "revoke"}, "session %s has ended", one.ID)
}

func (s *shell) revokeAll(ctx context.Context, cmd *cobra.Command, d desk, whose string) error {
	u, err := findUser(ctx, d.Users, whose)
	if err != nil {
		return err
	}
	if err := s.confirm(cmd, harmful, "End every session of %s?", u.Username); err != nil {
		return fmt.Errorf("revoke sessions of %q: %w", whose, err)
	}
	event := operated(audit.UserSessionsEnded)
	event.UserID = u.ID
	if err := d.Sessions.RevokeAll(ctx, u.ID, session.ReasonOperator, event); err != nil {
		return fmt.Errorf("sessions of %q: %w", whose, err)
	}
	return s.done(changed{ID: u.ID, Done: "revoke"}, "every session of %s has ended", u.Username)
}
