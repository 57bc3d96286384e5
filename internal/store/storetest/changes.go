package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// ClientChanges is the contract of what a directory of clients follows.
func ClientChanges(t *testing.T, open func(testing.TB) Clocked) {
	for name, rule := range map[string]func(*testing.T, Clocked){
		"EveryChangeIsSeenOnce":       everyChangeIsSeenOnce,
		"AChangeIsTheWholeClient":     changeIsTheWholeClient,
		"PagesMissNothing":            pagesMissNothing,
		"NoTwoChangesHaveOneTime":     noTwoChangesHaveOneTime,
		"ClientsOfBeforeAreAllSeen":   clientsOfBeforeAreAllSeen,
		"ADeletedClientIsNotFound":    deletedClientIsNotFound,
		"WhatChangesNothingIsNotSeen": changingNothingIsNotSeen,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			store.Set(t, clockStart)
			rule(t, store)
		})
	}
}

// look reads what was changed since the mark, and moves it.
func look(tb testing.TB, store Durable, mark *client.Mark, limit int) []client.Change {
	tb.Helper()
	changes, err := store.ClientsChanged(tb.Context(), *mark, limit)
	if err != nil {
		tb.Fatal(err)
	}
	if len(changes) > 0 {
		*mark = changes[len(changes)-1].Mark
	}
	return changes
}

// wantChanged wants those clients to have been changed since the mark, and moves it.
func wantChanged(tb testing.TB, store Durable, mark *client.Mark, want ...string) {
	tb.Helper()
	var got []string
	for _, change := range look(tb, store, mark, client.MostChanged) {
		got = append(got, change.Client.ID)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		tb.Errorf("changed (-got +want):\n%s", diff)
	}
}

// everyChangeIsSeenOnce, also one by plain SQL, as an earlier version would make it, and
// whether the clock goes on, stands or is set back.
func everyChangeIsSeenOnce(t *testing.T, store Clocked) {
	var mark client.Mark
	wantChanged(t, store, &mark, client.FirstParty)
	wantChanged(t, store, &mark)
	for i, change := range []func() (id string){
		func() string { return addClient(t, store, "added") },
		func() string {
			store.Execute(t, `UPDATE clients SET name = 'Another' WHERE id = 'added'`)
			return "added"
		},
		func() string {
			store.Execute(t, `UPDATE clients SET name = 'Another' WHERE id = 'added'`)
			return "added"
		},
		func() string {
			if err := store.DisableClient(t.Context(), client.FirstParty, clientEvent(audit.ClientDisabled)); err != nil {
				t.Fatal(err)
			}
			return client.FirstParty
		},
		func() string {
			if err := store.EnableClient(t.Context(), client.FirstParty, clientEvent(audit.ClientEnabled)); err != nil {
				t.Fatal(err)
			}
			return client.FirstParty
		},
		func() string { return addClient(t, store, "another") },
		func() string {
			store.Execute(t, `UPDATE clients SET deleted_at = created_at WHERE id = 'added'`)
			return "added"
		},
	} {
		store.Set(t, clockStart.Add([]time.Duration{time.Hour, 0, -time.Hour}[i%3]))
		wantChanged(t, store, &mark, change())
		wantChanged(t, store, &mark)
	}
	store.Execute(t, `DELETE FROM clients WHERE id = 'another'`)
	wantChanged(t, store, &mark)
}

func changeIsTheWholeClient(t *testing.T, store Clocked) {
	addClient(t, store, "own")
	store.Execute(t, `UPDATE clients SET kind = 'confidential', rotation = 'never', grace = 1000000, idle_ttl = 2000001, max_ttl = 3000002 WHERE id = 'own'`)
	var mark client.Mark
	for _, deleted := range []bool{false, true} {
		if deleted {
			store.Execute(t, `UPDATE clients SET deleted_at = created_at WHERE id = 'own'`)
		}
		changes := look(t, store, &mark, client.MostChanged)
		if len(changes) == 0 {
			t.Fatal("nothing was changed")
		}
		got := changes[len(changes)-1]
		want := client.Change{Deleted: deleted, Mark: client.Mark{At: got.Mark.At, ID: "own"}, Client: client.Client{
			ID: "own", Name: "the own", Kind: client.Confidential, GrantTypes: []string{"refresh_token"}, Rotation: client.RotateNever,
			Grace: new(time.Second), IdleTTL: new(2*time.Second + tick), MaxTTL: new(3*time.Second + 2*tick), CreatedAt: got.Client.CreatedAt,
		}}
		if diff := cmp.Diff(got, want); diff != "" || got.Mark.At.IsZero() || got.Client.CreatedAt.IsZero() {
			t.Errorf("change (-got +want):\n%s", diff)
		}
	}
}

// pagesMissNothing of what is changed while they are read.
func pagesMissNothing(t *testing.T, store Clocked) {
	for i := range 5 {
		addClient(t, store, fmt.Sprint("client", i))
	}
	var mark client.Mark
	var got []string
	for n := 0; ; n++ {
		page := look(t, store, &mark, 2)
		for _, change := range page {
			got = append(got, change.Client.ID)
		}
		if n == 0 {
			store.Execute(t, `UPDATE clients SET name = 'Later' WHERE id IN ('client0', 'client3')`)
		}
		if len(page) < 2 {
			break
		}
	}
	// client0 had been read already, and client3 had not.
	want := [][]string{
		{client.FirstParty, "client0", "client1", "client2", "client4", "client0", "client3"},
		{client.FirstParty, "client0", "client1", "client2", "client4", "client3", "client0"},
	}
	if !cmp.Equal(got, want[0]) && !cmp.Equal(got, want[1]) {
		t.Errorf("read %v, want %v", got, want[0])
	}
}

func noTwoChangesHaveOneTime(t *testing.T, store Clocked) {
	for i := range 5 {
		addClient(t, store, fmt.Sprint("client", i))
	}
	store.Execute(t, `UPDATE clients SET name = 'All at once'`)
	var mark client.Mark
	var before time.Time
	for _, change := range look(t, store, &mark, client.MostChanged) {
		if !change.Mark.At.After(before) {
			t.Errorf("%s was changed at %s, not after %s", change.Client.ID, change.Mark.At, before)
		}
		before = change.Mark.At
	}
}

// clientsOfBeforeAreAllSeen: the migration gave one time to all that there were.
func clientsOfBeforeAreAllSeen(t *testing.T, store Clocked) {
	addClient(t, store, "alpha")
	addClient(t, store, "zulu")
	store.SameTime(t)
	var mark client.Mark
	for _, want := range []string{"alpha", client.FirstParty, "zulu"} {
		if got := look(t, store, &mark, 1); len(got) != 1 || got[0].Client.ID != want {
			t.Errorf("read %+v, want %s", got, want)
		}
	}
	wantChanged(t, store, &mark)
}

// deletedClientIsNotFound, its sessions are over, and none is started.
func deletedClientIsNotFound(t *testing.T, store Clocked) {
	addClient(t, store, "gone")
	owner := createUser(t, store, "alice")
	own := newSession(owner.ID)
	own.ClientID = "gone"
	terms := session.Terms{Lifetime: time.Hour, Seen: owner.SessionsValidAfter}
	own = startSessionUnder(t, store, own, terms)
	store.Execute(t, `UPDATE clients SET deleted_at = created_at WHERE id = 'gone'`)
	firstParty(t, store) // the only one that is listed
	wantError(t, "find", drop(store.ClientByID(t.Context(), "gone")), client.ErrNotFound)
	if standing, err := store.StandingByID(t.Context(), own.ID); err != nil || !standing.Ended() {
		t.Errorf("its session stands as %+v, %v; want it ended", standing, err)
	}
	another := newSession(owner.ID)
	another.ClientID = "gone"
	_, err := store.StartSession(t.Context(), another, terms, aboutSession(audit.SessionStarted, another.ID))
	wantError(t, "start a session", err, session.ErrUserChanged)
}

func changingNothingIsNotSeen(t *testing.T, store Clocked) {
	var mark client.Mark
	wantChanged(t, store, &mark, client.FirstParty)
	store.Execute(t, `UPDATE clients SET name = 'Nobody' WHERE id = 'unknown'`)
	wantError(t, "disable", store.DisableClient(t.Context(), "unknown", clientEvent(audit.ClientDisabled)), client.ErrNotFound)
	wantChanged(t, store, &mark)
}
