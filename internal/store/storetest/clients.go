package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// Clients is the contract of [client.Store].
func Clients(t *testing.T, open OpenDurable) {
	keep(t, open, map[string]durableRule{
		"FirstPartyIsAlwaysThere":                 firstPartyIsThere,
		"DisablingEndsSessionsAndEnablingNever":   disablingClientEndsSessions,
		"UnknownClientsAreNotFound":               unknownClientsAreNotFound,
		"NoSessionSurvivesARaceWithDisableClient": noSessionSurvivesDisableClient,
		"ACancelledContextIsAnError":              cancelledClientCalls,
	})
}

func firstParty(tb testing.TB, store Durable) client.Client {
	tb.Helper()
	clients, err := store.Clients(tb.Context())
	if err != nil || len(clients) != 1 {
		tb.Fatalf("clients: %+v, %v, want one", clients, err)
	}
	return clients[0]
}

func firstPartyIsThere(t *testing.T, store Durable) {
	got := firstParty(t, store)
	wantDatabaseTime(t, "CreatedAt", got.CreatedAt)
	want := client.Client{
		ID: client.FirstParty, Name: "First-party applications", Kind: client.Public,
		GrantTypes: []string{"refresh_token"}, Rotation: client.RotateAlways, CreatedAt: got.CreatedAt,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("client (-got +want):\n%s", diff)
	}
	found, err := store.ClientByID(t.Context(), client.FirstParty)
	if diff := cmp.Diff(found, want); diff != "" || err != nil {
		t.Errorf("found by id: %v (-got +want):\n%s", err, diff)
	}
}

func clientEvent(kind audit.Kind) audit.Event {
	event := audit.New(kind, audit.ByOperator("root"))
	event.ClientID = client.FirstParty
	return event
}

func disablingClientEndsSessions(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	s := startSession(t, store, alice.ID)
	disable := func() client.Client {
		if err := store.DisableClient(t.Context(), client.FirstParty, clientEvent(audit.ClientDisabled)); err != nil {
			t.Fatal(err)
		}
		return firstParty(t, store)
	}
	disabled := disable()
	wantDatabaseTime(t, "DisabledAt", disabled.DisabledAt)
	if again := disable(); disabled.Enabled() || !again.DisabledAt.Equal(disabled.DisabledAt) {
		t.Errorf("disabled %+v, then %+v", disabled, again)
	}
	if standing, err := store.StandingByFamily(t.Context(), s.Family); err != nil || standing.ClientEnabled {
		t.Errorf("standing %+v, %v, want its client disabled", standing, err)
	}
	x := newSession(alice.ID)
	err := drop(store.StartSession(t.Context(), x, session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}, aboutSession(audit.SessionStarted, x.ID)))
	wantError(t, "start session of a disabled client", err, session.ErrUserChanged)
	if err := store.EnableClient(t.Context(), client.FirstParty, clientEvent(audit.ClientEnabled)); err != nil {
		t.Fatal(err)
	}
	if got := firstParty(t, store); !got.Enabled() {
		t.Errorf("client %+v, want enabled", got)
	}
	wantEnded(t, store, s, session.ReasonClient)
	wantLive(t, store, startSession(t, store, alice.ID))
	wantEvents(t, store, audit.Query{Kind: audit.ClientDisabled}, audit.ClientDisabled, audit.ClientDisabled)
	wantEvents(t, store, audit.Query{Kind: audit.ClientEnabled}, audit.ClientEnabled)
}

func unknownClientsAreNotFound(t *testing.T, store Durable) {
	for _, id := range []string{"", "unknown", "First-Party", "nul\x00", "\xff"} {
		wantError(t, "find "+id, drop(store.ClientByID(t.Context(), id)), client.ErrNotFound)
		wantError(t, "disable "+id, store.DisableClient(t.Context(), id, clientEvent(audit.ClientDisabled)), client.ErrNotFound)
		wantError(t, "enable "+id, store.EnableClient(t.Context(), id, clientEvent(audit.ClientEnabled)), client.ErrNotFound)
	}
	wantEvents(t, store, audit.Query{})
}

// noSessionSurvivesDisableClient: whatever began before, or while, the client was
// disabled is over, also after it is enabled again.
func noSessionSurvivesDisableClient(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	contend(t, func(ctx context.Context, i int) error { // some logins are refused, as they should be
		if i == contenders/2 {
			return store.DisableClient(ctx, client.FirstParty, clientEvent(audit.ClientDisabled))
		}
		x := newSession(alice.ID)
		return drop(store.StartSession(ctx, x, session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}, aboutSession(audit.SessionStarted, x.ID)))
	})
	if err := store.EnableClient(t.Context(), client.FirstParty, clientEvent(audit.ClientEnabled)); err != nil {
		t.Fatal(err)
	}
	wantNoLiveSession(t, store, alice.ID)
}

func wantNoLiveSession(tb testing.TB, store Durable, userID string) {
	tb.Helper()
	all, err := store.Sessions(tb.Context(), session.Query{UserID: userID, Limit: 1000})
	if err != nil {
		tb.Fatal(err)
	}
	for _, s := range all {
		if standing, err := store.StandingByFamily(tb.Context(), s.Family); err != nil || !standing.Ended() {
			tb.Errorf("session %+v, %v, want ended", standing, err)
		}
	}
}

func cancelledClientCalls(t *testing.T, store Durable) {
	wantCancelled(t, map[string]func(context.Context) error{
		"Clients":    func(ctx context.Context) error { return drop(store.Clients(ctx)) },
		"ClientByID": func(ctx context.Context) error { return drop(store.ClientByID(ctx, client.FirstParty)) },
		"ClientsChanged": func(ctx context.Context) error {
			return drop(store.ClientsChanged(ctx, client.Mark{}, client.MostChanged))
		},
		"AwaitClients": store.AwaitClients,
		"DisableClient": func(ctx context.Context) error {
			return store.DisableClient(ctx, client.FirstParty, clientEvent(audit.ClientDisabled))
		},
		"EnableClient": func(ctx context.Context) error {
			return store.EnableClient(ctx, client.FirstParty, clientEvent(audit.ClientEnabled))
		},
	})
	if got := firstParty(t, store); !got.Enabled() {
		t.Errorf("client %+v, want as before", got)
	}
}
