package cli_test

import (
	"bytes"
	"database/sql"
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
	for name, c := range map[string]struct {
		before  string // how many migrations are taken back before
		noted   string // how the one that is killed is noted
		state   string
		found   string
		goingOn string
	}{
		"on the way up, undone": {
			"1", `INSERT INTO schema_migrations VALUES (4, true)`, "broke off",
			"a migration to version 4 was begun and has not ended; by its records the schema is whole at version 3", "; going on from version 3",
		},
		"on the way up, done": {
			"", `INSERT INTO schema_migrations VALUES (4, true)`, "done, not noted",
			"a migration to version 4 is done, and was not noted as done", "; going on from version 4",
		},
		"on the way down, undone": {
			"", `INSERT INTO schema_migrations VALUES (3, true)`, "broke off",
			"a migration to version 3 was begun and has not ended; by its records the schema is whole at version 4", "; going on from version 4",
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
			if want := c.found + c.goingOn + "\nschema version 4 of 4\n"; code != 0 || said != want || strings.Count(table, "applied\n") != 4 {
				t.Errorf("up: exit code %d, and it said\n%s\nwant\n%s", code, said, want)
			}
			if code, _, said = o.plain(t, "migrate", "up"); code != 0 || said != "schema version 4 of 4\n" {
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
