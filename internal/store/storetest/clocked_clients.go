package storetest

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// addClient adds a client as the built-in one is.
func addClient(tb testing.TB, store Clocked, id string) string {
	tb.Helper()
	store.Execute(tb, `INSERT INTO clients (id, name, kind, grant_types, rotation, allow_skip, created_at)
		SELECT '`+id+`', 'the '||'`+id+`', kind, grant_types, rotation, allow_skip, created_at FROM clients WHERE id = 'first-party'`)
	return id
}

func clientHasItsOwnTerms(t *testing.T, store Clocked) {
	addClient(t, store, "zulu")
	addClient(t, store, "alpha")
	store.Execute(t, `UPDATE clients SET kind = 'confidential', rotation = 'never', grace = 1000000, idle_ttl = 2000001, max_ttl = 3000002 WHERE id = 'alpha'`)
	clients, err := store.Clients(t.Context())
	if err != nil || len(clients) != 3 {
		t.Fatalf("clients %+v, %v", clients, err)
	}
	first := clients[1]
	alpha, zulu := first, first
	alpha.ID, alpha.Name, alpha.Kind, alpha.Rotation = "alpha", "the alpha", client.Confidential, client.RotateNever
	alpha.Grace, alpha.IdleTTL, alpha.MaxTTL = new(time.Second), new(2*time.Second+tick), new(3*time.Second+2*tick)
	zulu.ID, zulu.Name = "zulu", "the zulu"
	if diff := cmp.Diff(clients, []client.Client{alpha, first, zulu}); diff != "" || first.ID != client.FirstParty {
		t.Errorf("clients (-got +want):\n%s", diff)
	}
}

// nobodyElseIsChanged runs every call that writes among records of others, which must
// stay as they are.
func nobodyElseIsChanged(t *testing.T, store Clocked) {
	addClient(t, store, "another")
	addClient(t, store, "closed")
	// What ends something comes first: a mistake in it would end the others now.
	if err := store.DisableClient(t.Context(), "closed", clientEvent(audit.ClientDisabled)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"disabled", "bystander"} {
		owner := createUser(t, store, name)
		for i := range int64(2) {
			x := newSession(owner.ID)
			x.ClientID = "another"
			draw(t, store.Durable, math.MaxInt16+int64(len(name))+100*i)
			s := startSessionUnder(t, store, x, session.Terms{Lifetime: lifetime, Seen: owner.SessionsValidAfter})
			if i == 1 {
				continue
			}
			if err := drop(store.RevokeSession(t.Context(), s.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, s.ID))); err != nil {
				t.Fatal(err)
			}
		}
		if name == "disabled" {
			if err := store.DisableUser(t.Context(), owner.ID, about(audit.UserDisabled, owner.ID)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := addKeys(t, store, NewKey(clockStart.Add(lifetime))); err != nil {
		t.Fatal(err)
	}
	drawFrom(t, store.Durable, session.DrawStatusIndexes)
	before := lookAt(t, store.Durable)
	for _, call := range Calls(t, store.Durable) {
		if !call.Writes {
			continue
		}
		store.Set(t, clockStart.Add(time.Hour))
		if err := call.Prepare(t, store.Durable)(t.Context()); err != nil {
			t.Errorf("%s: %v", call.Name, err)
		}
		if diff := cmp.Diff(lookAt(t, store.Durable).only(before), before); diff != "" {
			t.Fatalf("%s changed what is others' (-got +want):\n%s", call.Name, diff)
		}
	}
}

// only keeps the records that there are of those as well, but the built-in client.
func (r records) only(those records) records {
	r.Users = keepIf(r.Users, those.Users, func(u user.User) string { return u.ID })
	r.Clients = keepIf(r.Clients, those.Clients, func(c client.Client) string { return c.ID })
	r.Keys = keepIf(r.Keys, those.Keys, func(k keyring.Stored) string { return k.KID })
	r.Events = keepIf(r.Events, those.Events, func(e audit.Event) string { return e.ID })
	r.Sessions = keepIf(r.Sessions, those.Sessions, func(s sessionRecord) string { return s.ID })
	for i, c := range r.Clients {
		if c.ID == client.FirstParty {
			r.Clients[i] = those.Clients[i]
		}
	}
	return r
}

func keepIf[T any](all, those []T, id func(T) string) []T {
	return slices.DeleteFunc(all, func(one T) bool {
		return !slices.ContainsFunc(those, func(known T) bool { return id(known) == id(one) })
	})
}
