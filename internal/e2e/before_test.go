package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// ground is what a binary and its successor share.
type ground struct {
	settings []string
	schema   *db.Database
	apart    bool // one at a time: each holds the data directory
}

func onSQLite(t *testing.T) ground {
	t.Helper()
	dir := t.TempDir()
	return ground{[]string{"MINTMARK_DATA_DIR=" + dir}, db.SQLite(filepath.Join(dir, "mintmark.db")), true}
}

func onPostgres(t *testing.T) ground {
	t.Helper()
	url := testserver.Postgres(t)
	schema, err := db.Postgres(url)
	if err != nil {
		t.Fatal(err)
	}
	return ground{[]string{
		"MINTMARK_DATABASE_URL=" + url, "MINTMARK_REDIS_URL=" + testserver.Redis(t),
		"MINTMARK_ROOT_SECRET=" + secret.GenerateRoots().Encode().Reveal(), "MINTMARK_ISSUER=http://localhost:1",
	}, schema, false}
}

// TestTheBinaryBeforeAMigrationWorksOnEverySchemaThatServesIt, as its oldest_binary says:
// it is migrated beneath the running binary where it can be. The binary is refused by
// every other schema.
func TestTheBinaryBeforeAMigrationWorksOnEverySchemaThatServesIt(t *testing.T) {
	t.Parallel()
	latest := schemaStatus(t, onSQLite(t).schema).Latest
	for migration := 2; migration <= latest; migration++ { // there is no binary before the first
		t.Run(fmt.Sprint("before ", migration), func(t *testing.T) {
			t.Parallel()
			program := binaryBefore(t, migration)
			for version := migration; version <= latest; version++ {
				for store, lay := range map[string]func(*testing.T) ground{"sqlite": onSQLite, "postgres": onPostgres} {
					t.Run(fmt.Sprintf("at %d on %s", version, store), func(t *testing.T) {
						t.Parallel()
						outlive(t, lay(t), program, migration, version)
					})
				}
			}
		})
	}
}

// outlive runs the program from before a migration through the way up to a version.
func outlive(t *testing.T, g ground, program string, migration, version int) {
	t.Helper()
	command(t, g, program, 0, "migrate", "up")
	if got := schemaStatus(t, g.schema).Version; got != migration-1 {
		t.Fatalf("the binary before migration %d brings the schema to version %d", migration, got)
	}
	old := spawnProgram(t, program, g.settings...)
	old.register(t, testUser)
	kept, ended := old.login(t, testUser), old.login(t, testUser)
	if g.apart {
		old.kill(t)
	}
	status := moveTo(t, g.schema, version)
	if status.OldestBinary >= migration {
		out := command(t, g, program, 4, "serve")
		if !strings.Contains(out, db.ErrSchemaTooNew.Error()) {
			t.Errorf("serve says %q, want %v", out, db.ErrSchemaTooNew)
		}
		return
	}
	if !g.apart {
		kept = useAll(t, old.authority, "erika", kept)
		old.kill(t)
	}
	command(t, g, program, 0, "migrate", "up") // there is nothing that it could do
	old = spawnProgram(t, program, g.settings...)
	kept = useAll(t, old.authority, "frank", kept)
	logOut(t, old.authority, ended)
	if version == status.Latest {
		changeOver(t, g, program, old, kept, ended)
	}
	runCommands(t, g, program)
}

// changeOver lets today's binary take over sessions from the old one, and give them back.
func changeOver(t *testing.T, g ground, program string, old *process, kept, ended pair) {
	t.Helper()
	if g.apart {
		old.kill(t)
	}
	today := start(t, g.settings...)
	kept = useAll(t, today, "grace", kept)
	assertEnded(t, today, ended)
	between, over := today.login(t, testUser), today.login(t, testUser)
	logOut(t, today, over)
	if g.apart {
		today.Stop()
		old = spawnProgram(t, program, g.settings...)
	}
	useAll(t, old.authority, "heidi", kept)
	useAll(t, old.authority, "judith", between)
	assertEnded(t, old.authority, over)
}

// moveTo brings the schema to a version by today's migrations.
func moveTo(t *testing.T, schema *db.Database, version int) db.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := schema.Up(ctx); err != nil {
		t.Fatal(err)
	}
	if back := schemaStatus(t, schema).Latest - version; back > 0 {
		if err := schema.Down(ctx, back); err != nil {
			t.Fatal(err)
		}
	}
	return schemaStatus(t, schema)
}

func schemaStatus(t *testing.T, schema *db.Database) db.Status {
	t.Helper()
	status, err := schema.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// useAll does what people do: one of that name registers, logs in, refreshes, lists the
// sessions and logs out; and kept is refreshed. It gives the successor of kept.
func useAll(t *testing.T, a *authority, name string, kept pair) pair {
	t.Helper()
	a.register(t, name)
	own := a.login(t, name)
	next, got := a.refresh(t, own)
	if got.Status != http.StatusOK {
		t.Fatalf("refresh: %d %s", got.Status, got.Body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+"/api/authentication/sessions", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+next.Access)
	if got := do(t, req); got.Status != http.StatusOK {
		t.Errorf("sessions: %d %s", got.Status, got.Body)
	}
	logOut(t, a, next)

	kept, got = a.refresh(t, kept)
	if got.Status != http.StatusOK {
		t.Fatalf("refresh of a session from before: %d %s", got.Status, got.Body)
	}
	return kept
}

// logOut ends a session, and sees that it has ended.
func logOut(t *testing.T, a *authority, p pair) {
	t.Helper()
	if got, _ := a.firstParty(t, "logout", map[string]string{"accessToken": p.Access, "refreshToken": p.Refresh}); got.Status != http.StatusOK {
		t.Errorf("log out: %d %s", got.Status, got.Body)
	}
	assertEnded(t, a, p)
}

func assertEnded(t *testing.T, a *authority, p pair) {
	t.Helper()
	if _, got := a.refresh(t, p); got.Status != http.StatusBadRequest {
		t.Errorf("refresh of a session that was logged out: %d %s, want 400", got.Status, got.Body)
	}
}

// runCommands does what operators do, beside a running authority.
func runCommands(t *testing.T, g ground, program string) {
	t.Helper()
	command(t, g, program, 0, "users", "list")
	command(t, g, program, 0, "users", "disable", "frank")
	command(t, g, program, 0, "users", "enable", "frank")
	command(t, g, program, 0, "users", "delete", "frank", "--yes")
	command(t, g, program, 0, "sessions", "list")
	command(t, g, program, 0, "clients", "disable", "first-party")
	command(t, g, program, 0, "clients", "enable", "first-party")
	command(t, g, program, 0, "keys", "list")
}

// command runs a command of the program, and gives what it says on stderr.
func command(t *testing.T, g ground, program string, exit int, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, lastOfEach(append(quick(), g.settings...))...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	_ = cmd.Run() // its code tells
	if got := cmd.ProcessState.ExitCode(); got != exit {
		t.Fatalf("mintmark %s: exit %d, want %d: %s", strings.Join(args, " "), got, exit, &complaint)
	}
	return complaint.String()
}
