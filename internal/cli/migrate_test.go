package cli_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/mintmark-auth/mintmark/internal/cli"
)

// plain runs a command as an operator does who reads what it prints.
func (o commands) plain(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, said bytes.Buffer
	code = cli.Run(t.Context(), cli.Process{Args: args, Environ: o.environ, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &said})
	return code, out.String(), said.String()
}

// TestMigrateUpGoesOnAfterAMigrationThatWasKilled, and says in one line what it found and did.
// Until then the status shows it.
func TestMigrateUpGoesOnAfterAMigrationThatWasKilled(t *testing.T) {
	t.Parallel()
	const latest = 6
	insert := func(version int) string {
		return fmt.Sprintf(`INSERT INTO schema_migrations VALUES (%d, true)`, version)
	}
	whole := fmt.Sprintf("schema version %d of %d\n", latest, latest)
	for name, c := range map[string]struct {
		before  string // how many migrations are taken back before
		noted   string // how the one that is killed is noted
		state   string
		found   string
		goingOn string
	}{
		"on the way up, undone": {
			"1", insert(latest), "broke off",
			fmt.Sprintf("a migration to version %d was begun and has not ended; by its records the schema is whole at version %d", latest, latest-1), fmt.Sprintf("; going on from version %d", latest-1),
		},
		"on the way up, done": {
			"", insert(latest), "done, not noted",
			fmt.Sprintf("a migration to version %d is done, and was not noted as done", latest), fmt.Sprintf("; going on from version %d", latest),
		},
		"on the way down, undone": {
			"", insert(latest - 1), "broke off",
			fmt.Sprintf("a migration to version %d was begun and has not ended; by its records the schema is whole at version %d", latest-1, latest), fmt.Sprintf("; going on from version %d", latest),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o := commands{[]string{"MINTMARK_DATA_DIR=" + dir}}
			o.must(t, "", "migrate", "up")
			if c.before != "" {
				o.must(t, "", "migrate", "down", c.before, "--yes")
			}
			note(t, filepath.Join(dir, "mintmark.db"), c.noted)

			code, table, said := o.plain(t, "migrate", "status")
			if code != 0 || !strings.Contains(table, c.state+"\n") || !strings.Contains(said, ": "+c.found+"; run `mintmark migrate up`") {
				t.Errorf("status: exit code %d\n%s%s", code, table, said)
			}
			if code, _, said := o.plain(t, "migrate", "down", "1", "--yes"); code != 4 || !strings.Contains(said, c.found) {
				t.Errorf("down: exit code %d, %s; want it refused", code, said)
			}
			code, table, said = o.plain(t, "migrate", "up")
			if want := c.found + c.goingOn + "\n" + whole; code != 0 || said != want || strings.Count(table, "applied\n") != latest {
				t.Errorf("up: exit code %d, and it said\n%s\nwant\n%s", code, said, want)
			}
			if code, _, said = o.plain(t, "migrate", "up"); code != 0 || said != whole {
				t.Errorf("up again: exit code %d, and it said %s", code, said)
			}
		})
	}
}

// note writes a version as golang-migrate does.
func note(t *testing.T, file, statement string) {
	t.Helper()
	handle, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	for _, s := range []string{`DELETE FROM schema_migrations`, statement} {
		if _, err := handle.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}
