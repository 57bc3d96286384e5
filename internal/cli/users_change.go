package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/operator"
)

func (s *shell) newUsersDisable() *cobra.Command {
	return s.newUserChange(userChange{
		verb: "disable", done: "was disabled, and every session ended", harms: true,
		question: "Disable %s and end all their sessions?",
		short:    "refuse a user, and end their sessions",
		long: `Refuse the user from now on: no login, no refresh, and every session ends. Services that
follow the status lists refuse the access tokens within 5 s; other services accept them until
they expire. enable reverses this, except for the sessions.`,
		change: (*operator.Operator).DisableUser,
	})
}

func (s *shell) newUsersEnable() *cobra.Command {
	return s.newUserChange(userChange{
		verb: "enable", done: "may log in again",
		short:  "let a disabled user log in again",
		long:   `Let a disabled user log in again. Ended sessions stay ended.`,
		change: (*operator.Operator).EnableUser,
	})
}

func (s *shell) newUsersDelete() *cobra.Command {
	return s.newUserChange(userChange{
		verb: "delete", done: "was deleted", harms: true, harm: irreversible,
		question: "Delete %s permanently and end all their sessions?",
		short:    "delete a user permanently",
		long: `Delete a user permanently: the name, the address and the password are deleted, and every
session ends. The id stays as a tombstone for the audit trail; name and address may be used
again. A script must pass --yes.`,
		change: (*operator.Operator).DeleteUser,
	})
}

// userChange is a verb that takes only a user.
type userChange struct {
	verb, done, short, long string
	harms                   bool
	harm                    harm
	question                string // with %s for the user, where it harms
	change                  func(*operator.Operator, context.Context, audit.Actor, string) error
}

func (s *shell) newUserChange(c userChange) *cobra.Command {
	var m meant
	cmd := &cobra.Command{
		Use: c.verb + " USER", Short: c.short, Long: c.long,
		Example: "  mintmark users " + c.verb + " ada",
		Args:    arguments("USER"),
		RunE: s.operate(func(ctx context.Context, cmd *cobra.Command, o operation, args []string) error {
			u, err := o.user(ctx, args[0], m)
			if err != nil {
				return err
			}
			if c.harms {
				if err := s.confirm(cmd, c.harm, c.question, u.Username); err != nil {
					return fmt.Errorf("%s user %q: %w", c.verb, args[0], err)
				}
			}
			if err := c.change(o.Operator, ctx, o.by, u.ID); err != nil {
				return about("user", args[0], err)
			}
			return s.done(changed{ID: u.ID, Done: c.verb}, "user %s %s", u.Username, c.done)
		}),
	}
	m.register(cmd, "USER")
	if c.harms {
		addYes(cmd)
	}
	return cmd
}

func (s *shell) newUsersSetPassword() *cobra.Command {
	var m meant
	cmd := &cobra.Command{
		Use: "set-password USER", Short: "give a user a new password, and end their sessions",
		Long: `Give a user a new password. The command asks for it, or reads it from standard input; it is
never taken from the command line. Every session of the user ends.`,
		Example: `  mintmark users set-password ada
  mintmark users set-password ada < password.txt`,
		Args: arguments("USER"),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, args []string) error {
			u, err := o.user(ctx, args[0], m)
			if err != nil {
				return err
			}
			password, err := s.readPassword(ctx)
			if err != nil {
				return err
			}
			if err := o.SetPassword(ctx, o.by, u.ID, password); err != nil {
				return about("user", args[0], err)
			}
			return s.done(changed{ID: u.ID, Done: "set-password"}, "user %s has a new password, and every session ended", u.Username)
		}),
	}
	m.register(cmd, "USER")
	return cmd
}

// changed is the answer of a verb that changes one thing.
type changed struct {
	ID   string `json:"id"`
	Done string `json:"done"` // the verb
}
