package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// latest is the last migration that this binary knows.
func latest(t *testing.T, schema *db.Database) int {
	t.Helper()
	status, err := schema.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.Latest
}

// TestASchemaThatServesKeepsNoReplicaDown, though a migration has not ended. The log says so once.
func TestASchemaThatServesKeepsNoReplicaDown(t *testing.T) {
	t.Parallel()
	postgres := migrated(t)
	settings := append(production(postgres, testserver.Redis(t)), "MINTMARK_ISSUER=https://auth.example.com")
	schema, err := db.Postgres(postgres)
	if err != nil {
		t.Fatal(err)
	}
	last := latest(t, schema)
	for version, says := range map[int]string{
		last:     fmt.Sprintf("a migration to version %d is done, and was not noted as done; run `mintmark migrate up`", last),
		last + 1: fmt.Sprintf("a migration to version %d was begun and has not ended; by its records the schema is whole at version %d; run `mintmark migrate up` of the newer mintmark", last+1, last),
		last - 1: fmt.Sprintf("a migration to version %d was begun and has not ended; by its records the schema is whole at version %d; run `mintmark migrate up`, ", last-1, last),
	} {
		execOn(t, "pgx", postgres, fmt.Sprintf(`UPDATE schema_migrations SET version = %d, dirty = true`, version))
		said, err := start(t, settings...)
		if err != nil || strings.Count(said, "the database schema serves this binary") != 1 || !strings.Contains(said, says) {
			t.Errorf("%d: %v, and it said %s", version, err, said)
		}
	}
	execOn(t, "pgx", postgres, `UPDATE schema_migrations SET version = 1, dirty = true`)
	if _, err := start(t, settings...); !errors.Is(err, db.ErrSchemaDirty) {
		t.Errorf("where nothing is proven: %v, want %v", err, db.ErrSchemaDirty)
	}
}

// TestEmbeddedServeGoesOnAfterAMigrationThatWasKilled, by itself.
func TestEmbeddedServeGoesOnAfterAMigrationThatWasKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := []string{"MINTMARK_DATA_DIR=" + dir, "MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0"}
	schema, release, err := app.Migrations(load(t, settings...))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(schema.Up(t.Context()), schema.Down(t.Context(), 1), release()); err != nil {
		t.Fatal(err)
	}
	last := latest(t, schema)
	exec(t, dir, fmt.Sprintf(`UPDATE schema_migrations SET version = %d, dirty = true`, last)) // as the next migration begins
	said, err := start(t, settings...)
	if says := fmt.Sprintf("going on from version %d", last-1); err != nil || strings.Count(said, says) != 1 {
		t.Errorf("%v, and it said %s", err, said)
	}
	if err := schema.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
