package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Breakable is a durable store whose commits can be made to fail.
type Breakable struct {
	Durable
	Look  Durable          // the same records, through a store that stays whole
	Break func(testing.TB) // from now on no commit of the store succeeds
	Heal  func(testing.TB)
}

// Commits is the contract of a commit that fails: whatever writes says so, has stored
// nothing, and can be called again.
func Commits(t *testing.T, open func(testing.TB) Breakable) {
	for _, call := range Calls(t, open(t).Durable) {
		if !call.Writes {
			continue
		}
		t.Run(call.Name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			write := call.Prepare(t, store.Durable)
			before := lookAt(t, store.Look)
			store.Break(t)
			err := write(t.Context())
			store.Heal(t)
			if err == nil {
				t.Errorf("%s told success, and its commit had failed", call.Name)
			}
			if diff := cmp.Diff(lookAt(t, store.Look), before); diff != "" {
				t.Errorf("%s failed with %v, and stored (-got +want):\n%s", call.Name, err, diff)
			}
			if err := write(t.Context()); err != nil {
				t.Errorf("%s once commits succeed again: %v", call.Name, err)
			}
			if cmp.Equal(lookAt(t, store.Look), before) {
				t.Errorf("%s stored nothing though its commit succeeded", call.Name)
			}
		})
	}
}

// records are all that a durable store holds.
type records struct {
	Users    []user.User
	Sessions []sessionRecord
	Clients  []client.Client
	Keys     []keyring.Stored
	Events   []audit.Event
}

// sessionRecord is a session and its rotation state, if the store keeps it.
type sessionRecord struct {
	session.Session
	State session.State
}

func lookAt(tb testing.TB, store Durable) records {
	tb.Helper()
	clients, err := store.Clients(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	users, err := store.Users(tb.Context(), user.Page{Limit: 1000})
	if err != nil {
		tb.Fatal(err)
	}
	keys, _, err := store.SigningKeys(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	all := records{Users: users, Clients: clients, Keys: keys, Events: listEvents(tb, store, audit.Query{Limit: 1000})}
	for _, s := range listSessions(tb, store, session.Query{Limit: 1000}) {
		record := sessionRecord{Session: s}
		if states, ok := store.(session.States); ok {
			record.State = stateGet(tb, states, s.ID)
		}
		all.Sessions = append(all.Sessions, record)
	}
	return all
}

// Durably runs every call that writes but those of [session.States], on a store of its
// own. prepared is called between what a call needs and the call itself, which must succeed.
func Durably(t *testing.T, open OpenDurable, prepared func(testing.TB, Durable)) {
	for _, call := range Calls(t, open(t)) {
		if !call.Writes || call.Name == "UpdateState" {
			continue
		}
		t.Run(call.Name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			write := call.Prepare(t, store)
			prepared(t, store)
			if err := write(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
