package e2e_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestADatabaseThatTurnedReadOnlyStopsWhatRevocationsMustReach, and nothing else: it may be a primary
// that was demoted, and misses what is revoked at its successor. Operators learn why.
func TestADatabaseThatTurnedReadOnlyStopsWhatRevocationsMustReach(t *testing.T) {
	t.Parallel()
	server := testserver.StartPostgres(t)
	database, err := db.Postgres(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := database.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := newCluster(t)
	c.Postgres = server.URL()
	a := c.startReplica(t)
	a.register(t, testUser)
	p := a.login(t, testUser)
	at := placeOf(t, p.Access)
	held := a.askList(t, at, "", 0)
	eventually(t, func() bool { return metric(t, a, "mintmark_database_writable") == 1 })

	takeWrites(t, server.URL(), "off")
	eventually(t, func() bool { return metric(t, a, "mintmark_database_writable") == 0 })
	for name, status := range map[string]int{
		"login":   a.tryLogin(t, testUser, testPassword).Status,
		"refresh": func() int { _, got := a.refresh(t, p); return got.Status }(),
		"grant":   func() int { got, _ := a.refreshGrant(t, p.Refresh); return got.Status }(),
		"logout": func() int {
			got, _ := a.firstParty(t, "logout", map[string]string{"accessToken": p.Access, "refreshToken": p.Refresh})
			return got.Status
		}(),
	} {
		if status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d, want 503", name, status)
		}
	}
	a.awaitDoubt(t, at, held)
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration", "/readyz", "/oauth/status-lists/0"} {
		if got := send(t, http.MethodGet, a.URL+path, "", ""); got.Status != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	const note = "ready\n- the database takes no writes: its server is a standby, or no longer the primary; logins, refreshes and logouts get 503 until that is over\n"
	if got := send(t, http.MethodGet, a.Ops+"/readyz", "", ""); string(got.Body) != note {
		t.Errorf("to operators: %d %q, want %q", got.Status, got.Body, note)
	}

	takeWrites(t, server.URL(), "on")
	eventually(t, func() bool { return metric(t, a, "mintmark_database_writable") == 1 })
	next, got := a.refresh(t, p)
	if got.Status != http.StatusOK {
		t.Fatalf("a refresh afterwards: %d %s", got.Status, got.Body)
	}
	a.logout(t, next)
}

// takeWrites has a server take writes or not, as its operator or its provider would.
func takeWrites(t testing.TB, url, on string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	readOnly := map[string]string{"on": "off", "off": "on"}[on]
	for _, statement := range []string{`ALTER SYSTEM SET default_transaction_read_only = ` + readOnly, `SELECT pg_reload_conf()`} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
