package client

import (
	"context"
	"errors"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// ErrNotFound is promised by every [Store].
var ErrNotFound = errors.New("no such client")

// Change is a client as its last change left it.
type Change struct {
	Client  Client
	Deleted bool // the row is kept for the sessions that name it
	Mark    Mark
}

// Mark is a place in the order of changes, of all clients together. The zero Mark is
// before the first.
type Mark struct {
	At time.Time // the database's; each change takes a later one
	ID string    // orders the clients that there were before changes were noted
}

// MostChanged is how many changes a [Store] reads at once.
const MostChanged = 1000

// Store keeps clients. The built-in [FirstParty] is always there.
type Store interface {
	// Clients returns every client that is not deleted, ordered by id.
	Clients(ctx context.Context) ([]Client, error)
	// ClientByID finds a client. ErrNotFound, also for one that is deleted.
	ClientByID(ctx context.Context, id string) (Client, error)
	// ClientsChanged returns the clients that were changed after the mark, added and
	// deleted ones too, in the order of their last changes; no more than the limit, which
	// is 1 to [MostChanged]. A client that is changed while pages are read comes again
	// behind them, so none is missed. A row that is gone altogether is not noticed.
	ClientsChanged(ctx context.Context, after Mark, limit int) ([]Change, error)
	// AwaitClients returns nil when a client was probably changed, by any process, or the
	// error of ctx. It is a hint that may never come: callers must also poll.
	AwaitClients(ctx context.Context) error
	// DisableClient refuses the client from now on and ends its sessions. ErrNotFound.
	DisableClient(ctx context.Context, id string, event audit.Event) error
	// EnableClient lets a disabled client back in; ended sessions stay ended. ErrNotFound.
	EnableClient(ctx context.Context, id string, event audit.Event) error
}
