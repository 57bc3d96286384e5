package authority_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	clocks "github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// from refreshes from somewhere; the answer may be a refusal.
func (b *bench) from(t *testing.T, tokens authority.Tokens, origin authority.Origin) {
	t.Helper()
	_, _ = b.RefreshPair(t.Context(), b.by(origin), pairOf(tokens))
}

// told checks the last event of a session against a verdict and a caller.
func (b *bench) told(t *testing.T, tokens authority.Tokens, kind audit.Kind, detail map[string]string) {
	t.Helper()
	got := lastEvent(t, b, tokens)
	s := b.standing(t, tokens)
	detail["login_address"], detail["login_user_agent"] = home().Address, home().UserAgent
	detail["issued_at"] = got.Detail["issued_at"]
	want := audit.Event{
		ID: got.ID, At: b.clock.Now(), Kind: kind, Actor: audit.ByClient(client.FirstParty), UserID: s.UserID, ClientID: client.FirstParty, SessionID: s.ID,
		Address: thief().Address, UserAgent: thief().UserAgent, RequestID: thief().RequestID, Detail: detail,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("event (-got +want):\n%s", diff)
	}
}

func TestEventsRecordGenerationClientAndAddress(t *testing.T) {
	t.Parallel()
	late := func(c *client.Client) { c.AllowSkip = true }
	for verdict, c := range map[string]struct {
		kind   audit.Kind
		change func(*client.Client)
		story  func(t *testing.T, b *bench, first authority.Tokens)
		detail map[string]string
	}{
		"repeated": {audit.SessionRepeated, nil, func(t *testing.T, b *bench, first authority.Tokens) {
			b.refresh(t, first, session.Rotated)
			b.from(t, first, thief())
		}, map[string]string{"generation": "1", "current": "2", "gap": "1", "issued": "2"}},
		"skipped": {audit.SessionSkipped, late, func(t *testing.T, b *bench, first authority.Tokens) {
			b.refresh(t, first, session.Rotated)
			b.clock.pass(time.Hour)
			b.from(t, first, thief())
		}, map[string]string{"generation": "1", "current": "2", "gap": "1", "issued": "3"}},
		"healed": {audit.SessionHealed, nil, func(t *testing.T, b *bench, first authority.Tokens) {
			last := b.refresh(t, b.refresh(t, b.refresh(t, first, session.Rotated), session.Rotated), session.Rotated)
			b.forget(t, last)
			b.from(t, last, thief())
		}, map[string]string{"generation": "4", "current": "1", "gap": "3", "issued": "5", "alarm": "false"}},
		"replayed": {audit.SessionReplayed, nil, func(t *testing.T, b *bench, first authority.Tokens) {
			b.refresh(t, b.refresh(t, first, session.Rotated), session.Rotated)
			b.from(t, first, thief())
		}, map[string]string{"generation": "1", "current": "3", "gap": "2"}},
		"expired": {audit.SessionRefused, nil, func(t *testing.T, b *bench, first authority.Tokens) {
			b.clock.pass(idle)
			b.from(t, first, thief())
		}, map[string]string{"generation": "1", "current": "1", "gap": "0"}},
		"revoked": {audit.SessionRefused, nil, func(t *testing.T, b *bench, first authority.Tokens) {
			wantError(t, b.Logout(t.Context(), b.by(home()), pairOf(first)), nil)
			b.from(t, first, thief())
		}, map[string]string{"generation": "1"}},
	} {
		t.Run(verdict, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.change)
			first := b.login(t, "alice")
			c.story(t, b, first)
			c.detail["verdict"] = verdict
			b.told(t, first, c.kind, c.detail)
		})
	}
}

// forget loses the rotation state of a session, as a flush does.
func (b *bench) forget(t *testing.T, tokens authority.Tokens) {
	t.Helper()
	err := b.store.UpdateState(t.Context(), b.standing(t, tokens).ID, time.Hour, func(session.State, clocks.Clocks) (session.State, bool) {
		return session.State{}, true
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDailyLifeLeavesNoEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	for range 3 {
		next := b.refresh(t, tokens, session.Rotated)
		b.refresh(t, tokens, session.Repeated) // from where it logged in: counted, and no event
		tokens = next
		b.clock.pass(time.Hour)
	}
	if events := b.events(t, tokens); len(events) != 1 {
		t.Errorf("%d events, want that of the login", len(events))
	}
}

// TestARepeatedRefusalIsRecordedRarely: a client that never gives up must
// not fill the trail.
func TestARepeatedRefusalIsRecordedRarely(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens, other := b.login(t, "alice"), b.login(t, "alice")
	wantError(t, b.Logout(t.Context(), b.by(home()), pairOf(tokens)), nil)
	for range 150 { // minutes
		b.refused(t, tokens, session.Revoked)
		b.clock.pass(time.Minute)
	}
	if events := b.events(t, tokens); len(events) != 2+3 { // at 0, 60 and 120 minutes
		t.Errorf("%d events, want 5", len(events))
	}
	wantError(t, b.Logout(t.Context(), b.by(home()), pairOf(other)), nil)
	b.refused(t, other, session.Revoked)
	if events := b.events(t, other); len(events) != 3 {
		t.Errorf("%d events of the other session, want 3", len(events))
	}
}
