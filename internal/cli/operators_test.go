package cli_test

import (
	"bytes"
	"encoding/json"
	"os/user"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/cli"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// commands are run over the stores that an environment names.
type commands struct{ environ []string }

func (o commands) must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), cli.Process{
		Args: append(args, "--output", "json"), Environ: o.environ, Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr,
	})
	if code != 0 {
		t.Fatalf("%v: exit code %d, %s", args, code, &stderr)
	}
	return stdout.String()
}

// onBoth runs a test over an empty embedded store and over Postgres.
func onBoth(t *testing.T, test func(*testing.T, commands)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, commands{[]string{"MINTMARK_DATA_DIR=" + t.TempDir()}})
	})
	t.Run("production", func(t *testing.T) {
		t.Parallel()
		test(t, commands{[]string{
			"MINTMARK_DATABASE_URL=" + testserver.Postgres(t),
			"MINTMARK_REDIS_URL=redis://127.0.0.1:1", // operators need none
			"MINTMARK_ISSUER=https://auth.example.com",
			"MINTMARK_ROOT_SECRET=1:7xoUYC03xBXivWThN3bdbOscz/i44SZyy5zeCCvlaaM=",
		}})
	})
}

func TestWhatOperatorsDoIsOnRecord(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o commands) {
		o.must(t, "", "migrate", "up")
		var ada struct{ ID string }
		if err := json.Unmarshal([]byte(o.must(t, "plum anchor velvet tides\n", "users", "create", "ada", "--email", "ada@example.com")), &ada); err != nil {
			t.Fatal(err)
		}
		o.must(t, "", "users", "disable", "ADA")
		o.must(t, "", "users", "enable", ada.ID)
		o.must(t, "slate kettle brass morning\n", "users", "set-password", "ada")
		o.must(t, "", "sessions", "revoke", "--user", "ada")
		o.must(t, "", "users", "delete", "ada", "--yes")
		o.must(t, "", "clients", "disable", "first-party")
		o.must(t, "", "clients", "enable", "first-party")
		if got := o.must(t, "", "users", "show", ada.ID); !strings.Contains(got, `"state": "deleted"`) {
			t.Errorf("the tombstone is shown as %s", got)
		}

		want := []string{
			"user.created " + ada.ID, "user.disabled " + ada.ID, "user.enabled " + ada.ID,
			"user.password-changed " + ada.ID, "user.sessions-ended " + ada.ID, "user.deleted " + ada.ID,
			"client.disabled first-party", "client.enabled first-party",
		}
		if diff := cmp.Diff(o.events(t), want); diff != "" {
			t.Errorf("on record (-got +want):\n%s", diff)
		}
	})
}

// events are those of the operator who runs this, the oldest first.
func (o commands) events(t *testing.T) []string {
	t.Helper()
	cfg, err := config.Load(nil, o.environ, nil)
	if err != nil {
		t.Fatal(err)
	}
	stores, err := app.OpenStores(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stores.Close()
	events, err := stores.Events.Events(t.Context(), audit.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range slices.Backward(events) {
		if e.Actor == audit.ByOperator(self.Username) {
			lines = append(lines, string(e.Kind)+" "+e.UserID+e.ClientID)
		}
	}
	return lines
}
