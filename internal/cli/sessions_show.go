package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/operator"
)

func (s *shell) newSessionsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show SID", Short: "show a session",
		Long:    `Show one session, by id. explain prints its history.`,
		Example: `  mintmark sessions show 019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42`,
		Args:    arguments("SID"),
		RunE: s.operate(func(ctx context.Context, _ *cobra.Command, o operation, args []string) error {
			one, err := o.session(ctx, args[0])
			if err != nil {
				return err
			}
			return s.answerSession(one)
		}),
	}
}

func (s *shell) answerSession(one operator.Session) error {
	now := time.Now()
	ended := stampWithAge(one.RevokedAt, now)
	if ended != "" {
		ended += ": " + reasonMeans(one.RevokeReason)
	}
	return s.answer(sessionJSON(one), table{rows: [][]string{
		{"id", one.ID},
		{"user", one.Username + " (" + one.UserID + ")"},
		{"client", one.ClientID},
		{"state", string(one.State)},
		{"started", stampWithAge(one.CreatedAt, now)},
		{"last used", stampWithAge(one.LastSeenAt, now)},
		{"ends", stampWithAge(one.AbsoluteExpiry, now)},
		{"ended", ended},
		{"address", one.Address},
		{"user agent", one.UserAgent},
	}})
}
