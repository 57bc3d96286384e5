package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// ownSession is a session as the API lists it.
type ownSession struct {
	ID, Client, CreatedAt, LastSeenAt, Address, UserAgent string
	Current                                               bool
}

// listOwn lists the sessions behind an access token; nil when it is refused.
func (a *authority) listOwn(t testing.TB, path, authorization string) (answer, []ownSession) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	got := do(t, req)
	var body struct {
		Message    string
		StatusCode int
		Data       *struct{ Sessions []ownSession }
	}
	if err := json.Unmarshal(got.Body, &body); err != nil || body.StatusCode != got.Status {
		t.Fatalf("list sessions: %d %q: %v", got.Status, got.Body, err)
	}
	if body.Data == nil {
		return got, nil
	}
	return got, body.Data.Sessions
}

// end ends a session, or all others, and wants that answer.
func (a *authority) end(t testing.TB, path string, p pair, status int, message string) {
	t.Helper()
	got := send(t, http.MethodDelete, a.URL+path, "application/json", pairBody(p))
	want := fmt.Sprintf(`{"message":%q,"data":null,"statusCode":%d`, message, status)
	if got.Status != status || !strings.HasPrefix(string(got.Body), want) {
		t.Errorf("DELETE %s: %d %s, want %d %s", path, got.Status, got.Body, status, want)
	}
}

const sessionsPath = "/api/authentication/sessions"

func TestAUserSeesAndEndsTheirSessions(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	a.register(t, testUser)
	a.register(t, "bob")
	mine, lost, other, bobs := a.login(t, testUser), a.login(t, testUser), a.login(t, testUser), a.login(t, "bob")

	got, listed := a.listOwn(t, "/API/Authentication/SESSIONS", "bearer  "+mine.Access)
	if got.Status != http.StatusOK || len(listed) != 3 {
		t.Fatalf("list: %d %s, want three sessions", got.Status, got.Body)
	}
	for i, p := range []pair{other, lost, mine} {
		want := ownSession{
			ID: sessionOf(t, p), Client: "first-party", CreatedAt: listed[i].CreatedAt, LastSeenAt: listed[i].CreatedAt,
			Address: "127.0.0.1", UserAgent: "Go-http-client/1.1", Current: p == mine,
		}
		if diff := cmp.Diff(listed[i], want); diff != "" {
			t.Errorf("session %d (-got +want):\n%s", i, diff)
		}
	}

	a.end(t, sessionsPath+"/"+strings.ToUpper(sessionOf(t, lost)), mine, 200, "Session ended successfully.")
	for _, sid := range []string{sessionOf(t, bobs), strangeSID, "garbage", "%00", "%ff"} {
		a.end(t, sessionsPath+"/"+sid, mine, 404, "No such session.")
	}
	a.end(t, sessionsPath, mine, 200, "All other sessions ended successfully.")
	for _, p := range []pair{lost, other} {
		if _, got := a.refresh(t, p); got.Status != http.StatusBadRequest {
			t.Errorf("a session that was ended refreshes: %d", got.Status)
		}
		a.end(t, sessionsPath, p, 400, "Invalid access token or refresh token.")
		if got, _ := a.listOwn(t, sessionsPath, "Bearer "+p.Access); got.Status != http.StatusUnauthorized {
			t.Errorf("a session that was ended lists: %d", got.Status)
		}
	}
	for _, p := range []pair{mine, bobs} {
		if _, got := a.refresh(t, p); got.Status != http.StatusOK {
			t.Errorf("a session that was to stay: %d %s", got.Status, got.Body)
		}
	}
	if s, err := a.stores(t).Sessions.SessionByID(t.Context(), sessionOf(t, lost)); err != nil || s.RevokeReason != session.ReasonElsewhere {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestAListingWithoutAGoodTokenIsChallengedByRFC6750(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	a.register(t, testUser)
	p := a.login(t, testUser)
	const realm = `Bearer realm="mintmark"`
	for name, c := range map[string]struct{ path, authorization, challenge string }{
		"no token":           {sessionsPath, "", realm},
		"a token in the URL": {sessionsPath + "?access_token=" + p.Access, "", realm},
		"another scheme":     {sessionsPath, "Basic " + p.Access, realm},
		"an empty token":     {sessionsPath, "Bearer ", realm},
		"a refresh token":    {sessionsPath, "Bearer " + p.Refresh, realm + `, error="invalid_token"`},
		"a broken token":     {sessionsPath, "Bearer " + p.Access[1:], realm + `, error="invalid_token"`},
	} {
		got, _ := a.listOwn(t, c.path, c.authorization)
		challenge, _, _ := strings.Cut(got.Header.Get("WWW-Authenticate"), ", error_description")
		if got.Status != http.StatusUnauthorized || challenge != c.challenge {
			t.Errorf("%s: %d %s %s, want 401 %s", name, got.Status, got.Header.Get("WWW-Authenticate"), got.Body, c.challenge)
		}
	}
}

func TestAPageOfAListedOriginMayAskForAllMethodsOfAPath(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t, "MINTMARK_CORS_ORIGINS=https://app.example.com")
	for path, want := range map[string]string{sessionsPath: "GET, DELETE", sessionsPath + "/" + strangeSID: "DELETE"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, a.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://app.example.com")
		req.Header.Set("Access-Control-Request-Method", "DELETE")
		got := do(t, req)
		if got.Status != http.StatusNoContent || got.Header.Get("Access-Control-Allow-Methods") != want {
			t.Errorf("%s: %d %q, want 204 %q", path, got.Status, got.Header.Get("Access-Control-Allow-Methods"), want)
		}
	}
}

func TestEveryVerdictIsCountedFromTheStart(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	metrics := string(send(t, http.MethodGet, a.Ops+"/metrics", "", "").Body)
	for _, verdict := range session.Verdicts() {
		if line := fmt.Sprintf("mintmark_refresh_verdicts_total{verdict=%q} 0\n", verdict); !strings.Contains(metrics, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}
