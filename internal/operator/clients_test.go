package operator_test

import (
	"context"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/session"
)

func TestADisabledClientLosesItsSessionsAndIsLetBackInWithoutThem(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s, _ := b.login(t, b.user(t, "ada").ID)
	wantError(t, "disable", b.DisableClient(t.Context(), grace(), client.FirstParty), nil)
	b.wantEvent(t, audit.Event{Kind: audit.ClientDisabled, Actor: grace(), ClientID: client.FirstParty})
	b.wantState(t, s.ID, operator.Revoked)
	if c, err := b.FindClient(t.Context(), client.FirstParty); err != nil || c.Enabled() {
		t.Errorf("disabled, it is %+v, %v", c, err)
	}

	console := audit.ByClient("console")
	wantError(t, "enable", b.EnableClient(t.Context(), console, client.FirstParty), nil)
	b.wantEvent(t, audit.Event{Kind: audit.ClientEnabled, Actor: console, ClientID: client.FirstParty})
	b.wantState(t, s.ID, operator.Revoked)
	if all, err := b.ListClients(t.Context()); err != nil || len(all) != 1 || !all[0].Enabled() {
		t.Errorf("enabled, there are %+v, %v", all, err)
	}
}

// named is a store of clients that are found by name only; it counts how often.
type named struct {
	client.Store
	read int
}

func (*named) Clients(context.Context) ([]client.Client, error) { return nil, errOut }

func (n *named) ClientByID(ctx context.Context, id string) (client.Client, error) {
	n.read++
	return n.Store.ClientByID(ctx, id)
}

func TestALookUpReadsTheClientThatItNamesOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada := b.user(t, "ada")
	s, _ := b.login(t, ada.ID)
	b.login(t, ada.ID)
	clients := &named{Store: b.store}
	b.Clients = clients
	for name, find := range map[string]func() error{
		"client":   func() error { _, err := b.FindClient(t.Context(), client.FirstParty); return err },
		"session":  func() error { _, err := b.FindSession(t.Context(), s.ID); return err },
		"sessions": func() error { _, err := b.ListSessions(t.Context(), session.Query{Limit: 10}); return err },
		"explain":  func() error { _, err := b.Explain(t.Context(), s.ID); return err },
	} {
		clients.read = 0
		if err := find(); err != nil || clients.read != 1 {
			t.Errorf("%s: read %d times, %v; want once", name, clients.read, err)
		}
	}
}

func TestAnUnknownClientIsNotFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, err := b.FindClient(t.Context(), "nobody")
	wantError(t, "find", err, client.ErrNotFound)
	wantError(t, "disable", b.DisableClient(t.Context(), grace(), "nobody"), client.ErrNotFound)
	wantError(t, "enable", b.EnableClient(t.Context(), grace(), "nobody"), client.ErrNotFound)
	b.wantNone(t, audit.ClientDisabled)
	b.wantNone(t, audit.ClientEnabled)
}
