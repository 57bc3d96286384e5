package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/app"
)

func (s *shell) newRestore() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "make a data directory from a backup",
		Long: `Make the data directory from a file of "mintmark backup", in a directory that is new or empty.
The command checks the database, its schema and that the root secret opens the signing keys
before anything is there, then prints what to do about revocations and keys before serve
starts. Restore only your own backups. FILE - is standard input.`,
		Example: `  mintmark restore mintmark.tar
  mintmark restore mintmark.tar --data-dir restored`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := s.config(cmd)
			if err != nil {
				return err
			}
			file := io.NopCloser(s.stdin)
			if args[0] != standard {
				if file, err = os.Open(args[0]); err != nil {
					return usagef("restore: %v", err)
				}
			}
			defer file.Close() // it was only read
			restored, err := app.Restore(cmd.Context(), cfg, file)
			if err != nil {
				return fmt.Errorf("restore %s: %w", args[0], err)
			}
			return s.answerRestored(cfg.DataDir, restored)
		},
	}
}

// stepsAfterRestore are those of the runbook, in its words.
func stepsAfterRestore() []string {
	return []string{
		"A key that was revoked after the backup is back: revoke it again, with `mintmark keys revoke KID --why \"the backup brought it back\"`",
		"Keys made after the backup are gone, and verifiers refuse the tokens that they signed until clients refresh.",
		"Wait for one lifetime of access tokens (`MINTMARK_ACCESS_TOKEN_TTL`, 5 minutes by default) since the last replica stopped",
		"Sessions that began after the backup are gone: their users log in again.",
		"Sessions that were revoked after the backup are back. End those of the affected users: `mintmark sessions revoke --user NAME`, or set new passwords.",
	}
}

func (s *shell) answerRestored(dir string, restored app.Restored) error {
	answer := restoredAnswer{dir, restored.Issuer, restored.Secret, restored.Notes, stepsAfterRestore()}
	if s.output == formatJSON {
		return s.answerJSON(answer)
	}
	fmt.Fprintln(s.stdout, clean(fmt.Sprintf("%s is restored, issuer %s", dir, restored.Issuer)))
	for _, note := range restored.Notes {
		fmt.Fprintln(s.stdout, clean("see to this: "+note))
	}
	fmt.Fprintln(s.stdout, "\nBefore you start serve (*A restored backup* in deploy/runbook.md):")
	for i, step := range answer.Steps {
		fmt.Fprintf(s.stdout, "%d. %s\n", i+1, step)
	}
	return nil
}

type restoredAnswer struct {
	DataDir    string   `json:"data_dir"`
	Issuer     string   `json:"issuer"`
	RootSecret bool     `json:"root_secret"`
	Notes      []string `json:"notes,omitempty"`
	Steps      []string `json:"steps"`
}
