package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/internal/token"
	"github.com/mintmark-auth/mintmark/internal/weather"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

func secretAttacks() []attack {
	return []attack{
		{"SEC-01", "every secret of a whole story, in logs, traces, metrics and answers", canaries},
		{"SEC-02", "a token in the URL of a resource service", tokenInURL},
		{"SEC-03", "what an answer tells while the stores are cut off", answersTellNothing},
		{"SEC-05", "counting users by their ids", idsTellNothing},
		{"SEC-06", "a million ids and tokens", nothingComesTwice},
	}
}

// canary is a password that no other text contains.
const canary = "canary-7d1f9b spreads its wings"

// canaries runs the whole life of a session against its own process, with tracing on, and
// looks for its secrets in everything that the process wrote.
func canaries(t *testing.T, _ *authority) {
	redis := testserver.StartRedis(t, "--requirepass", "canary-redis")
	for name, settings := range map[string][]string{
		"embedded": {"MINTMARK_DATA_DIR=" + filepath.Join(t.TempDir(), "data")},
		"replica": {
			"MINTMARK_DATABASE_URL=" + withPassword(t, migratedPostgres(t), "canary-postgres"),
			"MINTMARK_REDIS_URL=" + withPassword(t, redis.URL(), "canary-redis"),
			"MINTMARK_ISSUER=http://localhost:1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spans, collector := startCollector(t)
			root := secret.GenerateRoots().Encode().Reveal()
			p := spawn(t, append(settings, "MINTMARK_ROOT_SECRET="+root, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector)...)
			refused, secrets := tellStory(t, p.authority)
			metrics := send(t, http.MethodGet, p.Ops+"/metrics", "", "")
			if metrics.Status != http.StatusOK {
				t.Fatalf("metrics: %d", metrics.Status)
			}
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := p.wait(t); err != nil {
				t.Fatalf("the process ended: %v", err)
			}
			encoded := root[strings.IndexByte(root, ':')+1:]
			raw, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				t.Fatal(err)
			}
			secrets = append(secrets, "canary-", encoded, hex.EncodeToString(raw), string(raw))
			for where, text := range map[string]string{
				"log": p.Log.String(), "traces": spans.String(), "metrics": string(metrics.Body), "refusals": refused,
			} {
				if !strings.Contains(text, map[string]string{"log": "served", "traces": "http.request.method", "metrics": "mintmark_", "refusals": "invalid_grant"}[where]) {
					t.Fatalf("the %s are missing: they prove nothing: %.300q", where, text)
				}
				for _, secret := range secrets {
					if at := strings.Index(text, secret); at >= 0 {
						t.Errorf("the %s hold %q: …%q", where, secret, text[max(0, at-80):min(len(text), at+80)])
					}
				}
				for _, statement := range []string{"SELECT ", "INSERT INTO", "goroutine "} {
					if where != "log" && strings.Contains(text, statement) || strings.Contains(text, "goroutine ") {
						t.Errorf("the %s hold %q", where, statement)
					}
				}
			}
		})
	}
}

func withPassword(t testing.TB, there, password string) string {
	t.Helper()
	u, err := url.Parse(there)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String()
}

// startCollector is where traces are sent to (OTLP over HTTP).
func startCollector(t testing.TB) (*syncBuffer, string) {
	t.Helper()
	received := &syncBuffer{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Encoding") != "" {
			t.Error("the traces are compressed: they can't be searched")
		}
		_, _ = io.Copy(received, r.Body)
	}))
	t.Cleanup(server.Close)
	return received, server.URL
}

// tellStory does everything that involves a secret, and returns the answers that
// grant nothing with the secrets that were used.
func tellStory(t *testing.T, a *authority) (refused string, secrets []string) {
	t.Helper()
	var refusals strings.Builder
	post := func(path, contentType, body string) answer {
		got := send(t, http.MethodPost, a.URL+path, contentType, body)
		if got.Status != http.StatusOK {
			fmt.Fprintf(&refusals, "%v %s\n", got.Header, got.Body)
		}
		return got
	}
	json := func(verb, body string) answer { return post("/api/authentication/"+verb, "application/json", body) }
	form := func(path string, v url.Values) answer {
		return post(path, "application/x-www-form-urlencoded", v.Encode())
	}
	json("register", fmt.Sprintf(`{"username":"sec01","email":"sec01@example.com","password":%q}`, canary))
	json("register", fmt.Sprintf(`{"username":"sec01","email":"other@example.com","password":%q}`, canary))
	json("register", fmt.Sprintf(`{"username":%q,"email":%q,"password":"short"}`, canary, canary)) // typed into the wrong field
	json("login", credentials(canary, canary))
	json("login", credentials("sec01", canary+" mistyped"))
	json("login", fmt.Sprintf(`{"username":"sec01","password":%q`, canary)) // cut short
	var pairs []pair
	for range 2 {
		got := json("login", credentials("sec01", canary))
		pairs = append(pairs, pairOf(t, got))
	}
	first := pairs[0]
	for range 2 {
		next, _ := a.refresh(t, pairs[len(pairs)-1])
		pairs = append(pairs, next)
	}
	newest := pairs[len(pairs)-1]
	json("refresh-token", pairBody(pair{first.Access, newest.Refresh}))
	json("refresh-token", pairBody(pair{first.Access + "x", first.Refresh}))
	json("refresh-token", pairBody(pair{first.Access, first.Refresh + "x"}))
	json("logout", pairBody(pair{first.Refresh, first.Access}))
	form("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {newest.Refresh}, "refresh_token": {newest.Refresh}})
	form("/oauth/token", url.Values{"grant_type": {newest.Refresh}, "client_id": {"first-party"}, "password": {canary}})
	form("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"first-party"}, "refresh_token": {newest.Refresh}, "client_secret": {canary}})
	form("/oauth/token?refresh_token="+newest.Refresh, url.Values{"grant_type": {"refresh_token"}, "client_id": {"first-party"}})
	form("/oauth/revoke", url.Values{"client_id": {"first-party"}, "token": {newest.Access}})
	post("/oauth/token/"+newest.Refresh, "text/plain", newest.Refresh)
	post("/"+newest.Access+"/"+url.PathEscape(canary)+"?password="+url.QueryEscape(canary), newest.Refresh, "")
	for _, p := range []pair{pairs[1], pairs[1]} { // used already, and then its session is over: a replay
		form("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"first-party"}, "refresh_token": {p.Refresh}})
	}
	hidden(t, a, newest)
	json("logout", pairBody(first))

	for _, p := range pairs {
		secrets = append(secrets, p.Refresh, strings.TrimPrefix(p.Refresh, "mrt_"), p.Access, p.Access[strings.LastIndexByte(p.Access, '.')+1:])
		family := tokenBytes(t, p.Refresh)[2:18]
		secrets = append(secrets, string(family), hex.EncodeToString(family), base64.RawStdEncoding.EncodeToString(family))
	}
	return refusals.String(), append(secrets, "argon2id")
}

// hidden sends secrets where none are expected.
func hidden(t *testing.T, a *authority, p pair) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), p.Refresh[4:12], a.URL+"/livez", nil) // as a method
	if err != nil {
		t.Fatal(err)
	}
	do(t, req)
	req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/oauth/token", strings.NewReader("grant_type=refresh_token&refresh_token="+p.Refresh))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("first-party", canary)
	req.Header.Set("Cookie", "session="+p.Refresh)
	req.Header.Set("Referer", "http://x/?token="+p.Refresh)
	req.Header.Set("X-Request-Id", p.Refresh)
	req.Header.Set("traceparent", "00-"+strings.Repeat("a", 32)+"-"+strings.Repeat("b", 16)+"-01")
	req.Header.Set("tracestate", "x="+p.Refresh)
	req.Header.Set("baggage", "token="+p.Refresh)
	do(t, req)
}

func pairOf(t testing.TB, got answer) pair {
	t.Helper()
	subjectOf(t, got) // or the test ends
	access := regexp.MustCompile(`"accessToken":"([^"]+)"`).FindSubmatch(got.Body)
	refresh := regexp.MustCompile(`"refreshToken":"([^"]+)"`).FindSubmatch(got.Body)
	return pair{string(access[1]), string(refresh[1])}
}

func tokenInURL(t *testing.T, a *authority) {
	a.register(t, "sec02")
	p := a.login(t, "sec02")
	v, err := verifier.New(a.Issuer, a.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(weather.Handler(v, time.Now))
	t.Cleanup(service.Close)
	ask := func(query, body string, bearer ...string) answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, service.URL+weather.Path+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header["Authorization"] = bearer
		return do(t, req)
	}
	if got := ask("", "", "Bearer "+p.Access); got.Status != http.StatusOK {
		t.Fatalf("the token in its header: %d, want 200", got.Status)
	}
	for what, got := range map[string]answer{
		"in the query": ask("?access_token="+p.Access, ""), "in the body": ask("", "access_token="+p.Access), "as Basic": ask("", "", "Basic "+p.Access),
		"the refresh token": ask("", "", "Bearer "+p.Refresh), "two headers": ask("", "", "Bearer "+p.Access, "Bearer "+p.Access),
	} {
		if got.Status/100 != 4 || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Bearer") || strings.Contains(string(got.Body), "temperature") {
			t.Errorf("%s: %d %q, want a refusal with a challenge", what, got.Status, got.Header.Get("WWW-Authenticate"))
		}
	}
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"first-party"}, "refresh_token": {p.Refresh}}
	if got := send(t, http.MethodPost, a.URL+"/oauth/token?"+form.Encode(), "application/x-www-form-urlencoded", ""); got.Status != http.StatusBadRequest {
		t.Errorf("a refresh token in the URL: %d, want 400", got.Status)
	}
	if got := send(t, http.MethodGet, a.URL+"/oauth/token?"+form.Encode(), "", ""); got.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET with a refresh token in the URL: %d, want 405", got.Status)
	}
	wantGrant(t, a, "the refresh token afterwards", p.Refresh)
}

// inside is what only an insider may know of a store.
var inside = regexp.MustCompile(`(?i)postgres|pgx|sqlstate|redis|sqlite|127\.0\.0\.1|localhost|dial|connect|refused|reset|\.go\b|/internal/|goroutine|select |insert |timeout|deadline|context|mintmark_test`)

func answersTellNothing(t *testing.T, _ *authority) {
	for name, proxyOf := range map[string]func(*ownServers) *testserver.Proxy{
		"redis": func(s *ownServers) *testserver.Proxy { return s.redisProxy }, "postgres": func(s *ownServers) *testserver.Proxy { return s.postgresProxy },
	} {
		servers := newOwnServers(t)
		a := servers.startReplica(t)
		a.register(t, testUser)
		p := a.login(t, testUser)
		proxyOf(servers).Cut()
		answers := map[string]answer{
			"login":         a.tryLogin(t, testUser, testPassword),
			"register":      send(t, http.MethodPost, a.URL+"/api/authentication/register", "application/json", registration("another")),
			"refresh-token": send(t, http.MethodPost, a.URL+"/api/authentication/refresh-token", "application/json", pairBody(p)),
			"readyz":        send(t, http.MethodGet, a.URL+"/readyz", "", ""),
		}
		answers["token"], _ = a.refreshGrant(t, p.Refresh)
		answers["logout"] = send(t, http.MethodPost, a.URL+"/api/authentication/logout", "application/json", pairBody(p))
		answers["revoke"], _ = a.form(t, "/oauth/revoke", url.Values{"client_id": {"first-party"}, "token": {p.Refresh}})
		unavailable := 0
		for what, got := range answers {
			if got.Status == http.StatusServiceUnavailable {
				unavailable++
				wantUnavailable(t, what, got)
			}
			if found := inside.Find(got.Body); found != nil && got.Status != http.StatusOK {
				t.Errorf("%s without %s tells %q: %s", what, name, found, got.Body)
			}
		}
		if unavailable < 2 {
			t.Errorf("without %s only %d answers are 503: this proves nothing", name, unavailable)
		}
		wantNoSecret(t, "the log", a.Log.String())
	}
}

func idsTellNothing(t *testing.T, a *authority) {
	wantNoSurface(t, a, "GET /users", "GET /users/count", "GET /api/authentication/users", "GET /admin/v1/users", "GET /api/users/1")
	seen := make(map[string]bool)
	for i := range 20 {
		name := fmt.Sprintf("sec05-%d", i)
		a.register(t, name)
		claims := claimsOf(t, a.login(t, name).Access)
		for _, claim := range []string{"sub", "sid", "jti"} {
			id := claims[claim].(string)
			if seen[id] {
				t.Errorf("%s %s came before", claim, id)
			}
			seen[id] = true
			if claim == "jti" {
				continue
			}
			if parsed, err := uuid.Parse(id); err != nil || parsed.Version() != 7 {
				t.Errorf("%s %q: want a UUIDv7", claim, id)
			}
			if tail := id[24:]; seen[tail] {
				t.Errorf("%s: the random end %s came before", claim, tail)
			} else {
				seen[tail] = true
			}
		}
	}
	if metrics := send(t, http.MethodGet, a.Ops+"/metrics", "", ""); bytes.Contains(metrics.Body, []byte("sec05")) {
		t.Error("the metrics name users")
	}
}

// nothingComesTwice: 128 bits each. Of the refresh token the family is what a
// thief would have to guess, besides the MAC.
func nothingComesTwice(t *testing.T, _ *authority) {
	const many = 1_000_000
	families := make(map[session.Family]struct{}, many)
	ids := make(map[string]struct{}, many)
	for range many {
		families[session.NewFamily()] = struct{}{}
		ids[token.NewID()] = struct{}{}
	}
	if len(families) != many || len(ids) != many {
		t.Errorf("%d families and %d token ids of %d", len(families), len(ids), many)
	}
	if id, err := base64.RawURLEncoding.DecodeString(token.NewID()); err != nil || len(id) < 16 {
		t.Errorf("a token id of %d bytes, %v", len(id), err)
	}
	if len(session.NewFamily()) < 16 {
		t.Error("a family of less than 128 bits")
	}
}
