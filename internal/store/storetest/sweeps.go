package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// OldEvent is an event that was made then.
func OldEvent(at time.Time) audit.Event {
	e := audit.New(audit.SessionHealed, audit.ByClient("first-party"))
	e.ID, e.At = audit.FirstID(at), at.UTC()
	return e
}

// sweepRemovesOldEvents, in batches, and nothing that is fresh by its id or by its own time.
func sweepRemovesOldEvents(t *testing.T, store Durable) {
	now := time.Now().Truncate(time.Millisecond)
	var kept []string
	for i := range 9 {
		e := OldEvent(now.Add(-10*time.Hour + time.Duration(i)*time.Hour))
		if i == 1 {
			e.At = now // its id was made under a clock that was behind
		}
		if i == 1 || i >= 5 {
			kept = append(kept, e.ID)
		}
		appendEvents(t, store, e)
	}
	ahead := OldEvent(now.Add(-10 * time.Hour))
	ahead.ID = audit.FirstID(now.Add(time.Hour)) // under one that was ahead
	kept = append(kept, ahead.ID)
	appendEvents(t, store, ahead)
	sweep := audit.Sweep{Before: now.Add(-5 * time.Hour), Rows: 2}
	var removed []int
	for range 9 {
		swept, err := store.RemoveEvents(t.Context(), sweep)
		if err != nil {
			t.Fatal(err)
		}
		removed = append(removed, swept.Removed)
		if sweep.After = swept.Last; sweep.After == "" {
			break
		}
	}
	if want := []int{1, 2, 1, 0}; !slices.Equal(removed, want) {
		t.Errorf("the batches removed %v, want %v", removed, want)
	}
	var left []string
	for _, e := range Trail(t, store) {
		left = append(left, e.ID)
	}
	slices.Reverse(left)
	if diff := cmp.Diff(left, kept); diff != "" {
		t.Errorf("events left (-got +want):\n%s", diff)
	}
}

// SweptSessions is the contract of [session.Sweeper]: what was over long ago is removed, and is
// as unknown as what never was.
func SweptSessions(t *testing.T, store Durable, age Ageing) {
	owner := createUser(t, store, "alice")
	const retention = 30 * 24 * time.Hour
	past := func(by time.Duration) session.Session { // by its id, too
		s := newSession(owner.ID)
		s.ID = audit.FirstID(time.Now().Add(-by))
		s = startSessionUnder(t, store, s, session.Terms{Lifetime: 100 * 24 * time.Hour, Seen: owner.SessionsValidAfter})
		age(t, s.ID, by)
		return s
	}
	over := func(by time.Duration) session.Session {
		s := newSession(owner.ID)
		s.ID = audit.FirstID(time.Now().Add(-by - time.Minute))
		s = startSessionUnder(t, store, s, session.Terms{Lifetime: 100 * 24 * time.Hour, Seen: owner.SessionsValidAfter})
		if err := drop(store.RevokeSession(t.Context(), s.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, s.ID))); err != nil {
			t.Fatal(err)
		}
		age(t, s.ID, by)
		return s
	}
	const idle, day = 20 * 24 * time.Hour, 24 * time.Hour
	gone := map[string]session.Session{
		"revoked long ago": over(retention + session.StatusReuseAfter + time.Hour),
		"expired long ago": past(100*day + retention + session.StatusReuseAfter + time.Hour),
		"idle for long":    past(idle + retention + session.StatusReuseAfterIdle + time.Hour),
	}
	fresh := startSession(t, store, owner.ID)
	wrong := newSession(owner.ID)
	wrong.ID = uuid.MustParse("00000000-0001-7000-8000-000000000001").String() // made under a clock that was far behind
	wrong = startSessionUnder(t, store, wrong, session.Terms{Lifetime: time.Hour, Seen: owner.SessionsValidAfter})
	kept := map[string]session.Session{
		"fresh": fresh, "fresh, by a wrong clock": wrong,
		"revoked lately":     over(retention + session.StatusReuseAfter - time.Hour),
		"idle for less long": past(idle + retention + session.StatusReuseAfterIdle - time.Hour),
		"alive for long":     past(idle),
	}
	removed, sweep := 0, audit.Sweep{Before: time.Now().Add(-retention), Rows: 2}
	for range 9 {
		swept, err := store.RemoveSessions(t.Context(), sweep, idle)
		if err != nil {
			t.Fatal(err)
		}
		removed += swept.Removed
		if sweep.After = swept.Last; sweep.After == "" {
			break
		}
	}
	if removed != len(gone) || sweep.After != "" {
		t.Errorf("removed %d, want %d; the sweep stands at %q", removed, len(gone), sweep.After)
	}
	for name, s := range gone {
		_, byID := store.StandingByID(t.Context(), s.ID)
		wantError(t, name+", by id", byID, session.ErrNotFound)
		_, byFamily := store.StandingByFamily(t.Context(), s.Family)
		wantError(t, name+", by family", byFamily, session.ErrNotFound)
	}
	for name, s := range kept {
		_, err := store.StandingByID(t.Context(), s.ID)
		wantError(t, name, err, nil)
	}
}
