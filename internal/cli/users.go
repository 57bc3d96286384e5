package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/user"
)

func (s *shell) newUsers() *cobra.Command {
	return s.group("users", "add, find, disable and delete users",
		`Users are the people who log in. These commands use the stores of serve, which may run
meanwhile. USER is a name, in any spelling that can log in, an e-mail address or an id.
Where a word could be the id of one user and the name of another, the commands ask for
--id or --name. Write -- before a name that begins with a -.`,
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
		Long: `Add a user, even if registration is closed. The command asks for the password, or reads it
from standard input; it is never taken from the command line. The rules are those of
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
	var collisions bool
	cmd := &cobra.Command{
		Use: "list", Short: "list users, oldest first",
		Long: `List the users that are not deleted, in the order in which they were created, a page
at a time. With --collisions, list only those whose name looks like that of another user, who
had it first: names of before version 6 of the schema, which compares names by UTS 39. They
log in as before; nobody else gets such a name.`,
		Example: `  mintmark users list
  mintmark users list --collisions
  mintmark users list --limit 1000 --output json`,
		Args: arguments(),
		RunE: s.operate(func(ctx context.Context, cmd *cobra.Command, o operation, _ []string) error {
			if err := page.check(); err != nil {
				return err
			}
			if collisions {
				return s.listCollisions(ctx, cmd, o, page)
			}
			users, err := o.ListUsers(ctx, user.Page{After: page.after, Limit: page.limit})
			if err != nil {
				return err
			}
			if err := s.answerUsers(users); err != nil || len(users) == 0 {
				return err
			}
			s.printNext(cmd.CommandPath(), page, len(users), users[len(users)-1].ID)
			return nil
		}),
	}
	page.register(cmd)
	cmd.Flags().BoolVar(&collisions, "collisions", false, "only users whose name looks like that of another")
	return cmd
}

func (s *shell) answerUsers(users []user.User) error {
	answer := make([]userAnswer, 0, len(users))
	t := table{head: []string{"ID", "NAME", "EMAIL", "STATE", "CREATED"}, empty: "there are no users; `mintmark users create` adds one"}
	for _, u := range users {
		answer = append(answer, userJSON(u))
		t.rows = append(t.rows, []string{u.ID, u.Username, u.Email, userState(u), stamp(u.CreatedAt)})
	}
	return s.answer(answer, t)
}

func (s *shell) newUsersShow() *cobra.Command {
	var m meant
	cmd := &cobra.Command{
		Use: "show USER", Short: "show a user",
		Long:    `Show one user, by name, e-mail address or id. An id also finds a deleted user.`,
		Example: `  mintmark users show ada`,
		Args:    arguments("USER"),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, args []string) error {
			u, err := o.user(ctx, args[0], m)
			if err != nil {
				return err
			}
			return s.answerUser(u)
		}),
	}
	m.register(cmd, "USER")
	return cmd
}

func (s *shell) answerUser(u user.User) error {
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
