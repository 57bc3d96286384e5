package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func (s *shell) newExplain() *cobra.Command {
	return &cobra.Command{
		Use: "explain TOKEN|SID|REQUEST-ID", Short: "explain why a refresh was refused, from the audit trail",
		Long: `Print the history of a session: when and from where each refresh token was presented, and
the verdict. For a refresh token, also print whether this authority issued it and what a
refresh with it would do now; for a request, what it caused. The command changes nothing.

A token is a secret: pass - to read it from standard input, or @FILE.`,
		Example: `  mintmark explain 019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42
  mintmark explain - < token.txt
  mintmark explain @token.txt --output json`,
		Args: arguments("TOKEN|SID|REQUEST-ID"),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, args []string) error {
			word, err := s.secretArgument(ctx, args[0])
			if err != nil {
				return err
			}
			story, err := o.Explain(ctx, word)
			if err != nil {
				return err
			}
			return s.answerStory(story)
		}),
	}
}
