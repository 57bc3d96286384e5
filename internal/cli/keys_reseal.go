package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (s *shell) newKeysReseal() *cobra.Command {
	return &cobra.Command{
		Use: "reseal", Short: "seal every private key with the first root secret",
		Long: `Seal with the first root secret every private key that another one sealed. The keys then
no longer need the other secret in MINTMARK_ROOT_SECRET (refresh tokens may still need it).
If the command was interrupted, run it again: it continues where it stopped.`,
		Example: `  mintmark keys reseal
  mintmark keys list`,
		Args: arguments(),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, _ []string) error {
			resealed, err := o.ResealKeys(ctx, o.by, func(done, all int) { fmt.Fprintf(s.stderr, "%d of %d keys\n", done, all) })
			if err != nil {
				return err
			}
			if resealed == 0 {
				return s.done(resealAnswer{Done: "reseal"}, "every private key is sealed with the first root secret already")
			}
			return s.done(resealAnswer{Done: "reseal", Resealed: resealed}, "%d private keys are now sealed with the first root secret", resealed)
		}),
	}
}

type resealAnswer struct {
	Done     string `json:"done"`
	Resealed int    `json:"resealed"`
}
