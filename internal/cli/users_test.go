package cli_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/cli"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/user"
)

func TestAWordThatNamesTwoUsersIsABadArgument(t *testing.T) {
	t.Parallel()
	o, add := directory(t)
	owner, stranger := add("alice", "alice@example.com"), add("mallory", "mallory@example.com")
	o.execute(t, `DROP TRIGGER users_keep_changed_logins_apart`) // the database held such a name before there was one
	o.execute(t, `UPDATE users SET username = 'alice@example.com', username_canonical = 'alice@example.com' WHERE username = 'mallory'`)

	code, said := o.run(t, "users", "disable", "alice@example.com", "--yes")
	want := fmt.Sprintf("mintmark: user %q is ambiguous; use the id: `mintmark users show %s` shows the user of that name, `mintmark users show %s` the one with that address\n",
		"alice@example.com", stranger, owner)
	if code != 2 || said != want {
		t.Errorf("exit code %d, %q; want 2, %q", code, said, want)
	}
	for _, id := range []string{owner, stranger} {
		if got := o.must(t, "", "users", "show", id); !strings.Contains(got, `"state": "active"`) {
			t.Errorf("it was changed: %s", got)
		}
	}
}

// TestNoCommandTakesANameForTheIDOfAnother, nor an id for another's name: each asks for --id or
// --name, and does with them what it does without them where nothing is in doubt.
func TestNoCommandTakesANameForTheIDOfAnother(t *testing.T) {
	t.Parallel()
	const unknown = "01935b7e-0000-7000-8000-000000000000"
	o, add := directory(t)
	for name, args := range map[string][]string{
		"show": {"users", "show"}, "disable": {"users", "disable", "--yes"}, "enable": {"users", "enable"},
		"delete": {"users", "delete", "--yes"}, "set-password": {"users", "set-password"},
		"list sessions": {"sessions", "list", "--user"}, "revoke sessions": {"sessions", "revoke", "--yes", "--user"},
	} {
		t.Run(name, func(t *testing.T) {
			victim := add("victim", "victim@example.com")
			mallory := add(victim, "mallory@example.com")
			before := o.must(t, "", "users", "list")
			for _, word := range []string{victim, strings.ToUpper(victim)} {
				code, said := o.run(t, append(args, word)...)
				want := fmt.Sprintf("mintmark: user %q could be an id or a name; give --id for the user with that id, or --name for the user %s, who has that name\n", word, mallory)
				if code != 2 || said != want {
					t.Errorf("exit code %d, %q; want 2, %q", code, said, want)
				}
			}
			if code, said := o.run(t, append(args, victim, "--id", "--name")...); code != 2 || !strings.Contains(said, "exclude each other") {
				t.Errorf("with both: exit code %d, %q", code, said)
			}
			if code, said := o.run(t, append(args, unknown, "--name")...); code != 3 {
				t.Errorf("an id as a name: exit code %d, %q", code, said)
			}
			if code, said := o.run(t, append(args, "victim", "--id")...); code != 3 {
				t.Errorf("a name as an id: exit code %d, %q", code, said)
			}
			if after := o.must(t, "", "users", "list"); after != before {
				t.Errorf("something was changed: %s", after)
			}
			for flag, meant := range map[string]string{"--id": victim, "--name": mallory} {
				got := o.must(t, "plum anchor velvet tides", append(args, victim, flag)...)
				if args[0] == "users" && !strings.Contains(got, `"id": "`+meant+`"`) || args[1] == "revoke" && !strings.Contains(got, meant) {
					t.Errorf("%s: %s, want it about %s", flag, got, meant)
				}
			}
			for _, id := range []string{victim, mallory} { // the names are free for the next
				if name != "delete" {
					o.must(t, "", "users", "delete", "--yes", "--id", id)
				}
			}
		})
	}
	for _, args := range [][]string{{"sessions", "list", "--id"}, {"sessions", "revoke", unknown, "--name"}} {
		if code, said := o.run(t, args...); code != 2 || !strings.Contains(said, "--user is missing") {
			t.Errorf("%s: exit code %d, %q", args, code, said)
		}
	}
}

// directory has users that registration refuses today, and earlier versions took.
func directory(t *testing.T) (o commands, add func(name, address string) string) {
	t.Helper()
	data := t.TempDir()
	o = commands{[]string{"MINTMARK_DATA_DIR=" + data}}
	o.must(t, "", "migrate", "up")
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(data, "mintmark.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return o, func(name, address string) string {
		t.Helper()
		u := user.User{ID: uuid.Must(uuid.NewV7()).String(), Username: name, Email: address, PasswordHash: "hash"}
		if _, err := store.CreateUser(t.Context(), u, audit.New(audit.UserRegistered, audit.ByUser(u.ID))); err != nil {
			t.Fatal(err)
		}
		return u.ID
	}
}

// execute changes the database of the data directory by hand.
func (o commands) execute(t *testing.T, statement string) {
	t.Helper()
	_, data, _ := strings.Cut(o.environ[0], "=")
	handle, err := sql.Open("sqlite", "file:"+filepath.Join(data, "mintmark.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	if _, err := handle.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// run runs a command with an empty standard input, and gives its exit code and complaint.
func (o commands) run(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Run(t.Context(), cli.Process{Args: args, Environ: o.environ, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr})
	if code != 0 && stdout.Len() > 0 {
		t.Errorf("%s fails and answers %s", args, stdout.String())
	}
	return code, stderr.String()
}

// TestUsersWhoseNamesLookAlikeAreListed, page by page.
func TestUsersWhoseNamesLookAlikeAreListed(t *testing.T) {
	t.Parallel()
	o, add := directory(t)
	first := add("modern", "modern@example.com")
	o.execute(t, `UPDATE users SET skeleton = NULL`)
	second := add("modem", "modem@example.com")
	got := o.must(t, "", "users", "list", "--collisions")
	for _, want := range []string{`"id": "` + first + `"`, `"username": "modern"`, `"looks_like_id": "` + second + `"`, `"looks_like_username": "modem"`} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s in it", got, want)
		}
	}
	code, said := o.run(t, "users", "list", "--collisions", "--limit", "1")
	if want := "there may be more: mintmark users list --collisions --limit 1 --after " + first + "\n"; code != 0 || said != want {
		t.Errorf("exit code %d, %q; want %q", code, said, want)
	}
}
