package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/audit"
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
		RunE: s.atDesk(func(ctx context.Context, _ *cobra.Command, d desk, args []string) error {
			if email == "" {
				return usagef("--email is missing; give the user's address")
			}
			accounts, err := app.Accounts(d.cfg, d.Stores)
			if err != nil {
				return err
			}
			password, err := s.readPassword(ctx)
			if err != nil {
				return err
			}
			u, err := accounts.Add(ctx, user.Registration{Username: args[0], Email: email, Password: password}, operated(audit.UserCreated))
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
		RunE: s.atDesk(func(ctx context.Context, cmd *cobra.Command, d desk, _ []string) error {
			if err := page.check(); err != nil {
				return err
			}
			users, err := d.Users.Users(ctx, user.Page{After: page.after, Limit: page.limit})
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
			s.tellNext(cmd, page, len(users), users[len(users)-1].ID)
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
		RunE: s.atDesk(func(ctx context.Context, _ *cobra.Command, d desk, args []string) error {
			u, err := findUser(ctx, d.Users, args[0])
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
		verb: "disable", done: "was disabled, and every session ended", kind: audit.UserDisabled, harms: true,
		question: "Disable %s and end every session of theirs?",
		short:    "refuse a user, and end their sessions",
		long: `Refuse the user from now on: no login, no refresh, and every session is ended. Access
tokens that are out die within 5 s at services that follow the status lists; at others they
live on until they expire. enable takes it back, but for the sessions.`,
		change: user.Store.DisableUser,
	})
}

func (s *shell) newUsersEnable() *cobra.Command {
	return s.newUserChange(userChange{
		verb: "enable", done: "may log in again", kind: audit.UserEnabled,
		short:  "let a disabled user log in again",
		long:   `Let a disabled user log in again. Sessions that were ended stay ended.`,
		change: user.Store.EnableUser,
	})
}

func (s *shell) newUsersDelete() *cobra.Command {
	return s.newUserChange(userChange{
		verb: "delete", done: "was deleted", kind: audit.UserDeleted, harms: true, harm: irreversible,
		question: "Delete %s for good and end every session of theirs?",
		short:    "delete a user for good",
		long: `Delete a user for good: the name, the address and the password go, every session ends.
The id stays as a tombstone, so that the audit trail keeps its sense; name and address
may be used again. A script has to say --yes.`,
		change: user.Store.DeleteUser,
	})
}

// userChange is a verb that takes a user and nothing else.
type userChange struct {
	verb, done, short, long string
	kind                    audit.Kind
	harms                   bool
	harm                    harm
	question                string // with %s for the user, where it harms
	change                  func(user.Store, context.Context, string, audit.Event) error
}

func (s *shell) newUserChange(c userChange) *cobra.Command {
	cmd := &cobra.Command{
		Use: c.verb + " USER", Short: c.short, Long: c.long,
		Example: "  mintmark users " + c.verb + " ada",
		Args:    arguments("USER"),
		RunE: s.atDesk(func(ctx context.Context, cmd *cobra.Command, d desk, args []string) error {
			u, err := findUser(ctx, d.Users, args[0])
			if err != nil {
				return err
			}
			if c.harms {
				if err := s.confirm(cmd, c.harm, c.question, u.Username); err != nil {
					return fmt.Errorf("%s user %q: %w", c.verb, args[0], err)
				}
			}
			event := operated(c.kind)
			event.UserID = u.ID
			if err := c.change(d.Users, ctx, u.ID, event); err != nil {
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
		RunE: s.atDesk(func(ctx context.Context, _ *cobra.Command, d desk, args []string) error {
			u, err := findUser(ctx, d.Users, args[0])
			if err != nil {
				return err
			}
			accounts, err := app.Accounts(d.cfg, d.Stores)
			if err != nil {
				return err
			}
			password, err := s.readPassword(ctx)
			if err != nil {
				return err
			}
			if err := accounts.SetPassword(ctx, u, password, operated(audit.UserPasswordChanged)); err != nil {
				return about("user", args[0], err)
			}
			return s.done(changed{ID: u.ID, Done: "set-password"}, "user %s has a new password, and every session ended", u.Username)
		}),
	}
}

// findUser finds a user by id, tombstones included, or by name. user.ErrNotFound.
func findUser(ctx context.Context, users user.Store, word string) (user.User, error) {
	if id, err := uuid.Parse(word); err == nil {
		u, err := users.UserByID(ctx, id.String())
		if !errors.Is(err, user.ErrNotFound) {
			return u, err
		}
	}
	name, err := user.CanonicalUsername(word)
	if err != nil { // nobody can have such a name
		return user.User{}, fmt.Errorf("user %q: %w", word, user.ErrNotFound)
	}
	u, err := users.UserByUsername(ctx, name)
	if err != nil {
		return user.User{}, about("user", word, err)
	}
	return u, nil
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
