package e2e_test

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
)

func refreshAttacks() []attack {
	return []attack{
		{"REF-01", "the first token again after grace", reuseAfterGrace},
		{"REF-02", "fifty refreshes of one token over three replicas", refreshRace},
		{"REF-03", "the token before the last again within grace", reuseOfGrandparent},
		{"REF-04", "the answer was lost and the client asks again", lostAnswer},
		{"REF-06", "another client's token, and wrong ways to be a client", foreignClient},
		{"REF-07", "a wider scope", widerScope},
		{"REF-08", "a token of a user, client or session that is over", refreshAfterTheEnd},
		{"REF-09", "a token past its idle or absolute lifetime", refreshAfterLifetime},
		{"REF-11", "forged tokens", forgedTokens},
		{"REF-12", "Redis forgot, the owner comes with a newer token", ownerAfterRollback},
		{"REF-13", "Redis forgot, a thief comes with an old token", thiefAfterRollback},
		{"REF-14", "revocation against a refresh in flight", revokeDuringRefresh},
		{"REF-15", "tokens in a dump of the stores", dumpHoldsNoToken},
	}
}

// wantGrant and wantRefused send a refresh token to the token endpoint.
func wantGrant(t testing.TB, a *authority, what, token string) string {
	t.Helper()
	got, body := a.refreshGrant(t, token)
	if got.Status != http.StatusOK {
		t.Fatalf("%s: %d %s, want 200", what, got.Status, got.Body)
	}
	return body["refresh_token"].(string)
}

func wantRefused(t testing.TB, a *authority, what, token string) {
	t.Helper()
	got, body := a.refreshGrant(t, token)
	if got.Status != http.StatusBadRequest || body["error"] != "invalid_grant" {
		t.Errorf("%s: %d %s, want 400 invalid_grant", what, got.Status, got.Body)
	}
}

// wantEvent waits for an event of the session: some are written in batches.
func wantEvent(t testing.TB, a *authority, kind audit.Kind, sid string) audit.Event {
	t.Helper()
	events := a.stores(t).Events
	var found []audit.Event
	eventually(t, func() bool {
		var err error
		found, err = events.Events(t.Context(), audit.Query{Kind: kind, SessionID: sid, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return len(found) > 0
	})
	return found[0]
}

func reuseAfterGrace(t *testing.T, _ *authority) {
	c := newCluster(t)
	a := c.startReplica(t)
	a.register(t, testUser)
	first := a.login(t, testUser)
	second, _ := a.refresh(t, first)
	rotated := strings.Fields(c.rotation(t, first))[:4] // without the stamps of the clocks, as an earlier version leaves it
	at, err := strconv.ParseInt(rotated[2], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	rotated[2] = strconv.FormatInt(at-(30*time.Second).Milliseconds(), 10) // grace is over now
	c.setRotation(t, first, strings.Join(rotated, " "))

	wantRefused(t, a, "the first token after grace", first.Refresh)
	wantRefused(t, a, "its successor", second.Refresh)
	if _, got := a.refresh(t, second); got.Status != http.StatusBadRequest {
		t.Errorf("the pair: %d, want 400", got.Status)
	}
	event := wantEvent(t, a, audit.SessionReplayed, sessionOf(t, first))
	if event.Address == "" || event.Detail["login_address"] == "" {
		t.Errorf("the event lacks an address: %+v", event)
	}

	strict := startEmbedded(t, "MINTMARK_REFRESH_GRACE=0s")
	strict.register(t, testUser)
	once := strict.login(t, testUser)
	next := wantGrant(t, strict, "a refresh", once.Refresh)
	wantRefused(t, strict, "a token again without grace", once.Refresh)
	wantRefused(t, strict, "its successor", next)
}

func refreshRace(t *testing.T, _ *authority) {
	c := newCluster(t)
	replicas := []*authority{c.startReplica(t), c.startReplica(t), c.startReplica(t)}
	replicas[0].register(t, testUser)
	p := replicas[0].login(t, testUser)
	answers, successors := race(t, replicas, p, 50)
	for _, got := range answers {
		if got.Status != http.StatusOK {
			t.Errorf("%d %s, want 200", got.Status, got.Body)
		}
	}
	if len(successors) != 1 {
		t.Fatalf("%d distinct successors, want 1", len(successors))
	}
	for only := range maps.Keys(successors) {
		wantGrant(t, replicas[1], "the one successor", only)
	}
}

func reuseOfGrandparent(t *testing.T, a *authority) {
	a.register(t, "ref03")
	first := a.login(t, "ref03").Refresh
	second := wantGrant(t, a, "first", first)
	third := wantGrant(t, a, "second", second)
	wantRefused(t, a, "the token before the last", first)
	wantRefused(t, a, "the newest", third)
}

func lostAnswer(t *testing.T, a *authority) {
	a.register(t, "ref04")
	first := a.login(t, "ref04").Refresh
	second := wantGrant(t, a, "first", first)
	for range 3 {
		if again := wantGrant(t, a, "first again", first); again != second {
			t.Fatal("a repeat gave another successor")
		}
	}
	third := wantGrant(t, a, "second", second)
	if again := wantGrant(t, a, "second again", second); again != third {
		t.Fatal("a repeat gave another successor")
	}
}

func foreignClient(t *testing.T, _ *authority) {
	c := newCluster(t)
	a := c.startReplica(t)
	c.exec(t, `INSERT INTO clients (id, name, kind, grant_types, rotation, allow_skip, created_at)
		VALUES ('other', 'Another public client', 'public', ARRAY['refresh_token'], 'always', false, now())`)
	a.register(t, testUser)
	token := a.login(t, testUser).Refresh
	send := func(parameters ...string) (answer, map[string]any) {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
		for i := 0; i < len(parameters); i += 2 {
			form.Set(parameters[i], parameters[i+1])
		}
		return a.form(t, "/oauth/token", form)
	}
	eventually(t, func() bool { // the directory of clients is up to a second old
		_, body := send("client_id", "other")
		return body["error"] == "invalid_grant"
	})
	for name, parameters := range map[string][]string{
		"no client": {}, "an unknown client": {"client_id", "nobody"}, "a secret of a client that has none": {"client_id", client.FirstParty, "client_secret", "x"},
	} {
		if got, body := send(parameters...); got.Status != http.StatusUnauthorized || body["error"] != "invalid_client" {
			t.Errorf("%s: %d %s, want 401 invalid_client", name, got.Status, got.Body)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/oauth/token", strings.NewReader("grant_type=refresh_token&refresh_token="+token))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(client.FirstParty, "x")
	if got := do(t, req); got.Status != http.StatusUnauthorized || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("Basic: %d %q, want 401 and a challenge", got.Status, got.Header.Get("WWW-Authenticate"))
	}
	wantGrant(t, a, "the token's own client afterwards", token)
}

func widerScope(t *testing.T, a *authority) {
	a.register(t, "ref07")
	token := a.login(t, "ref07").Refresh
	for _, scope := range []string{"admin", "openid offline_access", "*"} {
		got, body := a.form(t, "/oauth/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {client.FirstParty}, "refresh_token": {token}, "scope": {scope}})
		if got.Status != http.StatusBadRequest || body["error"] != "invalid_scope" {
			t.Errorf("scope %q: %d %s, want 400 invalid_scope", scope, got.Status, got.Body)
		}
	}
	wantGrant(t, a, "without a scope afterwards", token)
}

func refreshAfterTheEnd(t *testing.T, _ *authority) {
	a := startEmbedded(t)
	stores := a.stores(t)
	ends := map[string]func(ctx context.Context, s *app.Stores, userID string) error{
		"disabled": func(ctx context.Context, s *app.Stores, id string) error {
			return s.Users.DisableUser(ctx, id, audit.New(audit.UserDisabled, audit.ByOperator("root")))
		},
		"deleted": func(ctx context.Context, s *app.Stores, id string) error {
			return s.Users.DeleteUser(ctx, id, audit.New(audit.UserDeleted, audit.ByOperator("root")))
		},
		"new-password": func(ctx context.Context, s *app.Stores, id string) error {
			return s.Users.SetPassword(ctx, id, "$argon2id$", audit.New(audit.UserPasswordChanged, audit.ByOperator("root")))
		},
		"enabled-again": func(ctx context.Context, s *app.Stores, id string) error {
			if err := s.Users.DisableUser(ctx, id, audit.New(audit.UserDisabled, audit.ByOperator("root"))); err != nil {
				return err
			}
			return s.Users.EnableUser(ctx, id, audit.New(audit.UserEnabled, audit.ByOperator("root")))
		},
	}
	for name, end := range ends {
		a.register(t, name)
		p, second := a.login(t, name), a.login(t, name)
		if err := end(t.Context(), stores, claimsOf(t, p.Access)["sub"].(string)); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, a, "user "+name, p.Refresh)
		if _, got := a.refresh(t, second); got.Status != http.StatusBadRequest {
			t.Errorf("user %s, another session: %d, want 400", name, got.Status)
		}
	}
	refreshAfterRevocation(t, a)
	refreshOfDisabledClient(t, a, stores)
}

func refreshAfterRevocation(t *testing.T, a *authority) {
	t.Helper()
	a.register(t, "revoked")
	p, loggedOut, untouched := a.login(t, "revoked"), a.login(t, "revoked"), a.login(t, "revoked")
	if got, _ := a.form(t, "/oauth/revoke", url.Values{"client_id": {client.FirstParty}, "token": {p.Refresh}}); got.Status != http.StatusOK {
		t.Fatalf("revoke: %d", got.Status)
	}
	if got, _ := a.firstParty(t, "logout", map[string]string{"accessToken": loggedOut.Access, "refreshToken": loggedOut.Refresh}); got.Status != http.StatusOK {
		t.Fatalf("log out: %d", got.Status)
	}
	wantRefused(t, a, "a revoked session", p.Refresh)
	wantRefused(t, a, "a session that was logged out", loggedOut.Refresh)
	wantGrant(t, a, "another session of the user", untouched.Refresh)
}

// refreshOfDisabledClient: a disabled client is no client (RFC 6749 §5.2), and its
// sessions are over when it comes back.
func refreshOfDisabledClient(t *testing.T, a *authority, stores *app.Stores) {
	t.Helper()
	a.register(t, "clientless")
	p := a.login(t, "clientless")
	if err := stores.Clients.DisableClient(t.Context(), client.FirstParty, audit.New(audit.ClientDisabled, audit.ByOperator("root"))); err != nil {
		t.Fatal(err)
	}
	if got, body := a.refreshGrant(t, p.Refresh); got.Status/100 != 4 || body["refresh_token"] != nil {
		t.Errorf("a disabled client: %d %s, want a refusal at once", got.Status, got.Body)
	}
	eventually(t, func() bool {
		got, body := a.refreshGrant(t, p.Refresh)
		_, pairAnswer := a.refresh(t, p)
		return got.Status == http.StatusUnauthorized && body["error"] == "invalid_client" && pairAnswer.Status == http.StatusForbidden
	})
	if err := stores.Clients.EnableClient(t.Context(), client.FirstParty, audit.New(audit.ClientEnabled, audit.ByOperator("root"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		got, body := a.refreshGrant(t, p.Refresh)
		if got.Status == http.StatusOK {
			t.Fatal("a session came back with its client")
		}
		return body["error"] == "invalid_grant"
	})
}

func refreshAfterLifetime(t *testing.T, _ *authority) {
	c := newCluster(t)
	a := c.startReplica(t)
	a.register(t, testUser)
	p, idle := a.login(t, testUser), a.login(t, testUser)
	p.Refresh = wantGrant(t, a, "before the end", p.Refresh)
	c.exec(t, `UPDATE sessions SET absolute_expiry = now() - interval '1 millisecond' WHERE id = $1`, sessionOf(t, p))
	wantRefused(t, a, "past the absolute lifetime", p.Refresh)

	idle.Refresh = wantGrant(t, a, "before the idle lifetime", idle.Refresh)
	c.exec(t, `UPDATE clients SET idle_ttl = 1 WHERE id = $1`, client.FirstParty) // a microsecond
	eventually(t, func() bool {                                                   // the directory of clients is up to a second old
		got, body := a.refreshGrant(t, idle.Refresh)
		if got.Status == http.StatusOK {
			idle.Refresh = body["refresh_token"].(string)
		}
		return got.Status == http.StatusBadRequest && body["error"] == "invalid_grant"
	})
	c.exec(t, `UPDATE clients SET idle_ttl = NULL WHERE id = $1`, client.FirstParty)
	eventually(t, func() bool { // expiry revoked nothing
		got, _ := a.refreshGrant(t, idle.Refresh)
		return got.Status == http.StatusOK
	})
	wantRefused(t, a, "past the absolute lifetime, again", p.Refresh)
}

func revokeDuringRefresh(t *testing.T, _ *authority) {
	c := newCluster(t)
	replicas := []*authority{c.startReplica(t), c.startReplica(t)}
	replicas[0].register(t, testUser)
	for i := range 100 {
		p := replicas[0].login(t, testUser)
		alive := []string{p.Refresh}
		var wg sync.WaitGroup
		wg.Go(func() {
			if got, body := replicas[i%2].refreshGrant(t, p.Refresh); got.Status == http.StatusOK {
				alive = append(alive, body["refresh_token"].(string))
			}
		})
		wg.Go(func() {
			got, _ := replicas[1].form(t, "/oauth/revoke", url.Values{"client_id": {client.FirstParty}, "token": {p.Refresh}})
			if got.Status != http.StatusOK {
				t.Errorf("revoke: %d %s", got.Status, got.Body)
			}
		})
		wg.Wait()
		for _, token := range slices.Backward(alive) {
			wantRefused(t, replicas[i%2], "after the revocation was answered", token)
		}
	}
}
