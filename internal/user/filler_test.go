package user_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/user"
)

// slowUsers have no skeletons yet, and a store that takes its time for each.
type slowUsers struct {
	user.Store
	count, filled int
	write         func() // what takes the time
}

func (s *slowUsers) UsersWithoutSkeleton(_ context.Context, page user.Page) (users []user.User, _ error) {
	for i := s.filled; i < s.count && len(users) < page.Limit; i++ {
		users = append(users, user.User{ID: fmt.Sprintf("%08d", i), Username: fmt.Sprint("user", i)})
	}
	return users, nil
}

func (s *slowUsers) SetSkeleton(ctx context.Context, _ user.User) error {
	s.write()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.filled++
	return nil
}

// TestFillingEndsInTimeOnASlowStore, and goes on at the next call: a store that answers is no failure.
func TestFillingEndsInTimeOnASlowStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &slowUsers{count: 3000, write: func() { time.Sleep(5 * time.Millisecond) }}
		filler := user.NewFiller(store)
		for calls := 1; ; calls++ {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // as serve allows
			_, ended, err := filler.Fill(ctx)
			cancel()
			if err != nil || calls > 20 {
				t.Fatalf("call %d: %v, %d filled", calls, err, store.filled)
			}
			if ended {
				break
			}
		}
		if store.filled != store.count {
			t.Errorf("%d filled of %d", store.filled, store.count)
		}
	})
}
