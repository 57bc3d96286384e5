package cli

import (
	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

func (s *shell) newSecret() *cobra.Command {
	return s.group("secret", "make a root secret",
		`The root secret seals the signing keys and authenticates refresh tokens. All replicas need the
same one. In embedded mode serve makes it by itself.`,
		`  mintmark secret new`,
		s.newSecretNew())
}

func (s *shell) newSecretNew() *cobra.Command {
	id := 1
	cmd := &cobra.Command{
		Use: "new", Short: "print a new root secret",
		Long: `Print a new root secret of 32 random bytes, as MINTMARK_ROOT_SECRET_FILE wants it. It is stored
nowhere: write it into a file that only serve and its operators can read, and keep a copy
where the backups are not. Without it nobody can open the signing keys.

To replace a root secret, make one with an id that none of yours has, and write it in front
of them, with a comma between.`,
		Example: `  (umask 077; mintmark secret new > root_secret)
  mintmark secret new --id 2`,
		Args: arguments(),
		RunE: func(*cobra.Command, []string) error {
			roots, err := secret.GenerateRoot(id)
			if err != nil {
				return usagef("--id: %v", err)
			}
			text := roots.Encode().Reveal()
			return s.answer(secretAnswer{text}, table{rows: [][]string{{text}}})
		},
	}
	cmd.Flags().IntVar(&id, "id", id, "the id, from 1 to 255")
	return cmd
}

type secretAnswer struct {
	RootSecret string `json:"root_secret"`
}
