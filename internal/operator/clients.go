package operator

import (
	"context"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
)

// ListClients lists every client, in order of id.
func (o *Operator) ListClients(ctx context.Context) ([]client.Client, error) {
	return o.Clients.Clients(ctx)
}

// FindClient finds a client by id. client.ErrNotFound.
func (o *Operator) FindClient(ctx context.Context, id string) (client.Client, error) {
	return o.Clients.ClientByID(ctx, id)
}

// DisableClient refuses a client from now on and ends every session that was begun
// through it. client.ErrNotFound.
func (o *Operator) DisableClient(ctx context.Context, by audit.Actor, id string) error {
	return o.Clients.DisableClient(ctx, id, onClient(audit.ClientDisabled, by, id))
}

// EnableClient lets a disabled client back in; sessions that were ended stay ended.
// client.ErrNotFound.
func (o *Operator) EnableClient(ctx context.Context, by audit.Actor, id string) error {
	return o.Clients.EnableClient(ctx, id, onClient(audit.ClientEnabled, by, id))
}

// onClient starts the event of what an operator does to a client.
func onClient(kind audit.Kind, by audit.Actor, id string) audit.Event {
	event := audit.New(kind, by)
	event.ClientID = id
	return event
}
