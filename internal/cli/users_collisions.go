package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/user"
)

func (s *shell) listCollisions(ctx context.Context, cmd *cobra.Command, o operation, page page) error {
	found, err := o.Collisions(ctx, user.Page{After: page.after, Limit: page.limit})
	if err != nil {
		return err
	}
	if err := s.answerCollisions(found); err != nil || len(found) == 0 {
		return err
	}
	s.printNext(cmd.CommandPath()+" --collisions", page, len(found), found[len(found)-1].ID)
	return nil
}

func (s *shell) answerCollisions(found []operator.Collision) error {
	answer := make([]collisionAnswer, 0, len(found))
	t := table{head: []string{"ID", "NAME", "EMAIL", "STATE", "LOOKS LIKE", "WHOSE ID IS"}, empty: "no name looks like that of another user"}
	for _, c := range found {
		answer = append(answer, collisionAnswer{userJSON(c.User), c.Other.ID, c.Other.Username})
		t.rows = append(t.rows, []string{c.ID, c.Username, c.Email, userState(c.User), c.Other.Username, c.Other.ID})
	}
	return s.answer(answer, t)
}

type collisionAnswer struct {
	userAnswer
	OtherID       string `json:"looks_like_id"`
	OtherUsername string `json:"looks_like_username"`
}
