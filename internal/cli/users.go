package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/user"
)

func (s *shell) newUsers() *cobra.Command {
	return s.group("users", "add, find, disable and delete users",
		`Users are who logs in. These commands work on the stores that serve uses, safely while
it runs. USER is a name, in any spelling that logs in, or an id.`,
		`  mintmark users create ada --email ada@example.com < password.txt
  mintmark users list
  mintmark users disable ada`,
		s.newUsersCreate(), s.newUsersList(), s.newUsersShow(), s.newUsersDisable(),
		s.newUsersEnable(), s.newUsersSetPassword(), s.newUsersDelete())
}

func (s *shell) newUsersCreate() *cobra.Command {
	var email string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "add a user",
		Long: `Add a user, also where registration is closed. The password is asked for, or read from
standard input; it is never taken from the command line. The rules are those of
registration.`,
		Example: `  mintmark users create ada --email ada@example.com
  mintmark users create ada --email ada@example.com < password.txt`,
		Args: arguments("NAME"),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, args []string) error {
			if email == "" {
				return usagef("--email is missing; give the user's address")
			}
			password, err := s.readPassword(ctx)
			if err != nil {
				return err
			}
			u, err := o.CreateUser(ctx, o.by, user.Registration{Username: args[0], Email: email, Password: password})
			if err != nil {
				return about("user", args[0], err)
			}
			return s.done(userJSON(u), "user %s was created, with the id %s", u.Username, u.ID)
		}),
	}
	cmd.Flags().StringVar(&email, "email", "", "the user's `address`")
	return cmd
}

func (s *shell) newUsersList() *cobra.Command {
	var page page
	cmd := &cobra.Command{
		Use: "list", Short: "list users, oldest first",
		Long: `List the users that are not deleted, in the order in which they were created, a page
at a time.`,
		Example: `  mintmark users list
  mintmark users list --limit 1000 --output json`,
		Args: arguments(),
		RunE: s.operate(func(ctx context.Context, cmd *cobra.Command, o operation, _ []string) error {
			if err := page.check(); err != nil {
				return err
			}
			users, err := o.ListUsers(ctx, user.Page{After: page.after, Limit: page.limit})
			if err != nil {
				return err
			}
			answer := make([]userAnswer, 0, len(users))
			t := table{head: []string{"ID", "NAME", "EMAIL", "STATE", "CREATED"}, empty: "there are no users; `mintmark users create` adds one"}
			for _, u := range users {
				answer = append(answer, userJSON(u))
				t.rows = append(t.rows, []string{u.ID, u.Username, u.Email, userState(u), stamp(u.CreatedAt)})
			}
			if err := s.answer(answer, t); err != nil || len(users) == 0 {
				return err
			}
			s.printNext(cmd, page, len(users), users[len(users)-1].ID)
			return nil
		}),
	}
	page.register(cmd)
	return cmd
}

func (s *shell) newUsersShow() *cobra.Command {
	return &cobra.Command{
		Use: "show USER", Short: "show a user",
		Long:    `Show one user, by name or id. By id a deleted user is found too.`,
		Example: `  mintmark users show ada`,
		Args:    arguments("USER"),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, args []string) error {
			u, err := o.user(ctx, args[0])
			if err != nil {
				return err
			}
			now := time.Now()
			return s.answer(userJSON(u), table{rows: [][]string{
				{"id", u.ID},
				{"name", u.Username},
				{"email", u.Email},
				{"state", userState(u)},
				{"created", stampWithAge(u.CreatedAt, now)},
				{"disabled", stampWithAge(u.DisabledAt, now)},
				{"deleted", stampWithAge(u.DeletedAt, now)},
				{"sessions valid after", stampWithAge(u.SessionsValidAfter, now)},
			}})
		}),
	}
}

func (s *shell) newUsersDisable() *cobra.Command {
	return s.newUserChange(userChange{
		verb: "disable", done: "was disabled, and every session ended", harms: true,
		question: "Disable %s and end every session of theirs?",
		short:    "refuse a user, and end their sessions",
		long: `Refuse the user from now on: no login, no refresh, and every session is ended. Access
tokens that are out die within 5 s at services that follow the status lists; at others they
live on until they expire. enable takes it back, but for the sessions.`,
		change: (*operator.Operator).DisableUser,
	})
}

func (s *shell) newUsersEnable() *cobra.Command {
	return s.newUserChange(userChange{
		verb: "enable", done: "may log in again",
		short:  "let a disabled user log in again",
		long:   `Let a disabled user log in again. Sessions that were ended stay ended.`,
		change: (*operator.Operator).EnableUser,
	})
}

func (s *shell) newUsersDelete() *cobra.Command {
	return s.newUserChange(userChange{
		verb: "delete", done: "was deleted", harms: true, harm: irreversible,
		question: "Delete %s for good and end every session of theirs?",
		short:    "delete a user for good",
		long: `Delete a user for good: the name, the address and the password go, every session ends.
The id stays as a tombstone, so that the audit trail keeps its sense; name and address
may be used again. A script has to say --yes.`,
		change: (*operator.Operator).DeleteUser,
	})
}

// userChange is a verb that takes a user and nothing else.
type userChange struct {
	verb, done, short, long string
	harms                   bool
	harm                    harm
	question                string // with %s for the user, where it harms
	change                  func(*operator.Operator, context.Context, audit.Actor, string) error
}

func (s *shell) newUserChange(c userChange) *cobra.Command {
	cmd := &cobra.Command{
		Use: c.verb + " USER", Short: c.short, Long: c.long,
		Example: "  mintmark users " + c.verb + " ada",
		Args:    arguments("USER"),
		RunE: s.operate(func(ctx context.Context, cmd *cobra.Command, o operation, args []string) error {
			u, err := o.user(ctx, args[0])
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
	if c.harms {
		addYes(cmd)
	}
	return cmd
}

func (s *shell) newUsersSetPassword() *cobra.Command {
	return &cobra.Command{
		Use: "set-password USER", Short: "give a user a new password, and end their sessions",
		Long: `Give a user a new password. It is asked for, or read from standard input, never taken
from the command line. Every session of the user ends.`,
		Example: `  mintmark users set-password ada
  mintmark users set-password ada < password.txt`,
		Args: arguments("USER"),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, args []string) error {
			u, err := o.user(ctx, args[0])
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
}

// changed is the answer of a verb that changes one thing.
type changed struct {
	ID   string `json:"id"`
	Done string `json:"done"` // the verb
}

type userAnswer struct {
	ID                 string `json:"id"`
	Username           string `json:"username"`
	Email              string `json:"email"`
	State              string `json:"state"`
	CreatedAt          string `json:"created_at"`
	DisabledAt         string `json:"disabled_at,omitempty"`
	DeletedAt          string `json:"deleted_at,omitempty"`
	SessionsValidAfter string `json:"sessions_valid_after"`
}

func userJSON(u user.User) userAnswer {
	return userAnswer{
		ID: u.ID, Username: u.Username, Email: u.Email, State: userState(u), CreatedAt: stamp(u.CreatedAt),
		DisabledAt: stamp(u.DisabledAt), DeletedAt: stamp(u.DeletedAt), SessionsValidAfter: stamp(u.SessionsValidAfter),
	}
}

func userState(u user.User) string {
	switch {
	case !u.DeletedAt.IsZero():
		return "deleted"
	case !u.DisabledAt.IsZero():
		return "disabled"
	default:
		return "active"
	}
}
