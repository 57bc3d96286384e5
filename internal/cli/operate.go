package cli

import (
	"context"
	"errors"
	"os"
	osuser "os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// operation is what an operator's command works with: the verbs, over the stores of
// serve, open beside it, and who orders them.
type operation struct {
	*operator.Operator
	by  audit.Actor
	cfg config.Config
}

// operate runs a command over the stores that the configuration names.
func (s *shell) operate(run func(ctx context.Context, cmd *cobra.Command, o operation, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := s.config(cmd)
		if err != nil {
			return err
		}
		stores, err := app.OpenStores(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		verbs, err := stores.Operator(cfg)
		if err == nil {
			err = run(cmd.Context(), cmd, operation{verbs, systemUser(), cfg}, args)
		}
		return errors.Join(err, stores.Close())
	}
}

// systemUser is the operator who runs this, by the name or else the number that the
// system knows them by.
func systemUser() audit.Actor {
	u, err := osuser.Current()
	if err != nil { // a container may run under a user id without a name
		return audit.ByOperator(strconv.Itoa(os.Getuid()))
	}
	return audit.ByOperator(u.Username)
}

// meant says how a word names a user: by id or by name, or by whichever it is.
type meant struct{ id, name bool }

func (m *meant) register(cmd *cobra.Command, word string) {
	cmd.Flags().BoolVar(&m.id, "id", false, "read "+word+" as an id only")
	cmd.Flags().BoolVar(&m.name, "name", false, "read "+word+" as a name or an e-mail address only")
}

// unasked refuses the flags where no user is named, rather than ignore them.
func (m meant) unasked() error {
	if m.id || m.name {
		return usagef("--id and --name say how --user is meant, and --user is missing")
	}
	return nil
}

// user finds the user that a word names. Where it could mean two, the operator has to say
// which: no command acts on another user than the one that was meant.
func (o operation) user(ctx context.Context, word string, m meant) (user.User, error) {
	find := o.FindUser
	switch {
	case m.id && m.name:
		return user.User{}, usagef("--id and --name exclude each other; give one of them")
	case m.id:
		find = o.FindUserByID
	case m.name:
		find = o.FindUserByName
	}
	u, err := find(ctx, word)
	two, ok := errors.AsType[*operator.AmbiguousUser](err)
	switch {
	case ok && two.ByEmail != "":
		return user.User{}, usagef("user %q is ambiguous; use the id: `mintmark users show %s` shows the user of that name, `mintmark users show %s` the one with that address",
			word, two.ByName, two.ByEmail)
	case ok:
		return user.User{}, usagef("user %q could be an id or a name; give --id for the user with that id, or --name for the user %s, who has that name",
			word, two.ByName)
	case err != nil:
		return user.User{}, about("user", word, err)
	}
	return u, nil
}

// client finds the client that an argument names.
func (o operation) client(ctx context.Context, id string) (client.Client, error) {
	c, err := o.FindClient(ctx, id)
	if err != nil {
		return client.Client{}, about("client", id, err)
	}
	return c, nil
}

// session finds the session that an argument names.
func (o operation) session(ctx context.Context, id string) (operator.Session, error) {
	one, err := o.FindSession(ctx, id)
	if err != nil {
		return operator.Session{}, about("session", id, err)
	}
	return one, nil
}
