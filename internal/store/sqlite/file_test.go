package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/user"
)

const keep = time.Hour

func TestARestartForgetsNoState(t *testing.T) {
	t.Parallel()
	file := migrated(t)
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	id := storetest.NewSession(t, store)
	want := session.State{Cur: 9, Prev: 8, RotatedAt: time.Date(2026, 11, 23, 7, 8, 9, 123_000_000, time.UTC), Skips: 2}
	set := func(session.State, clock.Clocks) (session.State, bool) { return want, true }
	if err := errors.Join(store.UpdateState(t.Context(), id, keep, set), store.Close()); err != nil {
		t.Fatal(err)
	}
	var got session.State
	get := func(stored session.State, _ clock.Clocks) (session.State, bool) { got = stored; return stored, false }
	if err := open(t, file).UpdateState(t.Context(), id, keep, get); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("state (-got +want):\n%s", diff)
	}
}

func TestAStateNeedsASession(t *testing.T) {
	t.Parallel()
	store := open(t, migrated(t))
	for _, write := range []bool{true, false} {
		var got session.State
		err := store.UpdateState(t.Context(), uuid.NewString(), keep, func(stored session.State, _ clock.Clocks) (session.State, bool) {
			got = stored
			return session.State{Cur: 2, Prev: 1}, write
		})
		if got != (session.State{}) || errors.Is(err, session.ErrNotFound) != write || (err != nil) != write {
			t.Errorf("write %t: read %+v, %v", write, got, err)
		}
	}
}

func TestAStateOfStrangersReadsAsMissing(t *testing.T) {
	t.Parallel()
	path := migrated(t)
	store := open(t, path)
	id := storetest.NewSession(t, store)
	by, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer by.Close()
	const write = `UPDATE sessions SET state_cur = 2, state_prev = 3, state_rotated_at = 1795000000000, state_skips = 1 WHERE id = ?`
	if _, err := by.ExecContext(t.Context(), write, id); err != nil {
		t.Fatal(err)
	}
	got := session.State{Cur: 1}
	get := func(stored session.State, _ clock.Clocks) (session.State, bool) { got = stored; return stored, false }
	if err := store.UpdateState(t.Context(), id, keep, get); err != nil || got != (session.State{}) {
		t.Errorf("read %+v, %v; want the zero State", got, err)
	}
}

func TestOnlyTheOwnerReadsTheFiles(t *testing.T) {
	t.Parallel()
	file := migrated(t)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	storetest.NewSession(t, open(t, file))
	files, err := filepath.Glob(filepath.Dir(file) + "/*")
	if err != nil || len(files) < 2 { // the log is there too
		t.Fatalf("files %v, %v", files, err)
	}
	for _, name := range files {
		stat, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := stat.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has mode %o, want 600", filepath.Base(name), got)
		}
	}
}

func TestOpenSaysHowToFixADatabaseThatIsNotReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty, garbage := filepath.Join(dir, "empty.db"), filepath.Join(dir, "garbage.db")
	for file, content := range map[string]string{empty: "", garbage: strings.Repeat("not a database ", 99)} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]string{
		empty: "mintmark migrate up", garbage: "file is not a database", filepath.Join(dir, "none.db"): "no such file",
	} {
		_, err := sqlite.Open(t.Context(), sqlite.Config{Path: file})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "SELECT") {
			t.Errorf("%s: got %v, want an error that names it and says %q", file, err, want)
		}
	}
}

func TestDurableWritesAreFlushedAndRotationsAreNot(t *testing.T) {
	t.Parallel()
	durable, rotation, err := open(t, migrated(t)).Flushing(t.Context())
	if full, normal := 2, 1; err != nil || durable != full || rotation != normal {
		t.Errorf("synchronous = %d and %d, %v, want %d and %d", durable, rotation, err, full, normal)
	}
}

// TestTwoProcessesWriteAtOnce has the operators' commands write beside a running
// authority: both reach the file through stores of their own.
func TestTwoProcessesWriteAtOnce(t *testing.T) {
	t.Parallel()
	file := migrated(t)
	stores := []*sqlite.Store{open(t, file), open(t, file)}
	id := storetest.NewSession(t, stores[0])
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			err := stores[i%2].UpdateState(t.Context(), id, keep, func(stored session.State, _ clock.Clocks) (session.State, bool) {
				stored.Cur++
				return stored, true
			})
			if err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	group.Wait()
	var got session.State
	err := stores[0].UpdateState(t.Context(), id, keep, func(stored session.State, _ clock.Clocks) (session.State, bool) {
		got = stored
		return stored, false
	})
	if err != nil || got.Cur != 100 {
		t.Errorf("cur = %d, %v, want 100", got.Cur, err)
	}
}

func TestWaitingForTheWriterHonoursTheContext(t *testing.T) {
	t.Parallel()
	store := open(t, migrated(t))
	writing, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		err := store.ChangeSigningKeys(t.Context(), func([]keyring.Stored, time.Time) (keyring.Change, error) {
			close(writing)
			<-release
			return keyring.Change{}, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-writing
	ctx, cancel := context.WithCancelCause(t.Context())
	group.Go(func() { cancel(errors.New("the caller went away")) })
	err := store.AppendEvents(ctx, []audit.Event{audit.New(audit.KeyPublished, audit.BySystem())})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if _, err := store.Users(t.Context(), user.Page{Limit: 1}); err != nil {
		t.Errorf("a reader beside the writer: %v", err)
	}
	close(release)
	group.Wait()
}

// TestTheBoundaryMovesThoughTheClockIsSetBack ends sessions while the clock
// stands in the past: none begun before may count as begun after.
func TestTheBoundaryMovesThoughTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 7, 8, 9, 123_456_789, time.UTC)
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: migrated(t), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	alice := user.User{ID: uuid.NewString(), Username: "alice", Email: "alice@example.com", PasswordHash: "hash"}
	alice, err = store.CreateUser(t.Context(), alice, audit.New(audit.UserCreated, audit.ByOperator("root")))
	if err != nil {
		t.Fatal(err)
	}
	if want := now.Truncate(time.Microsecond); !alice.CreatedAt.Equal(want) {
		t.Errorf("created at %s, want %s", alice.CreatedAt, want)
	}
	for i := range 3 {
		now = now.Add(-time.Hour)
		s := session.Session{ID: uuid.NewString(), Family: session.FamilyHash{byte(i)}, UserID: alice.ID, ClientID: client.FirstParty}
		s, err := store.StartSession(t.Context(), s, session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}, audit.New(audit.SessionStarted, audit.ByUser("alice")))
		if err != nil {
			t.Fatal(err)
		}
		if s.CreatedAt.Before(alice.SessionsValidAfter) {
			t.Errorf("session began %s, before the boundary %s", s.CreatedAt, alice.SessionsValidAfter)
		}
		if err := store.SetPassword(t.Context(), alice.ID, fmt.Sprint(i), audit.New(audit.UserPasswordChanged, audit.ByOperator("root"))); err != nil {
			t.Fatal(err)
		}
		before := alice.SessionsValidAfter
		if alice, err = store.UserByID(t.Context(), alice.ID); err != nil {
			t.Fatal(err)
		}
		if !alice.SessionsValidAfter.After(before) || !s.CreatedAt.Before(alice.SessionsValidAfter) {
			t.Errorf("boundary went from %s to %s, session began %s", before, alice.SessionsValidAfter, s.CreatedAt)
		}
	}
}

// TestTheSchemaKeepsRevokedKeysRevoked holds hands that write SQL themselves to it.
func TestTheSchemaKeepsRevokedKeysRevoked(t *testing.T) {
	t.Parallel()
	path := migrated(t)
	storetest.AddRevokedKey(t, open(t, path))
	by, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer by.Close()
	for _, statement := range []string{
		`UPDATE signing_keys SET revoked_at = NULL`, `UPDATE signing_keys SET revoked_at = revoked_at + 1`,
		`UPDATE signing_keys SET activates_at = activates_at + 1`, `UPDATE signing_keys SET public = x'78'`,
		`UPDATE signing_keys SET sealed = x'78'`, `UPDATE signing_keys SET alg = 'none'`, `DELETE FROM signing_keys`,
		`INSERT OR REPLACE INTO signing_keys SELECT kid, alg, public, sealed, published_at, activates_at, NULL FROM signing_keys`,
	} {
		if _, err := by.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s: no error", statement)
		}
	}
	if _, err := by.ExecContext(t.Context(), `UPDATE signing_keys SET activates_at = activates_at - 1`); err != nil {
		t.Errorf("a turn is not moved to an earlier time: %v", err)
	}
}
