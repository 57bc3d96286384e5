package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
)

// standard is the argument that means standard input or output.
const standard = "-"

func (s *shell) newBackup() *cobra.Command {
	var withoutSecret bool
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "back up the data directory, also while serve uses it",
		Long: `Write a tar of the database, the issuer and the root secret into a new file that only you can
read. serve may go on meanwhile. Whoever has the file can sign tokens: keep it like the secret,
or give --without-secret and keep the secret elsewhere. FILE - is standard output.

This is for embedded mode. In production use pg_dump, and see deploy/runbook.md.`,
		Example: `  mintmark backup mintmark.tar
  mintmark backup --without-secret mintmark.tar
  mintmark backup - | age -r RECIPIENT > mintmark.tar.age`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := s.config(cmd)
			if err != nil {
				return err
			}
			how := app.Backup{WithoutSecret: withoutSecret, Tell: func(line string) { fmt.Fprintln(s.stderr, line) }}
			if args[0] != standard {
				size, err := how.ToFile(cmd.Context(), cfg, args[0])
				if err != nil {
					return fmt.Errorf("backup: %w", err)
				}
				s.sayWhatElse(withoutSecret)
				return s.done(backupAnswer{args[0], size, !withoutSecret}, "%s contains %s", args[0], contents(withoutSecret))
			}
			if _, ok := terminal(s.canvas); ok {
				return usagef("a backup is not for a terminal; redirect standard output, or name a file")
			}
			if err := how.ToStream(cmd.Context(), cfg, s.canvas); err != nil {
				return fmt.Errorf("backup: %w", err)
			}
			s.sayWhatElse(withoutSecret)
			return nil
		},
	}
	cmd.Flags().BoolVar(&withoutSecret, "without-secret", false, "leave the root secret out")
	return cmd
}

func contents(withoutSecret bool) string {
	if withoutSecret {
		return "the database and the issuer"
	}
	return "the database, the issuer and the root secret"
}

func (s *shell) sayWhatElse(withoutSecret bool) {
	if withoutSecret {
		fmt.Fprintln(s.stderr, "keep the root secret, too: the file root-secret of the data directory, or MINTMARK_ROOT_SECRET; without it the backup is useless")
	}
}

type backupAnswer struct {
	File       string `json:"file"`
	Bytes      int64  `json:"bytes"`
	RootSecret bool   `json:"root_secret"`
}
