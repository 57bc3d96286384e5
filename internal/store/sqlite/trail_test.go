package sqlite_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

const insertBefore = `INSERT INTO audit_events (id, at, kind, actor, actor_id, user_id, client_id, session_id, address, user_agent, request_id, detail) VALUES `

func TestEventsOfEarlierVersionsAreMovedUnseen(t *testing.T) {
	t.Parallel()
	file := migrated(t)
	execute := byHand(t, file)
	storetest.MovedEvents(t, open(t, file), `1795435200000000`, func(rows string) { execute(insertBefore + rows) })
}

// TestTheTrailSurvivesTheWayDown and up again.
func TestTheTrailSurvivesTheWayDown(t *testing.T) {
	t.Parallel()
	file := migrated(t)
	schema, store := db.SQLite(file), open(t, file)
	storetest.FillTrail(t, store)
	want := storetest.Trail(t, store)
	status, err := schema.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Down(t.Context(), status.Latest-4); err != nil {
		t.Fatal(err)
	}
	if err := schema.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.MoveEvents(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(storetest.Trail(t, store), want); diff != "" || len(want) < 5 {
		t.Errorf("of %d events (-got +want):\n%s", len(want), diff)
	}
}
