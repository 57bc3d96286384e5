package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/client"
)

// listing is a store that lists what it is told to.
type listing struct {
	client.Store
	clients []client.Client
	err     error
}

func (l *listing) Clients(context.Context) ([]client.Client, error) { return l.clients, l.err }

func wantFound(t *testing.T, directory *client.Directory, want client.Client) {
	t.Helper()
	got, ok := directory.Find(want.ID)
	if diff := cmp.Diff(got, want); diff != "" || !ok {
		t.Errorf("client %s: found %t (-got +want):\n%s", want.ID, ok, diff)
	}
}

func wantUnknown(t *testing.T, directory *client.Directory, id string) {
	t.Helper()
	if got, ok := directory.Find(id); ok || !cmp.Equal(got, client.Client{}) {
		t.Errorf("client %q was found: %+v, %t", id, got, ok)
	}
}

func TestADirectoryKnowsNobodyAtFirst(t *testing.T) {
	t.Parallel()
	directory := client.NewDirectory(&listing{clients: []client.Client{{ID: "one"}}})
	wantUnknown(t, directory, "one")
}

func TestARefreshReplacesTheSnapshot(t *testing.T) {
	t.Parallel()
	one, two := client.Client{ID: "one", Name: "One"}, client.Client{ID: "two", Name: "Two", Rotation: client.RotateNever}
	store := &listing{clients: []client.Client{one, two}}
	directory := client.NewDirectory(store)
	if err := directory.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFound(t, directory, one)
	wantFound(t, directory, two)
	for _, id := range []string{"", "One", "three"} {
		wantUnknown(t, directory, id)
	}
	one.DisabledAt = time.Now()
	store.clients = []client.Client{one}
	wantFound(t, directory, two) // until the next refresh
	if err := directory.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFound(t, directory, one)
	wantUnknown(t, directory, "two")
}

func TestAFailedRefreshKeepsTheSnapshot(t *testing.T) {
	t.Parallel()
	one := client.Client{ID: "one"}
	store := &listing{clients: []client.Client{one}}
	directory := client.NewDirectory(store)
	if err := directory.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	down := errors.New("down")
	store.clients, store.err = []client.Client{{ID: "half a"}}, down
	if err := directory.Refresh(t.Context()); !errors.Is(err, down) {
		t.Errorf("got %v, want %v", err, down)
	}
	wantFound(t, directory, one)
	wantUnknown(t, directory, "half a")
}

func TestWhatIsFoundIsACopy(t *testing.T) {
	t.Parallel()
	store := &listing{clients: []client.Client{{ID: "one", Name: "One"}}}
	directory := client.NewDirectory(store)
	if err := directory.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, _ := directory.Find("one")
	found.Name, found.DisabledAt = "changed", time.Now()
	store.clients[0].Name = "changed as well"
	wantFound(t, directory, client.Client{ID: "one", Name: "One"})
}

func TestAClientMayDoWhatItIsRegisteredFor(t *testing.T) {
	t.Parallel()
	c := client.Client{GrantTypes: []string{"refresh_token", "client_credentials"}}
	for grant, want := range map[string]bool{"refresh_token": true, "client_credentials": true, "password": false, "": false} {
		if c.Allows(grant) != want {
			t.Errorf("allows %q = %t, want %t", grant, !want, want)
		}
	}
	if (client.Client{}).Allows("refresh_token") {
		t.Error("a client without grants may refresh")
	}
	if !c.Enabled() {
		t.Error("a client that nobody disabled is disabled")
	}
	if c.DisabledAt = time.Unix(0, 0); c.Enabled() {
		t.Error("a disabled client is enabled")
	}
}
