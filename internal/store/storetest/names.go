package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// create adds a user, or says why not.
func create(ctx context.Context, store Durable, name, email string) error {
	u := user.User{ID: newID(), Username: name, Email: email, PasswordHash: "hash"}
	return drop(store.CreateUser(ctx, u, about(audit.UserRegistered, u.ID)))
}

func lookalikesAreOneUser(t *testing.T, store Durable) {
	createUser(t, store, "Mike")
	createUser(t, store, "apple")
	for _, name := range []string{"rnike", "m1ke", "аррӏе" /* Cyrillic */, "app1e"} {
		wantError(t, name, create(t.Context(), store, name, "other@example.com"), user.ErrUsernameTaken)
	}
	if page, err := store.UsersWithoutSkeleton(t.Context(), user.Page{Limit: 10}); err != nil || len(page) > 0 {
		t.Errorf("without a skeleton: %v, %v", page, err)
	}
	mike, err := store.UserBySkeleton(t.Context(), user.Skeleton("rnike"))
	if err != nil || mike.Username != "Mike" {
		t.Errorf("who looks like rnike: %q, %v", mike.Username, err)
	}
	if err := store.DeleteUser(t.Context(), mike.ID, about(audit.UserDeleted, mike.ID)); err != nil {
		t.Fatal(err)
	}
	createUser(t, store, "rnike") // nobody looks so any more
}

// namesAndAddressesAreOneSpace: whoever logs in with a word is one user, and the same whether
// the word is their name or their address.
func namesAndAddressesAreOneSpace(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	carol := user.User{ID: newID(), Username: "carol@example.com", Email: "Carol@example.com", PasswordHash: "hash"}
	carol, err := store.CreateUser(t.Context(), carol, about(audit.UserCreated, carol.ID)) // the own address may be the name
	if err != nil {
		t.Fatal(err)
	}
	dave := user.User{ID: newID(), Username: "dave@old.example", Email: "dave@new.example", PasswordHash: "hash"} // after a change of address
	if dave, err = store.CreateUser(t.Context(), dave, about(audit.UserCreated, dave.ID)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, email string
		want        error
	}{
		{"alice@example.com", "new@example.com", user.ErrUsernameTaken},
		{"ALICE@Example.com", "new@example.com", user.ErrUsernameTaken},
		{"dave@new.example", "new@example.com", user.ErrUsernameTaken},
		{"new", "Dave@OLD.example", user.ErrEmailTaken},
		{"new", "carol@example.com", user.ErrEmailTaken},
	} {
		wantError(t, c.name+" "+c.email, create(t.Context(), store, c.name, c.email), c.want)
	}
	for typed, want := range map[string]user.User{
		"alice": alice, "ALICE": alice, "alice@example.com": alice, "Alice@EXAMPLE.com": alice, "carol@example.com": carol, "CAROL@example.com": carol,
		"dave@old.example": dave, "dave@new.example": dave,
	} {
		got, err := store.UserByLogin(t.Context(), user.ParseLogin(typed))
		if diff := cmp.Diff(got, want); diff != "" || err != nil {
			t.Errorf("%s: %v (-got +want):\n%s", typed, err, diff)
		}
	}
	for _, typed := range []string{"", "carol", "example.com", "ali+ce@example.com", "a.lice@example.com", "alice@example.co", "alice\x00", "%", "new"} {
		wantError(t, fmt.Sprintf("log in %q", typed), drop(store.UserByLogin(t.Context(), user.ParseLogin(typed))), user.ErrNotFound)
	}
}

// oneOfManyTakesALogin: half of them want it as their name, the others as their address.
func oneOfManyTakesALogin(t *testing.T, store Durable) {
	const login = "alice@example.com"
	wantOne(t, contend(t, func(ctx context.Context, i int) error {
		if i%2 == 0 {
			return create(ctx, store, login, fmt.Sprintf("u%d@example.com", i))
		}
		return create(ctx, store, fmt.Sprintf("u%d", i), login)
	}))
}

func oneOfManyTakesALook(t *testing.T, store Durable) {
	looks := []string{"modern", "modem", "rnodern", "m0dern"}
	wantOne(t, contend(t, func(ctx context.Context, i int) error {
		return create(ctx, store, looks[i%len(looks)], fmt.Sprintf("u%d@example.com", i))
	}))
}

// wantOne wants one contender to have won, and all others to have found it taken.
func wantOne(t *testing.T, outcomes []error) {
	t.Helper()
	won := 0
	for i, err := range outcomes {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, user.ErrUsernameTaken) && !errors.Is(err, user.ErrEmailTaken):
			t.Errorf("contender %d: %v", i, err)
		}
	}
	if won != 1 {
		t.Errorf("%d contenders won, want 1", won)
	}
}

// forget makes a user such as earlier versions left behind, and still do while they run.
func forget(ctx context.Context, store Durable, u user.User) error {
	u.Skeleton = ""
	return store.SetSkeleton(ctx, u)
}

// createEarlier adds a user as an earlier version does.
func createEarlier(t *testing.T, store Durable, name string) user.User {
	t.Helper()
	u := createUser(t, store, name)
	wantError(t, "forget "+name, forget(t.Context(), store, u), nil)
	return findUser(t, store, u.ID)
}

// skeletonsAreFilledIn, also those that came while others were filled in; of two names that
// look alike one keeps none, and both find their users.
func skeletonsAreFilledIn(t *testing.T, store Durable) {
	first, second := createEarlier(t, store, "modern"), createUser(t, store, "modem")
	gone := createEarlier(t, store, "gone")
	if err := store.DeleteUser(t.Context(), gone.ID, about(audit.UserDeleted, gone.ID)); err != nil {
		t.Fatal(err)
	}
	many := []user.User{first}
	for i := range 105 { // more than are read at once
		many = append(many, createEarlier(t, store, fmt.Sprintf("user-%d", i)))
	}
	wantWithoutSkeleton(t, store, many...)
	page, err := store.UsersWithoutSkeleton(t.Context(), user.Page{After: first.ID, Limit: 3})
	if diff := cmp.Diff(page, many[1:4]); diff != "" || err != nil {
		t.Errorf("a page (-got +want): %v\n%s", err, diff)
	}
	filler := user.NewFiller(store)
	for range 2 { // the second pass finds nothing new
		wantFilled(t, filler, 1)
		wantWithoutSkeleton(t, store, first)
	}
	if got, want := findUser(t, store, many[7].ID).Skeleton, user.Skeleton(many[7].Username); got != want {
		t.Errorf("the skeleton of %s is %q, want %q", many[7].Username, got, want)
	}
	for _, u := range []user.User{first, second} {
		if got, err := store.UserByLogin(t.Context(), user.ParseLogin(u.Username)); err != nil || got.ID != u.ID {
			t.Errorf("%s logs in as %q, %v", u.Username, got.Username, err)
		}
	}
	if err := store.DeleteUser(t.Context(), second.ID, about(audit.UserDeleted, second.ID)); err != nil {
		t.Fatal(err)
	}
	wantFilled(t, user.NewFiller(store), 0) // the other rests
	wantWithoutSkeleton(t, store)
}

func wantFilled(t *testing.T, filler *user.Filler, alike int) {
	t.Helper()
	if got, ended, err := filler.Fill(t.Context()); got != alike || !ended || err != nil {
		t.Errorf("filled: %d alike, %t, %v; want %d at the end of a pass", got, ended, err, alike)
	}
}

// onlyTheNamesSkeletonIsSet: a name that was changed since it was read keeps what it has.
func onlyTheNamesSkeletonIsSet(t *testing.T, store Durable) {
	alice, bob := createUser(t, store, "alice"), createUser(t, store, "bob")
	for what, c := range map[string]struct {
		u    user.User
		want error
	}{
		"a name of before": {user.User{ID: alice.ID, Username: "another", Skeleton: "another"}, nil},
		"a stranger":       {user.User{ID: newID(), Username: "alice", Skeleton: "another"}, nil},
		"no id":            {user.User{ID: "alice", Username: "alice", Skeleton: "another"}, nil},
		"another's":        {user.User{ID: alice.ID, Username: "alice", Skeleton: bob.Skeleton}, user.ErrUsernameTaken},
		"the same":         {alice, nil},
	} {
		wantError(t, what, store.SetSkeleton(t.Context(), c.u), c.want)
	}
	if diff := cmp.Diff(findUser(t, store, alice.ID), alice); diff != "" {
		t.Errorf("alice (-got +want):\n%s", diff)
	}
	wantError(t, "who looks so", drop(store.UserBySkeleton(t.Context(), "another")), user.ErrNotFound)
	for _, nothing := range []string{"", "a\x00", "\xff"} {
		wantError(t, fmt.Sprintf("who looks like %q", nothing), drop(store.UserBySkeleton(t.Context(), nothing)), user.ErrNotFound)
	}
}

func wantWithoutSkeleton(t *testing.T, store Durable, want ...user.User) {
	t.Helper()
	got, err := store.UsersWithoutSkeleton(t.Context(), user.Page{Limit: 1000})
	if diff := cmp.Diff(got, want, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("without a skeleton: %v (-got +want):\n%s", err, diff)
	}
}
