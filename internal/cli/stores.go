package cli

import (
	"context"
	"errors"
	"os"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/config"
)

// desk is where an operator's command works: the stores of serve, open beside it.
type desk struct {
	*app.Stores
	cfg config.Config
}

// atDesk runs a verb over the stores that the configuration names.
func (s *shell) atDesk(verb func(ctx context.Context, cmd *cobra.Command, d desk, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := s.config(cmd)
		if err != nil {
			return err
		}
		stores, err := app.OpenStores(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		return errors.Join(verb(cmd.Context(), cmd, desk{stores, cfg}, args), stores.Close())
	}
}

// operated starts the event of what an operator does.
func operated(kind audit.Kind) audit.Event { return audit.New(kind, systemUser()) }

// systemUser is the operator who runs this, by the name or else the number that the
// system knows them by.
func systemUser() audit.Actor {
	u, err := user.Current()
	if err != nil { // a container may run under a number that nobody has
		return audit.ByOperator(strconv.Itoa(os.Getuid()))
	}
	return audit.ByOperator(u.Username)
}
