package client

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ReloadEvery is how often a [Directory] rereads every client: it can't follow rows that were
// deleted by hand.
const ReloadEvery = 5 * time.Minute

// Directory keeps all clients in memory. The owner calls Refresh about once a second,
// which costs as much as was changed meanwhile; readers never wait.
type Directory struct {
	store Store
	shown atomic.Pointer[snapshot]

	// Of Refresh.
	next  *snapshot // is being read to replace shown; nil: none is
	whole time.Time // when all clients were last read; zero: not yet
}

// snapshot is the clients as of a mark.
type snapshot struct {
	clients sync.Map // id → *Client; who loads takes no lock
	newest  Mark     // what was changed until then is in clients
}

// NewDirectory returns an empty directory over the store.
func NewDirectory(store Store) *Directory {
	d := &Directory{store: store}
	d.shown.Store(&snapshot{})
	return d
}

// Refresh reads what was changed since the last call, and every [ReloadEvery] all
// clients. It goes on where one that failed had come to: when the store is down, what
// was read stays. Calls must not overlap.
func (d *Directory) Refresh(ctx context.Context) error {
	if err := d.follow(ctx, d.shown.Load()); err != nil {
		return fmt.Errorf("refresh clients: %w", err)
	}
	switch {
	case d.whole.IsZero(): // what follows an empty snapshot is everything
		d.whole = time.Now()
	case time.Since(d.whole) >= ReloadEvery:
		if err := d.reload(ctx); err != nil {
			return fmt.Errorf("reload clients: %w", err)
		}
	}
	return nil
}

func (d *Directory) reload(ctx context.Context) error {
	if d.next == nil {
		d.next = &snapshot{}
	}
	if err := d.follow(ctx, d.next); err != nil {
		return err
	}
	d.shown.Store(d.next)
	d.next, d.whole = nil, time.Now()
	return nil
}

// follow brings a snapshot up to date, page by page.
func (d *Directory) follow(ctx context.Context, s *snapshot) error {
	for {
		page, err := d.store.ClientsChanged(ctx, s.newest, MostChanged)
		if err != nil {
			return err
		}
		for _, change := range page {
			s.take(change)
		}
		if len(page) < MostChanged {
			return nil
		}
	}
}

func (s *snapshot) take(change Change) {
	if change.Deleted {
		s.clients.Delete(change.Client.ID)
	} else {
		c := change.Client // alone, without the change around it
		s.clients.Store(c.ID, &c)
	}
	s.newest = change.Mark
}

// Find returns the client of that id as of the last refresh.
func (d *Directory) Find(id string) (Client, bool) {
	found, ok := d.shown.Load().clients.Load(id)
	if !ok {
		return Client{}, false
	}
	return *found.(*Client), true
}
