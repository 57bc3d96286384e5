package operator_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/user"
)

func TestAUserIsFoundByIDNameOrAddressInAnySpelling(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada, gone := b.user(t, "Ada"), b.user(t, "gone")
	if err := b.DeleteUser(t.Context(), grace(), gone.ID); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]string{
		ada.ID: ada.ID, "urn:uuid:" + ada.ID: ada.ID, "Ada": ada.ID, "ADA": ada.ID, "ada@example.com": ada.ID, "ADA@Example.com": ada.ID, gone.ID: gone.ID,
	} {
		if u, err := b.FindUser(t.Context(), word); err != nil || u.ID != want {
			t.Errorf("%s: found %s, %v; want %s", word, u.ID, err, want)
		}
	}
	for _, word := range []string{"", "nobody", "gone", "gone@example.com", "nobody@example.com", unknown, "two words"} {
		_, err := b.FindUser(t.Context(), word)
		wantError(t, word, err, user.ErrNotFound)
	}
}

// TestAWordThatNamesTwoUsersFindsNeither: the database refuses such a name, but may hold one
// from before it did.
func TestAWordThatNamesTwoUsersFindsNeither(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada := b.user(t, "ada")
	stranger := b.user(t, "stranger")
	b.execute(t, `DROP TRIGGER users_keep_changed_logins_apart`)
	b.execute(t, `UPDATE users SET username = 'ada@example.com', username_canonical = 'ada@example.com' WHERE username = 'stranger'`)
	_, err := b.FindUser(t.Context(), "ADA@example.com")
	if got, ok := errors.AsType[*operator.AmbiguousUser](err); !ok || got.ByName != stranger.ID || got.ByEmail != ada.ID {
		t.Errorf("%v, want one that names both users", err)
	}
	for word, want := range map[string]string{"ada": ada.ID, ada.ID: ada.ID, stranger.ID: stranger.ID, "stranger@example.com": stranger.ID} {
		if u, err := b.FindUser(t.Context(), word); err != nil || u.ID != want {
			t.Errorf("%s: found %s, %v; want %s", word, u.ID, err, want)
		}
	}
}

// TestAWordThatReadsAsAnIDFindsNobodyByName: users of earlier versions may have such a name,
// one that was chosen so that operators act on another user, for example.
func TestAWordThatReadsAsAnIDFindsNobodyByName(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada, bare := b.user(t, "ada"), strings.ReplaceAll(unknown, "-", "")
	called := func(name, email string) user.User {
		u := user.User{ID: uuid.Must(uuid.NewV7()).String(), Username: name, Email: email, PasswordHash: ada.PasswordHash}
		u, err := b.store.CreateUser(t.Context(), u, audit.New(audit.UserRegistered, audit.ByUser(u.ID)))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	mallory, eve := called(ada.ID, "mallory@example.com"), called(bare, "eve@example.com")
	edges := called("x"+ada.ID+"y", "edges@example.com") // which uuid.Parse takes for Ada's id
	grouped := called("("+unknown+")", "grouped@example.com")
	for word, want := range map[string]operator.AmbiguousUser{
		ada.ID:                  {ByID: ada.ID, ByName: mallory.ID},
		strings.ToUpper(ada.ID): {ByID: ada.ID, ByName: mallory.ID},
		bare:                    {ByName: eve.ID}, // whoever wrote it may mean a user of another database
		grouped.Username:        {ByName: grouped.ID},
	} {
		_, err := b.FindUser(t.Context(), word)
		if got, ok := errors.AsType[*operator.AmbiguousUser](err); !ok || *got != want {
			t.Errorf("%s: %v, want %v", word, err, want)
		}
	}
	for word, want := range map[string]user.User{edges.Username: edges, mallory.ID: mallory, "mallory@example.com": mallory} {
		if got, err := b.FindUser(t.Context(), word); err != nil || got.ID != want.ID {
			t.Errorf("%s: found %s, %v; want %s", word, got.ID, err, want.ID)
		}
	}
	for word, want := range map[string]user.User{ada.ID: mallory, bare: eve, grouped.Username: grouped, "ada": ada} {
		if got, err := b.FindUserByName(t.Context(), word); err != nil || got.ID != want.ID {
			t.Errorf("the name %s: found %s, %v; want %s", word, got.ID, err, want.ID)
		}
	}
	if got, err := b.FindUserByID(t.Context(), ada.ID); err != nil || got.ID != ada.ID {
		t.Errorf("the id %s: found %s, %v", ada.ID, got.ID, err)
	}
	for _, word := range []string{bare, "ada", edges.Username} {
		_, err := b.FindUserByID(t.Context(), word)
		wantError(t, "the id "+word, err, user.ErrNotFound)
	}
}

// TestNamesThatLookAlikeAreListed with the user who had the name first: also where there are
// more than one reading gives.
func TestNamesThatLookAlikeAreListed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var alike []operator.Collision
	for _, names := range [][2]string{{"modern", "modem"}, {"bob", "b0b"}, {"Ivan", "lvan"}} {
		early := b.user(t, names[0])
		early.Skeleton = ""
		if err := b.store.SetSkeleton(t.Context(), early); err != nil {
			t.Fatal(err)
		}
		alike = append(alike, operator.Collision{User: early, Other: b.user(t, names[1])})
	}
	unseen := b.user(t, "unseen") // it has yet to be compared
	unseen.Skeleton = ""
	if err := b.store.SetSkeleton(t.Context(), unseen); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		page user.Page
		want []operator.Collision
	}{
		{user.Page{Limit: 50}, alike}, {user.Page{Limit: 2}, alike[:2]}, {user.Page{After: alike[1].ID, Limit: 2}, alike[2:]},
		{user.Page{After: alike[2].ID, Limit: 2}, nil},
	} {
		got, err := b.Collisions(t.Context(), c.page)
		if diff := cmp.Diff(got, c.want); diff != "" || err != nil {
			t.Errorf("%+v: %v (-got +want):\n%s", c.page, err, diff)
		}
	}
}

func TestUsersAreListedOldestFirstWithoutTheDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada, gone, bob := b.user(t, "ada"), b.user(t, "gone"), b.user(t, "bob")
	if err := b.DeleteUser(t.Context(), grace(), gone.ID); err != nil {
		t.Fatal(err)
	}
	users, err := b.ListUsers(t.Context(), user.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(users, []user.User{ada, bob}); diff != "" {
		t.Errorf("listed (-got +want):\n%s", diff)
	}
}

func TestAUserIsCreatedByTheRulesOfRegistration(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	u := b.user(t, "ada")
	b.wantEvent(t, audit.Event{Kind: audit.UserCreated, Actor: grace(), UserID: u.ID})
	weak := registration("bob")
	weak.Password = secret.NewString("short")
	_, err := b.CreateUser(t.Context(), grace(), weak)
	if invalid, ok := errors.AsType[*authority.InvalidRegistration](err); !ok || len(invalid.Problems) != 1 {
		t.Errorf("a short password: %v", err)
	}
	_, err = b.CreateUser(t.Context(), grace(), registration("ADA"))
	wantError(t, "the same name", err, user.ErrUsernameTaken)
}

// TestAChangeOfAUserEndsTheirSessionsAndNamesItsActor, whatever kind of actor that is.
func TestAChangeOfAUserEndsTheirSessionsAndNamesItsActor(t *testing.T) {
	t.Parallel()
	for kind, c := range map[audit.Kind]struct {
		change func(*operator.Operator, context.Context, audit.Actor, string) error
		by     audit.Actor
		state  operator.SessionState
		active bool
	}{
		audit.UserDisabled: {(*operator.Operator).DisableUser, grace(), operator.Revoked, false},
		audit.UserEnabled:  {(*operator.Operator).EnableUser, audit.ByClient("console"), operator.Live, true},
		audit.UserDeleted:  {(*operator.Operator).DeleteUser, audit.ByUser(unknown), operator.Revoked, false},
		audit.UserPasswordChanged: {func(o *operator.Operator, ctx context.Context, by audit.Actor, id string) error {
			return o.SetPassword(ctx, by, id, secret.NewString("slate kettle brass morning"))
		}, grace(), operator.Revoked, true},
		audit.UserSessionsEnded: {(*operator.Operator).EndSessions, audit.ByClient("console"), operator.Revoked, true},
	} {
		b := newBench(t)
		u := b.user(t, "ada")
		s, _ := b.login(t, u.ID)
		wantError(t, string(kind), c.change(b.Operator, t.Context(), c.by, u.ID), nil)
		b.wantEvent(t, audit.Event{Kind: kind, Actor: c.by, UserID: u.ID})
		b.wantState(t, s.ID, c.state)
		if u, err := b.FindUser(t.Context(), u.ID); err != nil || u.Active() != c.active {
			t.Errorf("%s: active %t, %v; want %t", kind, u.Active(), err, c.active)
		}

		wantError(t, string(kind)+" of nobody", c.change(b.Operator, t.Context(), c.by, unknown), user.ErrNotFound)
		if events, err := b.ListEvents(t.Context(), audit.Query{UserID: unknown, Limit: 1}); err != nil || len(events) > 0 {
			t.Errorf("%s of nobody leaves %+v, %v", kind, events, err)
		}
	}
}

func TestAPasswordIsSetByTheRules(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	u := b.user(t, "ada")
	s, _ := b.login(t, u.ID)
	err := b.SetPassword(t.Context(), grace(), u.ID, secret.NewString("ada@example.com"))
	if _, ok := errors.AsType[*authority.InvalidRegistration](err); !ok {
		t.Errorf("the address as password: %v", err)
	}
	b.wantState(t, s.ID, operator.Live)
	b.wantNone(t, audit.UserPasswordChanged)
}
