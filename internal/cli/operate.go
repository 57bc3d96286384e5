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

// user finds the user that an argument names.
func (o operation) user(ctx context.Context, word string) (user.User, error) {
	u, err := o.FindUser(ctx, word)
	if two, ok := errors.AsType[*operator.AmbiguousUser](err); ok {
		return user.User{}, usagef("user %q is ambiguous; use the id: `mintmark users show %s` shows the user of that name, `mintmark users show %s` the one with that address",
			word, two.ByName, two.ByEmail)
	}
	if err != nil {
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
