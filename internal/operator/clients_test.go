package operator_test

import (
	"testing"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/operator"
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
