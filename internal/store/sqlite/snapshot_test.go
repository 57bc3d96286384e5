package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/private"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

// sessionsIn counts the sessions of a file that nobody has open.
func sessionsIn(t *testing.T, file string) (n int) {
	t.Helper()
	handle, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	if err := handle.QueryRowContext(t.Context(), `SELECT count(*) FROM sessions`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestASnapshotContainsWhatOnlyTheLogDoes(t *testing.T) {
	t.Parallel()
	file := migrated(t)
	storetest.NewSession(t, open(t, file))
	copied, snapshot := filepath.Join(t.TempDir(), "copied.db"), filepath.Join(t.TempDir(), "mint mark?.db")
	alone, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(copied, alone, 0o600), private.Make(snapshot), sqlite.Snapshot(t.Context(), file, snapshot)); err != nil {
		t.Fatal(err)
	}
	if n := sessionsIn(t, copied); n != 0 {
		t.Fatalf("the file alone contains %d sessions; this test wants them in the log", n)
	}
	if n := sessionsIn(t, snapshot); n != 1 {
		t.Errorf("the snapshot contains %d sessions, want 1", n)
	}
	if info, err := os.Stat(snapshot); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode().Perm(), err)
	}
	if damage, err := sqlite.Inspect(t.Context(), snapshot); damage != "" || err != nil {
		t.Errorf("got %q, %v, want no damage", damage, err)
	}
}

func TestASnapshotReplacesNothing(t *testing.T) {
	t.Parallel()
	file, taken := migrated(t), filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.Snapshot(t.Context(), file, taken); err == nil {
		t.Error("a snapshot was written over a file")
	}
	if text, err := os.ReadFile(taken); string(text) != "mine" || err != nil {
		t.Errorf("got %q, %v, want what was there", text, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := sqlite.Snapshot(ended, file, filepath.Join(t.TempDir(), "new")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestADamagedPageIsFound(t *testing.T) {
	t.Parallel()
	file := migrated(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(whole); i += 4096 {
		copy(whole[i:], "damaged")
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if damage, err := sqlite.Inspect(t.Context(), file); damage == "" || err != nil {
		t.Errorf("got %q, %v, want the damage", damage, err)
	}
	if err := os.WriteFile(file, whole[:8192], 0o600); err != nil {
		t.Fatal(err)
	}
	if damage, err := sqlite.Inspect(t.Context(), file); damage == "" || err != nil {
		t.Errorf("a file that was cut: got %q, %v, want the damage", damage, err)
	}
}
