package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Users is the contract of [user.Store].
func Users(t *testing.T, open OpenDurable) {
	keep(t, open, map[string]durableRule{
		"ACreatedUserComesBack":                 createdUserComesBack,
		"NameAndAddressAreUniqueInAnySpelling":  spellingsAreOneUser,
		"NamesThatLookAlikeAreOne":              lookalikesAreOneUser,
		"NamesAndAddressesAreOneNameSpace":      namesAndAddressesAreOneSpace,
		"OneOfManyTakesALogin":                  oneOfManyTakesALogin,
		"SkeletonsAreFilledIn":                  skeletonsAreFilledIn,
		"OnlyTheNamesSkeletonIsSet":             onlyTheNamesSkeletonIsSet,
		"OneOfManyTakesALook":                   oneOfManyTakesALook,
		"ARefusedCreationLeavesNothing":         refusedCreationLeavesNothing,
		"UnknownUsersAreNotFound":               unknownUsersAreNotFound,
		"UsersAreListedInOrderOfCreation":       usersAreListedInOrder,
		"ABetterHashReplacesOnlyTheOldOne":      betterHashReplacesTheOld,
		"ANewPasswordEndsEverySession":          newPasswordEndsSessions,
		"TheBoundaryMovesOnEveryRevokeAll":      boundaryAlwaysMoves,
		"DisablingEndsSessionsAndEnablingNever": disablingEndsSessions,
		"ADeletedUserIsATombstone":              deletedUserIsATombstone,
		"OneOfManyTakesAName":                   oneOfManyTakesAName,
		"ManyChangesOfOneUserAllFinish":         manyChangesFinish,
		"ACancelledContextIsAnError":            cancelledUserCalls,
	})
}

func createdUserComesBack(t *testing.T, store Durable) {
	want := user.User{ID: newID(), Username: "Zoë", Email: "Zoe@Example.com", PasswordHash: "$argon2id$v=19$"}
	created, err := store.CreateUser(t.Context(), want, about(audit.UserRegistered, want.ID))
	if err != nil {
		t.Fatal(err)
	}
	wantDatabaseTime(t, "CreatedAt", created.CreatedAt)
	want.CreatedAt, want.SessionsValidAfter, want.Skeleton = created.CreatedAt, created.CreatedAt, user.Skeleton("Zoë")
	if diff := cmp.Diff(created, want); diff != "" {
		t.Errorf("created (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(findUser(t, store, want.ID), want); diff != "" {
		t.Errorf("by id (-got +want):\n%s", diff)
	}
	byName, err := store.UserByUsername(t.Context(), canonicalName(t, "ZOË"))
	if diff := cmp.Diff(byName, want); diff != "" || err != nil {
		t.Errorf("by name: %v (-got +want):\n%s", err, diff)
	}
	byEmail, err := store.UserByEmail(t.Context(), canonicalEmail(t, want.Email))
	if diff := cmp.Diff(byEmail, want); diff != "" || err != nil {
		t.Errorf("by address: %v (-got +want):\n%s", err, diff)
	}
	if !byName.Active() {
		t.Error("the new user is not active")
	}
	wantEvents(t, store, audit.Query{UserID: want.ID}, audit.UserRegistered)
}

func canonicalEmail(tb testing.TB, address string) string {
	tb.Helper()
	canonical, err := user.CanonicalEmail(address)
	if err != nil {
		tb.Fatal(err)
	}
	return canonical
}

func canonicalName(tb testing.TB, name string) string {
	tb.Helper()
	canonical, err := user.CanonicalUsername(name)
	if err != nil {
		tb.Fatal(err)
	}
	return canonical
}

func spellingsAreOneUser(t *testing.T, store Durable) {
	createUser(t, store, "alice")
	createUser(t, store, "bob")
	for _, c := range []struct {
		username, email string
		want            error
	}{
		{"alice", "new@example.com", user.ErrUsernameTaken},
		{"ALICE", "new@example.com", user.ErrUsernameTaken},
		{"ａlice", "new@example.com", user.ErrUsernameTaken}, // full width
		{"new", "alice@example.com", user.ErrEmailTaken},
		{"new", "Alice@EXAMPLE.com", user.ErrEmailTaken},
		{"alice", "alice@example.com", user.ErrUsernameTaken},
		{"Alice", "bob@example.com", user.ErrUsernameTaken}, // the name is told first
		{"Bob", "alice@example.com", user.ErrUsernameTaken},
	} {
		u := user.User{ID: newID(), Username: c.username, Email: c.email, PasswordHash: "hash"}
		err := drop(store.CreateUser(t.Context(), u, about(audit.UserCreated, u.ID)))
		wantError(t, c.username+" "+c.email, err, c.want)
	}
}

func refusedCreationLeavesNothing(t *testing.T, store Durable) {
	createUser(t, store, "alice")
	for _, u := range []user.User{
		{ID: newID(), Username: "alice", Email: "other@example.com", PasswordHash: "hash"},
		{ID: newID(), Username: "other", Email: "alice@example.com", PasswordHash: "hash"},
		{ID: newID(), Username: "nul\x00", Email: "other@example.com", PasswordHash: "hash"},
		{ID: newID(), Username: "other", Email: "no address", PasswordHash: "hash"},
	} {
		if _, err := store.CreateUser(t.Context(), u, about(audit.UserCreated, u.ID)); err == nil {
			t.Errorf("%q %q was created", u.Username, u.Email)
		}
		wantError(t, "find the refused", drop(store.UserByID(t.Context(), u.ID)), user.ErrNotFound)
		wantEvents(t, store, audit.Query{UserID: u.ID})
	}
	createUser(t, store, "other")
}

func unknownUsersAreNotFound(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	for _, name := range []string{"", "bob", "Alice", "alice\x00", "\xff", "al_ce", "%"} { // Alice is not canonical
		wantError(t, fmt.Sprintf("name %q", name), drop(store.UserByUsername(t.Context(), name)), user.ErrNotFound)
	}
	for _, address := range []string{"", "alice", "bob@example.com", "Alice@example.com", "alice@example.com\x00", "\xff", "%"} { // Alice@ is not canonical
		wantError(t, fmt.Sprintf("address %q", address), drop(store.UserByEmail(t.Context(), address)), user.ErrNotFound)
	}
	for _, id := range append(notIDs, unknownID, strings.ToUpper(alice.ID)) {
		event := func() audit.Event { return about(audit.UserDisabled, unknownID) }
		for doing, err := range map[string]error{
			"find":         drop(store.UserByID(t.Context(), id)),
			"set password": store.SetPassword(t.Context(), id, "hash", event()),
			"disable":      store.DisableUser(t.Context(), id, event()),
			"enable":       store.EnableUser(t.Context(), id, event()),
			"delete":       store.DeleteUser(t.Context(), id, event()),
		} {
			wantError(t, fmt.Sprintf("%s %q", doing, id), err, user.ErrNotFound)
		}
		wantError(t, "replace hash", store.ReplaceHash(t.Context(), id, "old", "better"), nil)
	}
	wantEvents(t, store, audit.Query{UserID: unknownID})
}

func usersAreListedInOrder(t *testing.T, store Durable) {
	var want []user.User
	for i := range 7 {
		want = append(want, createUser(t, store, fmt.Sprint("user", 9-i)))
	}
	if err := store.DeleteUser(t.Context(), want[2].ID, about(audit.UserDeleted, want[2].ID)); err != nil {
		t.Fatal(err)
	}
	if err := store.DisableUser(t.Context(), want[4].ID, about(audit.UserDisabled, want[4].ID)); err != nil {
		t.Fatal(err)
	}
	want[4] = findUser(t, store, want[4].ID)
	want = append(want[:2], want[3:]...)
	for _, limit := range []int{1, 2, 6, 1000} {
		var got []user.User
		for after := ""; ; after = got[len(got)-1].ID {
			page, err := store.Users(t.Context(), user.Page{After: after, Limit: limit})
			if err != nil || len(page) > limit {
				t.Fatalf("page of %d: %d users, %v", limit, len(page), err)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("pages of %d (-got +want):\n%s", limit, diff)
		}
	}
	for _, id := range notIDs[1:] {
		if page, err := store.Users(t.Context(), user.Page{After: id, Limit: 9}); err != nil || len(page) > 0 {
			t.Errorf("after %q: %d users, %v, want none", id, len(page), err)
		}
	}
}

func betterHashReplacesTheOld(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	s := startSession(t, store, alice.ID)
	for _, c := range []struct{ old, better, want string }{
		{"another hash", "better", alice.PasswordHash},
		{alice.PasswordHash, "better", "better"},
		{alice.PasswordHash, "late", "better"},
	} {
		if err := store.ReplaceHash(t.Context(), alice.ID, c.old, c.better); err != nil {
			t.Fatal(err)
		}
		got := findUser(t, store, alice.ID)
		if got.PasswordHash != c.want || !got.SessionsValidAfter.Equal(alice.SessionsValidAfter) {
			t.Errorf("after replacing %q: %+v, want hash %q and sessions as before", c.old, got, c.want)
		}
	}
	if got := findSession(t, store, s.ID); !got.RevokedAt.IsZero() {
		t.Error("a better hash ended a session")
	}
}

func newPasswordEndsSessions(t *testing.T, store Durable) {
	alice, bob := createUser(t, store, "alice"), createUser(t, store, "bob")
	mine, more, other := startSession(t, store, alice.ID), startSession(t, store, alice.ID), startSession(t, store, bob.ID)
	if err := drop(store.RevokeSession(t.Context(), more.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, more.ID))); err != nil {
		t.Fatal(err)
	}
	if err := store.SetPassword(t.Context(), alice.ID, "new hash", about(audit.UserPasswordChanged, alice.ID)); err != nil {
		t.Fatal(err)
	}
	if got := findUser(t, store, alice.ID); got.PasswordHash != "new hash" || !got.SessionsValidAfter.After(alice.SessionsValidAfter) {
		t.Errorf("user after: %+v", got)
	}
	wantEnded(t, store, mine, session.ReasonPassword)
	wantEnded(t, store, more, session.ReasonLogout)
	wantLive(t, store, other)
	wantLive(t, store, startSession(t, store, alice.ID))
	wantEvents(t, store, audit.Query{UserID: alice.ID}, audit.UserCreated, audit.UserPasswordChanged)
}

func wantEnded(tb testing.TB, store Durable, s session.Session, reason string) {
	tb.Helper()
	standing, err := store.StandingByFamily(tb.Context(), s.Family)
	if err != nil {
		tb.Fatal(err)
	}
	if !standing.Ended() || standing.RevokedAt.IsZero() || standing.RevokeReason != reason {
		tb.Errorf("session is %+v, want revoked for %s", standing, reason)
	}
	wantDatabaseTime(tb, "RevokedAt", standing.RevokedAt)
}

func wantLive(tb testing.TB, store Durable, s session.Session) {
	tb.Helper()
	standing, err := store.StandingByFamily(tb.Context(), s.Family)
	if err != nil {
		tb.Fatal(err)
	}
	if standing.Ended() || standing.RevokeReason != "" {
		tb.Errorf("session is %+v, want live", standing)
	}
}

func boundaryAlwaysMoves(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	last := alice.SessionsValidAfter
	for i := range 20 {
		if err := store.SetPassword(t.Context(), alice.ID, fmt.Sprint(i), about(audit.UserPasswordChanged, alice.ID)); err != nil {
			t.Fatal(err)
		}
		s := startSession(t, store, alice.ID)
		valid := findUser(t, store, alice.ID).SessionsValidAfter
		if !valid.After(last) || s.CreatedAt.Before(valid) {
			t.Errorf("boundary went from %s to %s, session began %s", last, valid, s.CreatedAt)
		}
		last = valid
	}
}

func disablingEndsSessions(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	s := startSession(t, store, alice.ID)
	disable := func() user.User {
		if err := store.DisableUser(t.Context(), alice.ID, about(audit.UserDisabled, alice.ID)); err != nil {
			t.Fatal(err)
		}
		return findUser(t, store, alice.ID)
	}
	disabled := disable()
	wantDatabaseTime(t, "DisabledAt", disabled.DisabledAt)
	if disabled.Active() || !disabled.SessionsValidAfter.After(alice.SessionsValidAfter) {
		t.Errorf("user after: %+v", disabled)
	}
	if again := disable(); !again.DisabledAt.Equal(disabled.DisabledAt) {
		t.Errorf("disabled at %s, then at %s", disabled.DisabledAt, again.DisabledAt)
	}
	if err := store.EnableUser(t.Context(), alice.ID, about(audit.UserEnabled, alice.ID)); err != nil {
		t.Fatal(err)
	}
	if got := findUser(t, store, alice.ID); !got.Active() {
		t.Errorf("user after enabling: %+v", got)
	}
	wantEnded(t, store, s, session.ReasonUser)
	wantLive(t, store, startSession(t, store, alice.ID))
	wantEvents(t, store, audit.Query{UserID: alice.ID}, audit.UserCreated, audit.UserDisabled, audit.UserDisabled, audit.UserEnabled)
}

func deletedUserIsATombstone(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	s := startSession(t, store, alice.ID)
	if err := store.DeleteUser(t.Context(), alice.ID, about(audit.UserDeleted, alice.ID)); err != nil {
		t.Fatal(err)
	}
	got := findUser(t, store, alice.ID)
	wantDatabaseTime(t, "DeletedAt", got.DeletedAt)
	want := user.User{ID: alice.ID, CreatedAt: alice.CreatedAt, DeletedAt: got.DeletedAt, SessionsValidAfter: got.SessionsValidAfter}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("tombstone (-got +want):\n%s", diff)
	}
	wantEnded(t, store, s, session.ReasonUser)
	event := func() audit.Event { return about(audit.UserDeleted, alice.ID) }
	for doing, err := range map[string]error{
		"find by name":   drop(store.UserByUsername(t.Context(), "alice")),
		"find by mail":   drop(store.UserByEmail(t.Context(), canonicalEmail(t, alice.Email))),
		"log in":         drop(store.UserByLogin(t.Context(), user.ParseLogin("alice"))),
		"log in by mail": drop(store.UserByLogin(t.Context(), user.ParseLogin(alice.Email))),
		"find by look":   drop(store.UserBySkeleton(t.Context(), user.Skeleton("alice"))),
		"set password":   store.SetPassword(t.Context(), alice.ID, "hash", event()),
		"disable":        store.DisableUser(t.Context(), alice.ID, event()),
		"enable":         store.EnableUser(t.Context(), alice.ID, event()),
		"delete":         store.DeleteUser(t.Context(), alice.ID, event()),
	} {
		wantError(t, doing, err, user.ErrNotFound)
	}
	wantEvents(t, store, audit.Query{UserID: alice.ID}, audit.UserCreated, audit.UserDeleted)
	second := createUser(t, store, "alice") // name and address are free again
	if err := store.DeleteUser(t.Context(), second.ID, event()); err != nil {
		t.Errorf("a second tombstone: %v", err)
	}
}

func oneOfManyTakesAName(t *testing.T, store Durable) {
	spellings := []string{"alice", "Alice", "ALICE", "aLiCe"}
	won := 0
	for i, err := range contend(t, func(ctx context.Context, i int) error {
		u := user.User{ID: newID(), Username: spellings[i%4], Email: fmt.Sprintf("u%d@example.com", i), PasswordHash: "hash"}
		return drop(store.CreateUser(ctx, u, about(audit.UserRegistered, u.ID)))
	}) {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, user.ErrUsernameTaken):
			t.Errorf("contender %d: %v", i, err)
		}
	}
	if won != 1 {
		t.Errorf("%d contenders won, want 1", won)
	}
	wantEvents(t, store, audit.Query{}, audit.UserRegistered)
}

func manyChangesFinish(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	s := startSession(t, store, alice.ID)
	wantNoErrors(t, contend(t, func(ctx context.Context, i int) error {
		switch i % 4 {
		case 0:
			return store.SetPassword(ctx, alice.ID, fmt.Sprint(i), about(audit.UserPasswordChanged, alice.ID))
		case 1:
			return store.DisableUser(ctx, alice.ID, about(audit.UserDisabled, alice.ID))
		case 2:
			return store.EnableUser(ctx, alice.ID, about(audit.UserEnabled, alice.ID))
		default:
			return store.ReplaceHash(ctx, alice.ID, fmt.Sprint(i-3), "better")
		}
	}))
	standing, err := store.StandingByFamily(t.Context(), s.Family)
	if err != nil || !standing.Ended() {
		t.Errorf("session %+v, %v, want ended", standing, err)
	}
}

func cancelledUserCalls(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	u := user.User{ID: newID(), Username: "bob", Email: "bob@example.com", PasswordHash: "hash"}
	wantCancelled(t, map[string]func(context.Context) error{
		"CreateUser":     func(ctx context.Context) error { return drop(store.CreateUser(ctx, u, about("x", u.ID))) },
		"UserByUsername": func(ctx context.Context) error { return drop(store.UserByUsername(ctx, "alice")) },
		"UserByLogin":    func(ctx context.Context) error { return drop(store.UserByLogin(ctx, user.ParseLogin("alice"))) },
		"UserBySkeleton": func(ctx context.Context) error { return drop(store.UserBySkeleton(ctx, user.Skeleton("alice"))) },
		"SetSkeleton": func(ctx context.Context) error {
			return store.SetSkeleton(ctx, user.User{ID: alice.ID, Username: alice.Username})
		},
		"UsersWithoutSkeleton": func(ctx context.Context) error { return drop(store.UsersWithoutSkeleton(ctx, user.Page{Limit: 1})) },
		"UserByEmail":          func(ctx context.Context) error { return drop(store.UserByEmail(ctx, "alice@example.com")) },
		"UserByID":             func(ctx context.Context) error { return drop(store.UserByID(ctx, alice.ID)) },
		"Users":                func(ctx context.Context) error { return drop(store.Users(ctx, user.Page{Limit: 1})) },
		"ReplaceHash":          func(ctx context.Context) error { return store.ReplaceHash(ctx, alice.ID, alice.PasswordHash, "x") },
		"SetPassword":          func(ctx context.Context) error { return store.SetPassword(ctx, alice.ID, "x", about("x", alice.ID)) },
		"DisableUser":          func(ctx context.Context) error { return store.DisableUser(ctx, alice.ID, about("x", alice.ID)) },
		"EnableUser":           func(ctx context.Context) error { return store.EnableUser(ctx, alice.ID, about("x", alice.ID)) },
		"DeleteUser":           func(ctx context.Context) error { return store.DeleteUser(ctx, alice.ID, about("x", alice.ID)) },
	})
	if diff := cmp.Diff(findUser(t, store, alice.ID), alice); diff != "" {
		t.Errorf("user after (-got +want):\n%s", diff)
	}
}
