package client

import (
	"context"
	"fmt"
	"sync/atomic"
)

// Directory is an in-memory snapshot of all clients. The owner calls Refresh
// about once a second; readers never wait.
type Directory struct {
	store   Store
	clients atomic.Pointer[map[string]Client]
}

// NewDirectory returns an empty directory over the store.
func NewDirectory(store Store) *Directory {
	d := &Directory{store: store}
	d.clients.Store(&map[string]Client{})
	return d
}

// Refresh reads the clients anew. When the store is down the old snapshot stays.
func (d *Directory) Refresh(ctx context.Context) error {
	all, err := d.store.Clients(ctx)
	if err != nil {
		return fmt.Errorf("refresh clients: %w", err)
	}
	byID := make(map[string]Client, len(all))
	for _, c := range all {
		byID[c.ID] = c
	}
	d.clients.Store(&byID)
	return nil
}

// Find returns the client of that id as of the last snapshot.
func (d *Directory) Find(id string) (Client, bool) {
	c, ok := (*d.clients.Load())[id]
	return c, ok
}
