package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func (s *shell) newExplain() *cobra.Command {
	return &cobra.Command{
		Use: "explain TOKEN|SID|REQUEST-ID", Short: "tell why a refresh was refused, from the audit trail",
		Long: `Tell the story of a session: who presented which refresh token, when, from where, and what
it was worth. Of a refresh token it also tells whether it is ours, and what would become of
it now; of a request, what it caused. Nothing is changed by asking.

A token is a secret: give - to read it from standard input, or @FILE.`,
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
