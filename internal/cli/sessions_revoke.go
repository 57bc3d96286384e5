package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (s *shell) newSessionsRevoke() *cobra.Command {
	var whose string
	var m meant
	cmd := &cobra.Command{
		Use: "revoke [SID]", Short: "end a session, or all of a user's",
		Long: `End one session, or with --user all sessions of one user, permanently. They can no longer
be refreshed. Services that follow the status lists refuse their access tokens within 5 s;
other services accept them until they expire. The user may log in again.`,
		Example: `  mintmark sessions revoke 019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42
  mintmark sessions revoke --user ada --yes`,
		Args: cobra.ArbitraryArgs,
		RunE: s.operate(func(ctx context.Context, cmd *cobra.Command, o operation, args []string) error {
			if whose != "" {
				if err := arguments()(cmd, args); err != nil {
					return err
				}
				return s.revokeAll(ctx, cmd, o, whose, m)
			}
			if err := cmp.Or(arguments("SID")(cmd, args), m.unasked()); err != nil {
				return err
			}
			return s.revokeOne(ctx, cmd, o, args[0])
		}),
	}
	cmd.Flags().StringVar(&whose, "user", "", "every session of this `user`, by name, e-mail address or id")
	m.register(cmd, "--user")
	addYes(cmd)
	return cmd
}

func (s *shell) revokeOne(ctx context.Context, cmd *cobra.Command, o operation, id string) error {
	one, err := o.session(ctx, id)
	if err != nil {
		return err
	}
	if err := s.confirm(cmd, harmful, "End the session %s?", one.ID); err != nil {
		return fmt.Errorf("revoke session %s: %w", one.ID, err)
	}
	if err := o.EndSession(ctx, o.by, one.ID); err != nil {
		return fmt.Errorf("session %s: %w", one.ID, err)
	}
	return s.done(changed{ID: one.ID, Done: "revoke"}, "session %s has ended", one.ID)
}

func (s *shell) revokeAll(ctx context.Context, cmd *cobra.Command, o operation, whose string, m meant) error {
	u, err := o.user(ctx, whose, m)
	if err != nil {
		return err
	}
	if err := s.confirm(cmd, harmful, "End every session of %s?", u.Username); err != nil {
		return fmt.Errorf("revoke sessions of %q: %w", whose, err)
	}
	if err := o.EndSessions(ctx, o.by, u.ID); err != nil {
		return fmt.Errorf("sessions of %q: %w", whose, err)
	}
	return s.done(changed{ID: u.ID, Done: "revoke"}, "every session of %s has ended", u.Username)
}
