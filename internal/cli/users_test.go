package cli_test

import (
	"bytes"
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
	data := t.TempDir()
	o := commands{[]string{"MINTMARK_DATA_DIR=" + data}}
	o.must(t, "", "migrate", "up")
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(data, "mintmark.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	add := func(name, address string) string {
		id := uuid.Must(uuid.NewV7()).String()
		u := user.User{ID: id, Username: name, Email: address, PasswordHash: "hash"}
		if _, err := store.CreateUser(t.Context(), u, audit.New(audit.UserRegistered, audit.ByUser(id))); err != nil {
			t.Fatal(err)
		}
		return id
	}
	owner, stranger := add("alice", "alice@example.com"), add("alice@example.com", "mallory@example.com")

	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), cli.Process{
		Args: []string{"users", "disable", "alice@example.com", "--yes"}, Environ: o.environ,
		Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
	})
	want := fmt.Sprintf("mintmark: user %q is ambiguous; use the id: `mintmark users show %s` shows the user of that name, `mintmark users show %s` the one with that address\n",
		"alice@example.com", stranger, owner)
	if code != 2 || stderr.String() != want || stdout.Len() > 0 {
		t.Errorf("exit code %d, %q; want 2, %q", code, stderr.String(), want)
	}
	for _, id := range []string{owner, stranger} {
		if got := o.must(t, "", "users", "show", id); !strings.Contains(got, `"state": "active"`) {
			t.Errorf("it was changed: %s", got)
		}
	}
}
