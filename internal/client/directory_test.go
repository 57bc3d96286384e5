package client_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/client"
)

// table is a store of clients that notes which marks it is asked for.
type table struct {
	client.Store
	rows   []client.Change // in the order of their changes
	err    error
	fails  int // the page that err is the answer to, counted from 1; 0: every one
	asked  []client.Mark
	before func() // is called before a page is read
}

func (x *table) ClientsChanged(_ context.Context, after client.Mark, limit int) ([]client.Change, error) {
	x.asked = append(x.asked, after)
	if x.before != nil {
		x.before()
	}
	if x.err != nil && (x.fails == 0 || x.fails == len(x.asked)) {
		return nil, x.err
	}
	i := slices.IndexFunc(x.rows, func(c client.Change) bool { return c.Mark.At.After(after.At) })
	if i < 0 {
		return nil, nil
	}
	return slices.Clone(x.rows[i:min(i+limit, len(x.rows))]), nil
}

// set changes a client, or adds it.
func (x *table) set(c client.Client) { x.change(client.Change{Client: c}) }

func (x *table) delete(id string) {
	x.change(client.Change{Client: client.Client{ID: id}, Deleted: true})
}

func (x *table) change(change client.Change) {
	at := time.Unix(0, 0)
	if len(x.rows) > 0 {
		at = x.rows[len(x.rows)-1].Mark.At
	}
	x.remove(change.Client.ID)
	change.Mark = client.Mark{At: at.Add(time.Microsecond), ID: change.Client.ID}
	x.rows = append(x.rows, change)
}

// remove takes a row out by hand.
func (x *table) remove(id string) {
	x.rows = slices.DeleteFunc(x.rows, func(c client.Change) bool { return c.Client.ID == id })
}

func refresh(t *testing.T, directory *client.Directory) {
	t.Helper()
	if err := directory.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

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

func TestADirectoryIsEmptyAtFirst(t *testing.T) {
	t.Parallel()
	store := &table{}
	store.set(client.Client{ID: "one"})
	wantUnknown(t, client.NewDirectory(store), "one")
}

func TestARefreshFollowsWhatWasChanged(t *testing.T) {
	t.Parallel()
	one, two := client.Client{ID: "one", Name: "One"}, client.Client{ID: "two", Name: "Two", Rotation: client.RotateNever}
	store := &table{}
	store.set(one)
	store.set(two)
	directory := client.NewDirectory(store)
	refresh(t, directory)
	wantFound(t, directory, one)
	wantFound(t, directory, two)
	for _, id := range []string{"", "One", "three"} {
		wantUnknown(t, directory, id)
	}
	before, three := one, client.Client{ID: "three"}
	one.DisabledAt = time.Now()
	store.set(one)
	store.set(three)
	store.delete("two")
	wantFound(t, directory, before) // until the next refresh
	wantFound(t, directory, two)
	refresh(t, directory)
	wantFound(t, directory, one)
	wantFound(t, directory, three)
	wantUnknown(t, directory, "two")
	store.set(two)
	refresh(t, directory)
	wantFound(t, directory, two)
}

func TestARefreshReadsNothingTwice(t *testing.T) {
	t.Parallel()
	store := &table{}
	for i := range 2*client.MostChanged + 1 {
		store.set(client.Client{ID: strconv.Itoa(i)})
	}
	directory := client.NewDirectory(store)
	refresh(t, directory)
	refresh(t, directory)
	at := func(i int) client.Mark { return store.rows[i].Mark }
	want := []client.Mark{{}, at(client.MostChanged - 1), at(2*client.MostChanged - 1), at(2 * client.MostChanged)}
	if diff := cmp.Diff(store.asked, want); diff != "" {
		t.Errorf("asked for what comes after (-got +want):\n%s", diff)
	}
	for i := range store.rows {
		wantFound(t, directory, store.rows[i].Client)
	}
}

func TestARefreshThatFailedGoesOn(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	store := &table{err: down, fails: 2}
	for i := range client.MostChanged + 1 {
		store.set(client.Client{ID: strconv.Itoa(i)})
	}
	directory := client.NewDirectory(store)
	if err := directory.Refresh(t.Context()); !errors.Is(err, down) {
		t.Errorf("got %v, want %v", err, down)
	}
	first, last := store.rows[0].Client, store.rows[client.MostChanged].Client
	wantFound(t, directory, first)
	wantUnknown(t, directory, last.ID)
	refresh(t, directory)
	wantFound(t, directory, first)
	wantFound(t, directory, last)
	if mark := store.rows[client.MostChanged-1].Mark; store.asked[2] != mark {
		t.Errorf("it goes on after %+v, want %+v", store.asked[2], mark)
	}
}

func TestARowDeletedByHandIsGoneAtTheNextReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two := client.Client{ID: "one"}, client.Client{ID: "two"}
		store := &table{}
		store.set(one)
		store.set(two)
		directory := client.NewDirectory(store)
		refresh(t, directory)
		store.remove("two")
		time.Sleep(client.ReloadEvery - time.Nanosecond)
		refresh(t, directory)
		wantFound(t, directory, two)
		for range 2 { // the clock begins anew
			time.Sleep(time.Nanosecond)
			refresh(t, directory)
			wantUnknown(t, directory, "two")
			wantFound(t, directory, one)
			store.set(two)
			refresh(t, directory)
			wantFound(t, directory, two)
			store.remove("two")
			time.Sleep(client.ReloadEvery - time.Nanosecond)
			refresh(t, directory)
			wantFound(t, directory, two)
		}
	})
}

// TestAReloadThatFailsGoesOnAtTheNextRefresh, and until it is whole, readers have what
// there was, brought up to date.
func TestAReloadThatFailsGoesOnAtTheNextRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &table{}
		for i := range client.MostChanged + 1 {
			store.set(client.Client{ID: strconv.Itoa(i)})
		}
		directory := client.NewDirectory(store)
		refresh(t, directory)
		store.remove("7")
		time.Sleep(client.ReloadEvery)
		changed := client.Client{ID: "0", Name: "changed"}
		store.set(changed)
		// Page 1 is what was changed; 2 and 3 are all.
		down := errors.New("down")
		store.asked, store.err, store.fails = nil, down, 3
		if err := directory.Refresh(t.Context()); !errors.Is(err, down) {
			t.Errorf("got %v, want %v", err, down)
		}
		wantFound(t, directory, changed)
		wantFound(t, directory, client.Client{ID: "7"})
		wantFound(t, directory, client.Client{ID: "8"})
		refresh(t, directory)
		wantUnknown(t, directory, "7")
		wantFound(t, directory, changed)
		wantFound(t, directory, client.Client{ID: "8"})
		if newest := store.rows[len(store.rows)-1].Mark; store.asked[3] != newest || store.asked[4] != store.asked[2] {
			t.Errorf("asked for what comes after %+v", store.asked)
		}
	})
}

// TestReadersNeverWait: they find what was there while a refresh hangs.
func TestReadersNeverWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one := client.Client{ID: "one"}
		store := &table{}
		store.set(one)
		directory := client.NewDirectory(store)
		refresh(t, directory)
		time.Sleep(client.ReloadEvery)
		hang := make(chan struct{})
		store.before = func() { <-hang }
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := directory.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		for range 2 { // at what was changed, and at the reload
			synctest.Wait()
			wantFound(t, directory, one)
			hang <- struct{}{}
		}
		<-ended
		wantFound(t, directory, one)
	})
}

func TestWhatIsFoundIsACopy(t *testing.T) {
	t.Parallel()
	store := &table{}
	store.set(client.Client{ID: "one", Name: "One"})
	directory := client.NewDirectory(store)
	refresh(t, directory)
	found, _ := directory.Find("one")
	found.Name, found.DisabledAt = "changed", time.Now()
	store.rows[0].Client.Name = "changed as well"
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
