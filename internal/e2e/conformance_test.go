package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// Tests of what the RFCs demand of the wire and no other test names:
// api/CONFORMANCE.md lists them clause by clause.

const formType = "application/x-www-form-urlencoded"

// grantForm is a refresh with further parameters, in their order.
func grantForm(token string, more ...string) string {
	return strings.Join(append([]string{"grant_type=refresh_token", "client_id=first-party", "refresh_token=" + token}, more...), "&")
}

// newSession is a fresh login of a user of its own.
func newSession(t *testing.T, a *authority, name string) pair {
	t.Helper()
	a.register(t, name)
	return a.login(t, name)
}

func members(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return m
}

func TestTokenAnswerIsThatOfRFC6749(t *testing.T) { // §5.1
	t.Parallel()
	a := startEmbedded(t)
	got := send(t, http.MethodPost, a.URL+"/oauth/token", formType, grantForm(newSession(t, a, testUser).Refresh))
	if got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	for name, want := range map[string]string{"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", "Pragma": "no-cache"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.Header.Get(name), want)
		}
	}
	m := members(t, got.Body)
	if m["token_type"] != "Bearer" || m["expires_in"] != 300.0 || m["access_token"] == "" || m["refresh_token"] == "" || len(m) != 4 {
		t.Errorf("got %s", got.Body)
	}
}

func TestTokenRequestParametersFollowRFC6749(t *testing.T) { // §3.2
	t.Parallel()
	a := startEmbedded(t)
	token := newSession(t, a, testUser).Refresh // repeats give the same successor, so one will do
	target := a.URL + "/oauth/token"
	for name, c := range map[string]struct {
		method, target, contentType, body string
		status                            int
	}{
		"plain":                    {"POST", target, formType, grantForm(token), 200},
		"charset":                  {"POST", target, formType + "; charset=UTF-8", grantForm(token), 200},
		"unknown ones are ignored": {"POST", target, formType, grantForm(token, "unheard_of=1", "audience="), 200},
		"empty ones are omitted":   {"POST", target, formType, grantForm(token, "scope=", "client_secret="), 200},
		"an empty one is missing":  {"POST", target, formType, "grant_type=&client_id=first-party&refresh_token=" + token, 400},
		"repeated":                 {"POST", target, formType, grantForm(token, "client_id=first-party"), 400},
		"repeated, unknown":        {"POST", target, formType, grantForm(token, "x=1", "x=1"), 400},
		"in the URL":               {"POST", target + "?client_id=first-party", formType, grantForm(token), 400},
		"JSON":                     {"POST", target, "application/json", `{"grant_type":"refresh_token"}`, 400},
		"GET":                      {"GET", target + "?" + grantForm(token), "", "", 405},
		"PUT":                      {"PUT", target, formType, grantForm(token), 405},
	} {
		got := send(t, c.method, c.target, c.contentType, c.body)
		if got.Status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.Status, got.Body, c.status)
		}
		if c.status == 400 && members(t, got.Body)["error"] != "invalid_request" {
			t.Errorf("%s: %s, want invalid_request", name, got.Body)
		}
		if c.status == 405 && !strings.Contains(got.Header.Get("Allow"), "POST") {
			t.Errorf("%s: Allow %q", name, got.Header.Get("Allow"))
		}
	}
}

func TestTokenErrorsAreThoseOfRFC6749(t *testing.T) { // §5.2
	t.Parallel()
	a := startEmbedded(t)
	token := newSession(t, a, testUser).Refresh
	allowed := regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`)
	for name, c := range map[string]struct {
		body, authorization string
		status              int
		code, challenge     string
	}{
		"no grant type":        {"client_id=first-party", "", 400, "invalid_request", ""},
		"no token":             {"client_id=first-party&grant_type=refresh_token", "", 400, "invalid_request", ""},
		"unknown grant":        {"client_id=first-party&grant_type=password", "", 400, "unsupported_grant_type", ""},
		"foreign token":        {grantForm(strangeRefresh), "", 400, "invalid_grant", ""},
		"wider scope":          {grantForm(token, "scope=everything"), "", 400, "invalid_scope", ""},
		"no client":            {"grant_type=refresh_token&refresh_token=" + token, "", 401, "invalid_client", ""},
		"unknown client":       {"grant_type=refresh_token&client_id=nobody&refresh_token=" + token, "", 401, "invalid_client", ""},
		"secret of none":       {grantForm(token, "client_secret=x"), "", 401, "invalid_client", ""},
		"Basic":                {grantForm(token), "Basic Zmlyc3QtcGFydHk6eA==", 401, "invalid_client", "Basic"},
		"Basic and the body":   {grantForm(token, "client_secret=x"), "Basic Zmlyc3QtcGFydHk6eA==", 400, "invalid_request", ""}, // §2.3
		"not even a full pair": {"x", "", 401, "invalid_client", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/oauth/token", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", formType)
		if c.authorization != "" {
			req.Header.Set("Authorization", c.authorization)
		}
		got := do(t, req)
		m := members(t, got.Body)
		if got.Status != c.status || m["error"] != c.code {
			t.Errorf("%s: %d %s, want %d %s", name, got.Status, got.Body, c.status, c.code)
		}
		if description, _ := m["error_description"].(string); !allowed.MatchString(description) {
			t.Errorf("%s: description %q", name, description)
		}
		scheme, _, _ := strings.Cut(got.Header.Get("WWW-Authenticate"), " ")
		if scheme != c.challenge || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: challenge %q, want %q; Cache-Control %q", name, scheme, c.challenge, got.Header.Get("Cache-Control"))
		}
	}
	if got, _ := a.refreshGrant(t, token); got.Status != http.StatusOK {
		t.Errorf("after all that: %d %s, want 200: nothing was changed", got.Status, got.Body)
	}
}

func TestTokensAreBoundToTheirClient(t *testing.T) { // RFC 6749 §6, §10.4; RFC 7009 §2.1
	t.Parallel()
	c := newCluster(t)
	c.exec(t, `INSERT INTO clients (id, name, kind, grant_types, rotation, allow_skip, created_at)
		VALUES ('other', 'Another public client', 'public', ARRAY['refresh_token'], 'always', false, now()),
		       ('idle', 'One without grants', 'public', ARRAY[]::text[], 'always', false, now())`)
	a := c.startReplica(t)
	token := newSession(t, a, testUser).Refresh
	for client, want := range map[string]string{"other": "invalid_grant", "idle": "unauthorized_client"} {
		got, body := a.form(t, "/oauth/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {token}})
		if got.Status != http.StatusBadRequest || body["error"] != want {
			t.Errorf("refresh by %s: %d %s, want 400 %s", client, got.Status, got.Body, want)
		}
		if got, _ := a.form(t, "/oauth/revoke", url.Values{"client_id": {client}, "token": {token}}); got.Status != http.StatusOK {
			t.Errorf("revoke by %s: %d %s", client, got.Status, got.Body)
		}
	}
	if got, _ := a.refreshGrant(t, token); got.Status != http.StatusOK {
		t.Errorf("the token's own client afterwards: %d %s, want 200", got.Status, got.Body)
	}
}

func TestRevocationIsThatOfRFC7009(t *testing.T) { // §2
	t.Parallel()
	a := startEmbedded(t)
	first := newSession(t, a, testUser)
	second, _ := a.refresh(t, first)
	untouched := a.login(t, testUser)
	target := a.URL + "/oauth/revoke"
	for _, c := range []struct {
		name, method, body string
		status             int
		code               any
	}{
		{"GET", "GET", "", 405, "invalid_request"},
		{"no client", "POST", "token=" + second.Refresh, 401, "invalid_client"},
		{"unknown client", "POST", "client_id=nobody&token=" + second.Refresh, 401, "invalid_client"},
		{"no token", "POST", "client_id=first-party", 400, "invalid_request"},
		{"token twice", "POST", "client_id=first-party&token=a&token=b", 400, "invalid_request"},
		{"access token", "POST", "client_id=first-party&token=" + second.Access, 400, "unsupported_token_type"},
		{"garbage", "POST", "client_id=first-party&token=garbage", 200, nil},
		{"nobody's token", "POST", "client_id=first-party&token=" + strangeRefresh, 200, nil},
	} {
		got := send(t, c.method, target, formType, c.body)
		if got.Status != c.status || members(t, got.Body)["error"] != c.code {
			t.Errorf("%s: %d %s, want %d %v", c.name, got.Status, got.Body, c.status, c.code)
		}
	}
	second, got := a.refresh(t, second)
	if got.Status != http.StatusOK {
		t.Fatalf("the session after all that: %d %s, want 200", got.Status, got.Body)
	}
	// A hint that is wrong must not stop the search (§2.1), nor may a token that was used already.
	for _, body := range []string{"token_type_hint=access_token&token=" + first.Refresh, "token_type_hint=unheard_of&token=" + first.Refresh} {
		if got := send(t, http.MethodPost, target, formType, "client_id=first-party&"+body); got.Status != http.StatusOK || string(got.Body) != "{}" {
			t.Errorf("revoke: %d %s, want 200 {}", got.Status, got.Body)
		}
	}
	if _, got := a.refresh(t, second); got.Status != http.StatusBadRequest {
		t.Errorf("the newest token of the session: %d, want 400", got.Status)
	}
	if _, got := a.refresh(t, untouched); got.Status != http.StatusOK {
		t.Errorf("another session of the user: %d, want 200", got.Status)
	}
}

func TestIssuedAccessTokensAreThoseOfRFC9068(t *testing.T) { // §2.2
	t.Parallel()
	a := startEmbedded(t)
	first := newSession(t, a, testUser)
	second, _ := a.refresh(t, first)
	login, refreshed := verified(t, a, first.Access), verified(t, a, second.Access)
	for _, claims := range []map[string]any{login, refreshed} {
		if claims["iss"] != a.Issuer || claims["aud"] != a.Issuer || claims["client_id"] != "first-party" {
			t.Errorf("claims %v", claims)
		}
		if claims["exp"].(float64)-claims["iat"].(float64) != 300 {
			t.Errorf("lifetime: exp %v, iat %v", claims["exp"], claims["iat"])
		}
	}
	for _, name := range []string{"sub", "sid", "auth_time"} { // §2.2.1: of the login, not of the refresh
		if login[name] == nil || login[name] != refreshed[name] {
			t.Errorf("%s: %v, after a refresh %v", name, login[name], refreshed[name])
		}
	}
	if login["jti"] == refreshed["jti"] {
		t.Error("two tokens have one jti (RFC 7519 §4.1.7)")
	}
}

// verified checks an access token as a resource service does, from the issuer's
// URL alone, and returns its claims.
func verified(t *testing.T, a *authority, access string) map[string]any {
	t.Helper()
	v, err := verifier.New(a.Issuer, a.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	token, err := v.Verify(t.Context(), access)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// awaitStandby waits for the key that is made right after the start; from then on
// the key set stays as it is.
func awaitStandby(t *testing.T, a *authority) {
	t.Helper()
	eventually(t, func() bool {
		got := send(t, http.MethodGet, a.URL+"/.well-known/jwks.json", "", "")
		return len(members(t, got.Body)["keys"].([]any)) == 2
	})
}

func TestMetadataIsThatOfRFC8414(t *testing.T) { // §2, §3
	t.Parallel()
	a := startEmbedded(t)
	got := send(t, http.MethodGet, a.URL+"/.well-known/oauth-authorization-server", "", "")
	if got.Status != http.StatusOK || !strings.HasPrefix(got.Header.Get("Content-Type"), "application/json") {
		t.Fatalf("%d %s", got.Status, got.Header.Get("Content-Type"))
	}
	m := members(t, got.Body)
	if m["issuer"] != a.Issuer { // §3.3: to the byte
		t.Errorf("issuer: got %v, want %s", m["issuer"], a.Issuer)
	}
	for name, value := range m { // §3.2: what has no elements is left out
		if v := reflect.ValueOf(value); value == nil || v.Kind() != reflect.Bool && v.Len() == 0 {
			t.Errorf("%s: got %v, want it left out", name, value)
		}
	}
	for _, name := range []string{"token_endpoint", "revocation_endpoint", "jwks_uri", "status_list_aggregation_endpoint"} {
		address, _ := m[name].(string)
		path, ok := strings.CutPrefix(address, a.Issuer)
		if !ok || strings.ContainsAny(path, "?#") {
			t.Errorf("%s: got %q", name, address)
		}
		if got := send(t, http.MethodPost, a.URL+path, formType, ""); got.Status == http.StatusNotFound {
			t.Errorf("%s: there is nothing at %s", name, path)
		}
	}
	openID := send(t, http.MethodGet, a.URL+"/.well-known/openid-configuration", "", "")
	if !bytes.Equal(openID.Body, got.Body) {
		t.Errorf("OpenID Connect Discovery gives another document:\n%s\n%s", openID.Body, got.Body)
	}
}

func TestDocumentsAreConditionalAsRFC9110Says(t *testing.T) { // §9.3.2, §13.1.2, §15.4.5
	t.Parallel()
	a := startEmbedded(t)
	awaitStandby(t, a)
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/oauth/status-lists", "/openapi.yaml"} {
		full := send(t, http.MethodGet, a.URL+path, "", "")
		etag := full.Header.Get("ETag")
		if full.Status != http.StatusOK || !regexp.MustCompile(`^"[^"]+"$`).MatchString(etag) {
			t.Fatalf("%s: %d, ETag %q", path, full.Status, etag)
		}
		want := fields(full, "Cache-Control", "Content-Location", "ETag", "Expires", "Vary")
		for header, status := range map[string]int{
			"": 200, `"other"`: 200, etag: 304, "W/" + etag: 304, `"other", ` + etag: 304, "*": 304,
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				got := sendIfNoneMatch(t, method, a.URL+path, header)
				if got.Status != status || (len(got.Body) > 0) != (method == http.MethodGet && status == 200) {
					t.Errorf("%s %s If-None-Match %s: %d with %d octets, want %d", method, path, header, got.Status, len(got.Body), status)
				}
				if diff := cmp.Diff(want, fields(got, "Cache-Control", "Content-Location", "ETag", "Expires", "Vary")); diff != "" {
					t.Errorf("%s %s If-None-Match %s: header (-200 +got):\n%s", method, path, header, diff)
				}
				if status == 200 && got.Header.Get("Content-Type") != full.Header.Get("Content-Type") {
					t.Errorf("%s %s: Content-Type %s", method, path, got.Header.Get("Content-Type"))
				}
			}
		}
	}
}

func sendIfNoneMatch(t *testing.T, method, target, etag string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	return do(t, req)
}

func fields(got answer, names ...string) map[string][]string {
	values := make(map[string][]string)
	for _, name := range names {
		values[name] = slices.Clone(got.Header.Values(name))
	}
	return values
}
