package cli

import "github.com/spf13/cobra"

func (s *shell) newCompletion() *cobra.Command {
	return &cobra.Command{
		Use: "completion SHELL", Short: "print the completion script of a shell",
		Long: `Print a script with which a shell completes commands and flags. SHELL is bash, zsh,
fish or powershell.`,
		Example: `  source <(mintmark completion bash)
  mintmark completion fish > ~/.config/fish/completions/mintmark.fish`,
		Args:      arguments("SHELL"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(s.stdout, true)
			case "zsh":
				return root.GenZshCompletion(s.stdout)
			case "fish":
				return root.GenFishCompletion(s.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(s.stdout)
			}
			return usagef("unknown shell %q; name bash, zsh, fish or powershell", args[0])
		},
	}
}
