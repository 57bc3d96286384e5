package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// Audit is the contract of [audit.Store].
func Audit(t *testing.T, open OpenDurable) {
	keep(t, open, map[string]durableRule{
		"AnEventComesBack":               eventComesBack,
		"EventsAreListedNewestFirst":     eventsAreListedNewestFirst,
		"AQueryNarrows":                  eventQueryNarrows,
		"AnEventSentTwiceIsStoredOnce":   eventSentTwiceIsStoredOnce,
		"AnEventComesBackAsItWas":        everyEventComesBack,
		"NoEventIsRefusedForWhatItSays":  noEventIsRefused,
		"ASweepRemovesWhatIsOld":         sweepRemovesOldEvents,
		"ManyWritersOfOneBatchAllFinish": manyWritersOfOneBatch,
		"ACancelledContextIsAnError":     cancelledAuditCalls,
	})
}

func listEvents(tb testing.TB, store Durable, query audit.Query) []audit.Event {
	tb.Helper()
	events, err := store.Events(tb.Context(), query)
	if err != nil {
		tb.Fatalf("events: %v", err)
	}
	return events
}

func appendEvents(tb testing.TB, store Durable, events ...audit.Event) {
	tb.Helper()
	if err := store.AppendEvents(tb.Context(), events); err != nil {
		tb.Fatalf("append events: %v", err)
	}
}

func eventComesBack(t *testing.T, store Durable) {
	full := audit.New(audit.SessionHealed, audit.ByClient("first-party"))
	full.At = time.Date(2026, 11, 23, 7, 8, 9, 123456789, time.FixedZone("east", 3600))
	full.UserID, full.ClientID, full.SessionID = newID(), "first-party", newID()
	full.Address, full.UserAgent, full.RequestID = "2001:db8::7", "curl/8 (\u20ac)", "req-1"
	full.Detail = map[string]string{"gap": "3", "quote": `"\ <&> é`}
	bare := audit.New(audit.KeyPublished, audit.BySystem())
	appendEvents(t, store, bare, full)
	got := listEvents(t, store, audit.Query{Limit: 10})
	if len(got) != 2 {
		t.Fatalf("%d events, want 2", len(got))
	}
	slices.SortFunc(got, func(a, b audit.Event) int { return strings.Compare(a.ID, b.ID) })
	wantDatabaseTime(t, "At", got[1].At)
	bare.At = got[1].At
	full.At = full.At.Truncate(time.Microsecond)
	if got[0].At.Location() != time.UTC {
		t.Errorf("at %s, want UTC", got[0].At)
	}
	if diff := cmp.Diff(got, []audit.Event{full, bare}); diff != "" {
		t.Errorf("events (-got +want):\n%s", diff)
	}
}

func eventsAreListedNewestFirst(t *testing.T, store Durable) {
	at := time.Date(2026, 11, 23, 7, 8, 9, 0, time.UTC)
	var want []audit.Event
	for i := range 6 {
		event := audit.New(audit.SessionRepeated, audit.ByClient("first-party"))
		event.At = at.Add(time.Duration(i/2) * time.Microsecond) // two at each moment: then the id decides
		want = append(want, event)
	}
	appendEvents(t, store, want[4], want[0], want[5], want[2], want[1], want[3])
	slices.Reverse(want)
	for _, limit := range []int{1, 5, 6, 1000} {
		if diff := cmp.Diff(listEvents(t, store, audit.Query{Limit: limit}), want[:min(limit, 6)]); diff != "" {
			t.Errorf("limit %d (-got +want):\n%s", limit, diff)
		}
	}
}

func eventQueryNarrows(t *testing.T, store Durable) {
	users, sessions := []string{newID(), newID()}, []string{newID(), newID()}
	requests, kinds := []string{newID(), "any text"}, []audit.Kind{audit.SessionRepeated, audit.SessionHealed}
	for i := range 8 {
		event := audit.New(kinds[i&1], audit.ByClient("first-party"))
		event.UserID, event.SessionID, event.RequestID = users[i>>1&1], sessions[i>>2&1], requests[i>>1&1]
		appendEvents(t, store, event)
	}
	for _, c := range []struct {
		query audit.Query
		want  int
	}{
		{audit.Query{}, 8},
		{audit.Query{UserID: users[0]}, 4},
		{audit.Query{SessionID: sessions[1]}, 4},
		{audit.Query{Kind: kinds[0]}, 4},
		{audit.Query{RequestID: requests[1]}, 4},
		{audit.Query{RequestID: requests[0], SessionID: sessions[0]}, 2},
		{audit.Query{RequestID: sessions[0]}, 0},
		{audit.Query{RequestID: "\x00"}, 0},
		{audit.Query{UserID: users[0], Kind: kinds[0]}, 2},
		{audit.Query{UserID: users[1], SessionID: sessions[0], Kind: kinds[1]}, 1},
		{audit.Query{UserID: sessions[0]}, 0},
		{audit.Query{UserID: "garbage"}, 0},
		{audit.Query{UserID: "\x00"}, 0},
		{audit.Query{Kind: "\xff"}, 0},
	} {
		c.query.Limit = 100
		got := listEvents(t, store, c.query)
		if len(got) != c.want {
			t.Errorf("%+v: %d events, want %d", c.query, len(got), c.want)
		}
		for _, e := range got {
			if (c.query.UserID != "" && e.UserID != c.query.UserID) ||
				(c.query.SessionID != "" && e.SessionID != c.query.SessionID) ||
				(c.query.RequestID != "" && e.RequestID != c.query.RequestID) ||
				(c.query.Kind != "" && e.Kind != c.query.Kind) {
				t.Errorf("%+v found %+v", c.query, e)
			}
		}
	}
}

func eventSentTwiceIsStoredOnce(t *testing.T, store Durable) {
	first, second := audit.New(audit.SessionRepeated, audit.ByClient("first-party")), audit.New(audit.SessionHealed, audit.ByClient("first-party"))
	changed := first
	changed.Kind = audit.SessionReplayed
	appendEvents(t, store, first, first)
	appendEvents(t, store, changed, second)
	appendEvents(t, store)
	wantEvents(t, store, audit.Query{}, audit.SessionRepeated, audit.SessionHealed)
}

func noEventIsRefused(t *testing.T, store Durable) {
	for _, hostile := range []string{"", "nul\x00nul", "\xff\xfe", `{"a":`, strings.Repeat("\u20ac", 5000), "'; DROP TABLE users; --"} {
		event := audit.Event{
			ID: hostile, Kind: audit.Kind(hostile), Actor: audit.Actor{Kind: audit.ActorKind(hostile), ID: hostile}, UserID: hostile, ClientID: hostile, SessionID: hostile,
			Address: hostile, UserAgent: hostile, RequestID: hostile, Detail: map[string]string{hostile: hostile, "more": hostile},
		}
		appendEvents(t, store, event)
		got := listEvents(t, store, audit.Query{Limit: 1})
		want := event.Clean()
		if len(got) == 1 {
			want.ID, want.At = got[0].ID, got[0].At
		}
		if diff := cmp.Diff(got, []audit.Event{want}); diff != "" {
			t.Errorf("%.20q (-got +want):\n%s", hostile, diff)
		}
	}
}

// FillTrail appends an event of each form of names.
func FillTrail(tb testing.TB, store Durable) []audit.Event {
	tb.Helper()
	owner, sid := newID(), newID()
	plain := audit.New(audit.SessionStarted, audit.ByUser(owner))
	foreign := plain.OfSession(newID(), "first-party")
	foreign.UserID, foreign.RequestID = owner, uuid.NewString()
	unnamed := audit.New(audit.SessionStarted, audit.BySystem())
	late := audit.New(audit.SessionRevoked, audit.ByUser(newID()))
	late.UserID, late.SessionID, late.RequestID = owner, sid, audit.FirstID(time.Now().Add(-time.Hour))
	near := audit.New(audit.SessionHealed, audit.ByClient("first-party"))
	near.UserID, near.SessionID, near.RequestID, near.Detail = "eve", "fresh", newID(), map[string]string{"gap": "3"}
	all := []audit.Event{plain.StartOf(sid, owner, "first-party"), foreign, unnamed, late, near}
	appendEvents(tb, store, all...)
	return all
}

// Trail is every event.
func Trail(tb testing.TB, store Durable) []audit.Event {
	tb.Helper()
	return listEvents(tb, store, audit.Query{Limit: 1000})
}

// everyEventComesBack, and is found by each of its names, whatever form they have.
func everyEventComesBack(t *testing.T, store Durable) {
	want := FillTrail(t, store)
	for _, e := range want {
		for name, query := range map[string]audit.Query{
			"user": {UserID: e.UserID}, "session": {SessionID: e.SessionID}, "request": {RequestID: e.RequestID}, "kind": {Kind: e.Kind},
		} {
			query.Limit = 100
			at := slices.IndexFunc(listEvents(t, store, query), func(got audit.Event) bool { return got.ID == e.ID })
			if at < 0 {
				t.Errorf("%+v is not found by its %s", e, name)
				continue
			}
			got := listEvents(t, store, query)[at]
			got.At = e.At
			if diff := cmp.Diff(got, e); diff != "" {
				t.Errorf("by its %s (-got +want):\n%s", name, diff)
			}
		}
	}
}

func manyWritersOfOneBatch(t *testing.T, store Durable) {
	var batch []audit.Event
	for range 10 {
		batch = append(batch, audit.New(audit.SessionRepeated, audit.ByClient("first-party")))
	}
	wantNoErrors(t, contend(t, func(ctx context.Context, i int) error {
		mine := audit.New(audit.SessionHealed, audit.ByClient(fmt.Sprint(i)))
		return store.AppendEvents(ctx, append(slices.Clone(batch), mine))
	}))
	if got := len(listEvents(t, store, audit.Query{Limit: 1000})); got != 10+contenders {
		t.Errorf("%d events, want %d", got, 10+contenders)
	}
}

func cancelledAuditCalls(t *testing.T, store Durable) {
	wantCancelled(t, map[string]func(context.Context) error{
		"AppendEvents": func(ctx context.Context) error {
			return store.AppendEvents(ctx, []audit.Event{audit.New(audit.KeyPublished, audit.BySystem())})
		},
		"RemoveEvents": func(ctx context.Context) error {
			return drop(store.RemoveEvents(ctx, audit.Sweep{Before: time.Now(), Rows: 1}))
		},
		"MoveEvents": func(ctx context.Context) error { return drop(store.MoveEvents(ctx, 1)) },
		"Events":     func(ctx context.Context) error { return drop(store.Events(ctx, audit.Query{Limit: 1})) },
	})
	wantEvents(t, store, audit.Query{})
}
