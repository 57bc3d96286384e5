package e2e_test

import (
	"net/http"
	"net/url"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestWhatARestoredDatabaseKeepsAndLoses is what the runbook and the pages say of a database
// that is restored from a backup, beside the Redis of today.
func TestWhatARestoredDatabaseKeepsAndLoses(t *testing.T) {
	t.Parallel()
	server := testserver.StartPostgres(t)
	c := newClusterOn(t, server.URL())
	serve := func() *process {
		t.Helper()
		return spawn(t, c.settings()...)
	}
	stop := func(p *process) {
		t.Helper()
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := p.wait(t); err != nil {
			t.Fatal(err)
		}
	}
	a := serve()
	a.register(t, testUser)
	kept, renewed, ended, cut := a.login(t, testUser), a.login(t, testUser), a.login(t, testUser), a.login(t, testUser)
	stop(a)
	backUp(t, server.URL(), "backup")
	forgetStandby(t, withDatabase(t, server.URL(), "backup"))

	a = serve()
	command(t, ground{settings: c.settings()}, mintmark(t), 0, "keys", "rotate", "--emergency", "--why", "a test of backups", "--yes")
	before := kidOf(t, kept)
	eventually(t, func() bool { return kidOf(t, a.login(t, testUser)) != before })
	renewed, got := a.refresh(t, renewed)
	wantStatus(t, "a refresh after the backup", got, http.StatusOK)
	young := a.login(t, testUser)
	a.logout(t, ended)
	a.logout(t, cut)
	stop(a)

	c.Postgres = withDatabase(t, server.URL(), "backup")
	command(t, ground{settings: c.settings()}, mintmark(t), 0, "sessions", "revoke", sessionOf(t, cut), "--yes")
	a = serve()
	// A pair of before the backup goes on.
	_, got = a.refresh(t, kept)
	wantStatus(t, "a pair from before the backup", got, http.StatusOK)
	// A pair whose access token a younger key signed is refused by the JSON API, which can't tell that it
	// is ours; nothing changes, and the refresh token alone is good.
	_, got = a.refresh(t, renewed)
	wantStatus(t, "a pair of a key younger than the backup", got, http.StatusBadRequest)
	if got, _ := a.refreshGrant(t, renewed.Refresh); got.Status != http.StatusOK {
		t.Errorf("its refresh token alone: %d %s", got.Status, got.Body)
	}
	// A session younger than the backup is gone.
	if got, _ := a.refreshGrant(t, young.Refresh); got.Status != http.StatusBadRequest {
		t.Errorf("a session younger than the backup: %d %s", got.Status, got.Body)
	}
	// A session that ended after the backup is back, unless the step of the runbook was taken.
	if got, _ := a.refreshGrant(t, ended.Refresh); got.Status != http.StatusOK {
		t.Errorf("a session that ended after the backup: %d %s", got.Status, got.Body)
	}
	if got, _ := a.refreshGrant(t, cut.Refresh); got.Status != http.StatusBadRequest {
		t.Errorf("one that was ended again: %d %s", got.Status, got.Body)
	}
}

// kidOf is the key that signed the access token.
func kidOf(t *testing.T, p pair) string {
	t.Helper()
	var header struct{ Kid string }
	decodePart(t, p.Access, 0, &header)
	return header.Kid
}

func wantStatus(t *testing.T, what string, got answer, want int) {
	t.Helper()
	if got.Status != want {
		t.Errorf("%s: %d %s, want %d", what, got.Status, got.Body, want)
	}
}

// backUp copies the database of a server under a name. Nobody may be using it.
func backUp(t *testing.T, postgres, name string) {
	t.Helper()
	config, err := pgx.ParseConfig(postgres)
	if err != nil {
		t.Fatal(err)
	}
	original := config.Database
	config.Database = "template1"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `CREATE DATABASE `+name+` TEMPLATE `+pgx.Identifier{original}.Sanitize()); err != nil {
		t.Fatal(err)
	}
}

// forgetStandby makes a backup one that was taken before the standby was made.
func forgetStandby(t *testing.T, postgres string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `ALTER TABLE signing_keys DISABLE TRIGGER ALL; DELETE FROM signing_keys WHERE activates_at > clock_timestamp(); ALTER TABLE signing_keys ENABLE TRIGGER ALL`); err != nil {
		t.Fatal(err)
	}
}

func withDatabase(t *testing.T, postgres, name string) string {
	t.Helper()
	u, err := url.Parse(postgres)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}
