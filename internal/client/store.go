package client

import (
	"context"
	"errors"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// ErrNotFound is promised by every [Store].
var ErrNotFound = errors.New("no such client")

// Store keeps clients. The built-in [FirstParty] is always there.
type Store interface {
	// Clients returns every client, ordered by id.
	Clients(ctx context.Context) ([]Client, error)
	// DisableClient refuses the client from now on and ends its sessions. ErrNotFound.
	DisableClient(ctx context.Context, id string, event audit.Event) error
	// EnableClient lets a disabled client back in; ended sessions stay ended. ErrNotFound.
	EnableClient(ctx context.Context, id string, event audit.Event) error
}
