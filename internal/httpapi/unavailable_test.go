package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
)

// verbs are requests that need a store, each worth something.
func (s *stage) verbs(t *testing.T) map[string]func() *httptest.ResponseRecorder {
	t.Helper()
	mine, other := s.login(t, "alice"), s.login(t, "alice")
	pair := map[string]string{"accessToken": mine.Access, "refreshToken": mine.Refresh}
	end := func(path string) *httptest.ResponseRecorder {
		return s.ask(t, asked{method: "DELETE", path: path, typ: jsonBody, body: encode(t, pair)})
	}
	sid := s.sessionOf(t, other)
	return map[string]func() *httptest.ResponseRecorder{
		"register": func() *httptest.ResponseRecorder {
			return s.post(t, "register", map[string]string{"username": "carol", "email": "carol@example.com", "password": password})
		},
		"login":         func() *httptest.ResponseRecorder { return s.post(t, "login", credentials("alice")) },
		"refresh":       func() *httptest.ResponseRecorder { return s.post(t, "refresh-token", pair) },
		"token":         func() *httptest.ResponseRecorder { return s.grant(t, "/oauth/token", refreshForm(mine.Refresh)) },
		"list sessions": func() *httptest.ResponseRecorder { return s.bearer(t, mine.Access) },
		"end a session": func() *httptest.ResponseRecorder { return end(sessionsPath + "/" + sid) },
		"end others":    func() *httptest.ResponseRecorder { return end(sessionsPath) },
		"logout":        func() *httptest.ResponseRecorder { return s.post(t, "logout", pair) },
		"revoke": func() *httptest.ResponseRecorder {
			return s.grant(t, "/oauth/revoke", "client_id=first-party&token="+mine.Refresh)
		},
	}
}

// sessionOf is the session of tokens, as its own listing says.
func (s *stage) sessionOf(t *testing.T, of tokens) string {
	t.Helper()
	for _, one := range listed(t, s.bearer(t, of.Access)) {
		if one.Current {
			return one.ID
		}
	}
	t.Fatal("the session is not listed")
	return ""
}

func TestWithoutItsStoreTheAuthorityNeitherGrantsNorRefuses(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	verbs := s.verbs(t)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	for verb, ask := range verbs {
		wantUnavailable(t, verb, ask())
	}
	if !strings.Contains(s.log.String(), `level=ERROR msg="request not served"`) {
		t.Errorf("the log says nothing of it:\n%s", s.log)
	}
	for _, path := range []string{"/.well-known/jwks.json", "/oauth/status-lists/0", "/readyz", "/livez", "/openapi.yaml"} {
		if got := s.ask(t, asked{method: "GET", path: path}); got.Code != http.StatusOK {
			t.Errorf("%s meanwhile: %d %s", path, got.Code, got.Body)
		}
	}
}

// TestNothingIsSaidToBeDoneThatCouldNotBeStored breaks one statement at a time.
func TestNothingIsSaidToBeDoneThatCouldNotBeStored(t *testing.T) {
	t.Parallel()
	for statement, verbs := range map[string][]string{
		"INSERT ON users":    {"register"},
		"INSERT ON sessions": {"login"},
		"UPDATE ON sessions": {"refresh", "token", "logout", "revoke", "end a session", "end others"},
		"INSERT ON events":   {"register", "login", "logout", "revoke", "end a session", "end others"},
	} {
		s := newStage(t, nil)
		ask := s.verbs(t)
		s.breakAt(t, statement)
		for _, verb := range verbs {
			wantUnavailable(t, verb+" where every "+statement+" fails", ask[verb]())
		}
	}
}

// TestAReplayWhoseRevocationFailsIsUnavailable: invalid_grant would say that the session has ended.
func TestAReplayWhoseRevocationFailsIsUnavailable(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	first := s.login(t, "alice")
	pair := map[string]string{"accessToken": first.Access, "refreshToken": first.Refresh}
	second := granted(t, s.post(t, "refresh-token", pair))
	s.clock.pass(31 * time.Second) // beyond the grace
	s.refreshKeys(t)
	s.breakAt(t, "INSERT ON events")
	wantUnavailable(t, "a replay at the token endpoint", s.grant(t, "/oauth/token", refreshForm(first.Refresh)))
	wantUnavailable(t, "a replay of a pair", s.post(t, "refresh-token", pair))
	if got := s.bearer(t, second.Access); got.Code != http.StatusOK {
		t.Errorf("the session of which nobody was told that it ended: %d %s", got.Code, got.Body)
	}
}

func (s *stage) refreshKeys(t *testing.T) {
	t.Helper()
	if err := s.keys.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// lost is a store of limits that can't be reached.
type lost struct{}

func (lost) Take(context.Context, string, ratelimit.Rate) (ratelimit.Decision, error) {
	return ratelimit.Decision{}, errors.New("dial tcp 10.0.0.1:6379: disk and sql")
}

// TestALimitThatCannotBeCountedIsNotWaived: guessing passwords must not become free.
func TestALimitThatCannotBeCountedIsNotWaived(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *httpapi.Config) { c.Rates, c.Limits, c.LocalLimits = rates(9), lost{}, lost{} })
	for _, r := range knownRoutes() {
		if r.spends != "" {
			wantUnavailable(t, r.method+" "+r.path, s.ask(t, r.request()))
		}
	}
}

func TestWithoutKeysNothingIsPublishedOrGranted(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *httpapi.Config) {
		c.Keys = keyring.New(nil, nil, keyPolicy(), keyring.DatabaseClock{})
		c.Authority.Keys = c.Keys
	})
	wantUnavailable(t, "JWKS", s.ask(t, asked{method: "GET", path: "/.well-known/jwks.json"}))
	wantUnavailable(t, "login", s.post(t, "login", credentials("alice")))
}

func TestABearerUnderARevokedKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	before := s.login(t, "alice")
	if got := s.bearer(t, before.Access); got.Code != http.StatusOK {
		t.Fatalf("before: %d %s", got.Code, got.Body)
	}
	order := keyring.Order{By: audit.ByOperator("root"), Why: "leaked", Confirm: func(keyring.Switch) error { return nil }, Waiting: func(keyring.Switch, time.Duration) {}}
	if _, err := s.keys.Revoke(t.Context(), s.keys.Outlook().Signing, 0, order); err != nil {
		t.Fatal(err)
	}
	s.refreshKeys(t)
	const want = `{"message":"Invalid access token.","data":null,"statusCode":401,"code":"invalid_access_token"}`
	got := s.bearer(t, before.Access)
	wantAnswer(t, "under the revoked key", got, http.StatusUnauthorized, want)
	if challenge := got.Header().Get("WWW-Authenticate"); !strings.Contains(challenge, `error="invalid_token"`) {
		t.Errorf("WWW-Authenticate %q", challenge)
	}
	after := s.login(t, "alice")
	if got := s.bearer(t, after.Access); got.Code != http.StatusOK {
		t.Errorf("under the key that follows: %d %s", got.Code, got.Body)
	}
	pair := map[string]string{"accessToken": before.Access, "refreshToken": before.Refresh}
	if got := s.post(t, "refresh-token", pair); got.Code != http.StatusOK { // its signature proves nothing, but the refresh token does
		t.Errorf("a pair under the revoked key: %d %s", got.Code, got.Body)
	}
}

// TestAnEventKnowsItsRequest: who reads a complaint finds the event by the id of the answer.
func TestAnEventKnowsItsRequest(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	long := strings.Repeat("a", 253) + "€€" // 259 octets
	for sent, want := range map[string]string{
		agent:                           agent,
		"":                              "",
		strings.Repeat("b", 256):        strings.Repeat("b", 256),
		strings.Repeat("b", 257):        strings.Repeat("b", 256),
		long:                            long[:256],
		strings.Repeat("a", 254) + "€€": strings.Repeat("a", 254),
		"\xff\xfe":                      "?",
	} {
		got := s.ask(t, asked{
			method: "POST", path: "/api/authentication/login", typ: jsonBody, body: encode(t, credentials("alice")),
			from: "[2001:db8::7]", header: http.Header{"User-Agent": {sent}},
		})
		if got.Code != http.StatusOK {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		events, err := s.store.Events(t.Context(), audit.Query{RequestID: got.Header().Get("X-Request-Id"), Limit: 10})
		if err != nil || len(events) != 1 {
			t.Fatalf("%d events of the request, %v; want one", len(events), err)
		}
		if e := events[0]; e.Kind != audit.SessionStarted || e.Address != "2001:db8::7" || e.UserAgent != want {
			t.Errorf("%s from %s by %q; want it from 2001:db8::7 by %q", e.Kind, e.Address, e.UserAgent, want)
		}
		if started, err := s.store.SessionByID(t.Context(), events[0].SessionID); err != nil || started.Address != "2001:db8::7" || started.UserAgent != want {
			t.Errorf("a session from %s by %q, %v; want it from 2001:db8::7 by %q", started.Address, started.UserAgent, err, want)
		}
	}
}

// TestAClientDisabledThisMomentIsReportedAsDisabled, before this replica has read of it.
func TestAClientDisabledThisMomentIsReportedAsDisabled(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	mine := s.login(t, "alice")
	body := encode(t, map[string]string{"accessToken": mine.Access, "refreshToken": mine.Refresh})
	if err := s.store.DisableClient(t.Context(), client.FirstParty, audit.New(audit.ClientDisabled, audit.ByOperator("root"))); err != nil {
		t.Fatal(err)
	}
	const off = `{"message":"This API is switched off.","data":null,"statusCode":403,"code":"switched_off"}`
	for _, a := range []asked{
		{method: "POST", path: "/api/authentication/refresh-token"},
		{method: "DELETE", path: sessionsPath},
		{method: "DELETE", path: sessionsPath + "/01935b7e-0000-7000-8000-000000000000"},
	} {
		a.typ, a.body = jsonBody, body
		wantAnswer(t, a.method+" "+a.path, s.ask(t, a), http.StatusForbidden, off)
	}
	wantAnswer(t, "token", s.grant(t, "/oauth/token", refreshForm(mine.Refresh)), http.StatusUnauthorized, oauthError("invalid_client", badClient))
}
