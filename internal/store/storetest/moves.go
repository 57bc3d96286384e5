package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// MovedEvents lets an earlier version write events, of which every state of the move shows each once. insert
// writes to audit_events what follows VALUES; at is the time of noon there.
func MovedEvents(t *testing.T, store Durable, at string, insert func(rows string)) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	owner, sid, request := newID(), newID(), audit.FirstID(noon)
	var want []audit.Event
	for i := range 5 {
		id := audit.FirstID(noon.Add(time.Duration(i) * time.Second))
		insert(fmt.Sprintf(`('%s', %s, 'session.started', 'user', NULL, '%s', 'first-party', '%s', '192.0.2.7', 'curl/8', '%s', '{"a":"b"}')`, id, at, owner, sid, request))
		want = append([]audit.Event{{
			ID: id, At: noon, Kind: audit.SessionStarted, Actor: audit.ByUser(""), UserID: owner, ClientID: "first-party", SessionID: sid,
			Address: "192.0.2.7", UserAgent: "curl/8", RequestID: request, Detail: map[string]string{"a": "b"},
		}}, want...)
	}
	for moved := range 4 {
		for name, query := range map[string]audit.Query{
			"all": {}, "user": {UserID: owner}, "session": {SessionID: sid}, "request": {RequestID: request}, "kind": {Kind: audit.SessionStarted},
		} {
			for _, limit := range []int{1, 3, 9} {
				query.Limit = limit
				if diff := cmp.Diff(listEvents(t, store, query), want[:min(limit, 5)]); diff != "" {
					t.Errorf("%s, after %d moves (-got +want):\n%s", name, moved, diff)
				}
			}
		}
		got, err := store.MoveEvents(t.Context(), 2)
		if want := max(0, min(2, 5-2*moved)); err != nil || got != want {
			t.Errorf("move %d moved %d, %v; want %d", moved, got, err, want)
		}
		if moved == 0 { // the earlier version sends a batch again, not knowing whether it came
			insert(fmt.Sprintf(`('%s', %s, 'session.started', 'user', NULL, '%s', 'first-party', '%s', '192.0.2.7', 'curl/8', '%s', '{"a":"b"}')`, want[4].ID, at, owner, sid, request))
			if _, err := store.MoveEvents(t.Context(), 1); err != nil {
				t.Error(err)
			}
		}
	}
}
