package db_test

import (
	"errors"
	"testing"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestThroughAPoolerTheSchemaIsCheckedAndNeverChanged: the lock between two migrations is that of a connection, of which
// a pooler gives another with every transaction.
func TestThroughAPoolerTheSchemaIsCheckedAndNeverChanged(t *testing.T) {
	t.Parallel()
	url := testserver.Postgres(t)
	direct, err := db.Postgres(url)
	if err != nil {
		t.Fatal(err)
	}
	through := testserver.StartPgBouncer(t, url)
	pooled, err := db.Postgres(through(url))
	if err != nil {
		t.Fatal(err)
	}
	if err := pooled.Up(t.Context()); !errors.Is(err, db.ErrPooler) {
		t.Errorf("up through a pooler: %v, want %v", err, db.ErrPooler)
	}
	if err := pooled.Check(t.Context()); !errors.Is(err, db.ErrSchemaBehind) {
		t.Errorf("an empty database: %v, want %v", err, db.ErrSchemaBehind)
	}
	if err := direct.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 5 { // on any connection of the server, and after others have left theirs
		if err := pooled.Check(t.Context()); err != nil {
			t.Errorf("through a pooler: %v", err)
		}
	}
}
