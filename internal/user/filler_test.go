package user_test

import (
	"context"
	"fmt"
	"slices"
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

// collidingUsers have no skeletons, and get none as long as their names look like others'.
type collidingUsers struct {
	user.Store
	users []user.User
	alike map[string]bool // by name
	tries int
}

func (s *collidingUsers) UsersWithoutSkeleton(context.Context, user.Page) ([]user.User, error) {
	return slices.Clone(s.users), nil
}

func (s *collidingUsers) SetSkeleton(_ context.Context, u user.User) error {
	s.tries++
	if s.alike[u.Username] {
		return user.ErrUsernameTaken
	}
	s.users = slices.DeleteFunc(s.users, func(other user.User) bool { return other.ID == u.ID })
	return nil
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

// TestNamesThatStayAlikeAreTriedEveryTenMinutes calls the filler every five seconds, as serve does.
func TestNamesThatStayAlikeAreTriedEveryTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rnike, apple := user.User{ID: "1", Username: "rnike"}, user.User{ID: "2", Username: "appIe"}
		store := &collidingUsers{users: []user.User{rnike, apple}, alike: map[string]bool{"rnike": true}}
		filler := user.NewFiller(store)
		during := func(d time.Duration) {
			t.Helper()
			for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(5 * time.Second) {
				if _, _, err := filler.Fill(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		during(time.Hour)
		if store.tries < 3 || store.tries > 10 || len(store.users) != 1 {
			t.Errorf("%d tries in an hour, and %d users without a skeleton; want about 7, and one", store.tries, len(store.users))
		}
		store.alike["rnike"] = false // the other user has gone
		during(10*time.Minute + 5*time.Second)
		if len(store.users) != 0 {
			t.Error("a name that looks like no other any more still has no skeleton")
		}
		store.users = []user.User{{ID: "3", Username: "bob"}} // the previous binary created it
		during(5 * time.Second)
		if len(store.users) != 0 {
			t.Error("a new name waits although none is tried in vain")
		}
	})
}
