package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/api"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

func TestTheMetadataNameWhatThereIs(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		got := s.ask(t, asked{method: "GET", path: path})
		var has map[string]any
		if err := json.Unmarshal(got.Body.Bytes(), &has); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"issuer":                                     issuer,
			"jwks_uri":                                   issuer + "/.well-known/jwks.json",
			"token_endpoint":                             issuer + "/oauth/token",
			"revocation_endpoint":                        issuer + "/oauth/revoke",
			"status_list_aggregation_endpoint":           issuer + "/oauth/status-lists",
			"grant_types_supported":                      []any{"refresh_token"},
			"token_endpoint_auth_methods_supported":      []any{"none"},
			"revocation_endpoint_auth_methods_supported": []any{"none"},
			"subject_types_supported":                    []any{"public"},
			"request_uri_parameter_supported":            false,
			"service_documentation":                      issuer + "/openapi.yaml",
		}
		if diff := cmp.Diff(want, has); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestADocumentIsSentOnceToACallerThatKeepsIt(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	set, _ := s.keys.JWKS()
	for path, want := range map[string]struct{ typ, body string }{
		"/.well-known/jwks.json":                  {"application/json; charset=utf-8", string(set.Body)},
		"/.well-known/openid-configuration":       {"application/json; charset=utf-8", ""},
		"/.well-known/oauth-authorization-server": {"application/json; charset=utf-8", ""},
		"/openapi.yaml":                           {"application/yaml", string(api.OpenAPI)},
		"/oauth/status-lists":                     {"application/json; charset=utf-8", `{"status_lists":["` + issuer + `/oauth/status-lists/0","` + issuer + `/oauth/status-lists/1"]}`},
	} {
		first := s.ask(t, asked{method: "GET", path: path})
		etag := first.Header().Get("ETag")
		if first.Code != http.StatusOK || first.Header().Get("Content-Type") != want.typ || len(etag) < 24 || etag[0] != '"' || etag[len(etag)-1] != '"' {
			t.Errorf("%s: %d, %q, tag %s", path, first.Code, first.Header().Get("Content-Type"), etag)
		}
		if want.body != "" && first.Body.String() != want.body {
			t.Errorf("%s: %.200s", path, first.Body)
		}
		for _, held := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
			again := s.ask(t, asked{method: "GET", path: path, header: http.Header{"If-None-Match": {held}}})
			if again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("ETag") != etag {
				t.Errorf("%s for who has %s: %d, tag %s and %d octets, want 304 and none", path, held, again.Code, again.Header().Get("ETag"), again.Body.Len())
			}
			if cache := again.Header().Get("Cache-Control"); cache != "public, max-age=300, stale-if-error=86400" {
				t.Errorf("%s: Cache-Control %q", path, cache)
			}
		}
		if again := s.ask(t, asked{method: "GET", path: path, header: http.Header{"If-None-Match": {`"x"`}}}); again.Code != http.StatusOK {
			t.Errorf("%s for who has another: %d", path, again.Code)
		}
		if cache := first.Header().Get("Cache-Control"); cache != "public, max-age=300, stale-if-error=86400" {
			t.Errorf("%s: Cache-Control %q", path, cache)
		}
	}
}

func TestTagsOfDocumentsFollowTheirContent(t *testing.T) {
	t.Parallel()
	tag := func(change func(*httpapi.Config)) string {
		return newStage(t, change).ask(t, asked{method: "GET", path: "/.well-known/openid-configuration"}).Header().Get("ETag")
	}
	one, another := tag(nil), tag(nil)
	if one != another {
		t.Error("two replicas tag the same document differently")
	}
	if one == tag(func(c *httpapi.Config) { c.Issuer = "https://other.example.com" }) {
		t.Error("two documents have one tag")
	}
}

// TestOnlyOperatorsLearnWhyItIsNotReady, and what is wrong though it is: it may name hosts of ours.
func TestOnlyOperatorsLearnWhyItIsNotReady(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	get := func(surface http.Handler, path string) *httptest.ResponseRecorder {
		got := s.askOf(t, surface, asked{method: "GET", path: path})
		if typ := got.Header().Get("Content-Type"); typ != "text/plain; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", path, typ)
		}
		return got
	}
	for _, surface := range []http.Handler{s.public, s.operations} {
		wantAnswer(t, "ready", get(surface, "/readyz"), 200, "ready\n")
	}
	s.notes = []string{"the clock of the database is wrong", "and another thing"}
	wantAnswer(t, "with notes, in public", get(s.public, "/readyz"), 200, "ready\n")
	wantAnswer(t, "in detail, in public", get(s.public, "/readyz?verbose"), 200, "ready\n")
	wantAnswer(t, "in detail, to operators", get(s.operations, "/readyz?verbose"), 200, "ready\n- the clock of the database is wrong\n- and another thing\n- postgres: up\n")
	wantAnswer(t, "with notes, to operators", get(s.operations, "/readyz"), 200, "ready\n- the clock of the database is wrong\n- and another thing\n")
	s.ready = errors.New("keys are stale: db-1.internal")
	wantAnswer(t, "in public", get(s.public, "/readyz"), 503, "not ready\n")
	wantAnswer(t, "in detail, to operators", get(s.operations, "/readyz?verbose=1"), 503, "not ready: keys are stale: db-1.internal\n- postgres: up\n")
	wantAnswer(t, "to operators", get(s.operations, "/readyz"), 503, "not ready: keys are stale: db-1.internal\n")
	for _, surface := range []http.Handler{s.public, s.operations} {
		wantAnswer(t, "alive", get(surface, "/livez"), 200, "ok\n")
	}
}

// TestTheOperationsAreWhatTheirTableSays: reading, for nobody's pages.
func TestTheOperationsAreWhatTheirTableSays(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	wantAnswer(t, "metrics", s.askOf(t, s.operations, asked{method: "GET", path: "/metrics"}), 200, "metric 1\n")
	for _, path := range []string{"/metrics", "/livez", "/readyz"} {
		for method, status := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "OPTIONS": 405} {
			got := s.askOf(t, s.operations, asked{method: method, path: path, header: http.Header{"Origin": {page}, "Access-Control-Request-Method": {"GET"}}})
			if got.Code != status || got.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: %d with %v, want %d", method, path, got.Code, got.Header(), status)
			}
		}
	}
	for _, r := range knownRoutes() {
		if r.path == "/livez" || r.path == "/readyz" {
			continue
		}
		if got := s.askOf(t, s.operations, r.request()); got.Code != http.StatusNotFound {
			t.Errorf("%s %s among the operations: %d", r.method, r.path, got.Code)
		}
	}
}

// TestOverPlainHTTPNoTLSIsDemanded: a browser would keep that for a year.
func TestOverPlainHTTPNoTLSIsDemanded(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *httpapi.Config) { c.Issuer = "http://localhost:8080" })
	got := httptest.NewRecorder()
	s.public.ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), "GET", "/livez", nil))
	if sts := got.Header().Get("Strict-Transport-Security"); sts != "" || got.Header().Get("X-Frame-Options") != "DENY" {
		t.Errorf("Strict-Transport-Security %q", sts)
	}
}

func TestRequestsBeforeTheirBodyAreBoundedToTheOctet(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	fields := func(n, size int) func(*http.Request) {
		return func(req *http.Request) {
			req.Header = http.Header{}
			for i := range n {
				req.Header.Add("X-"+string(rune('A'+i%7)), "")
			}
			if size > 0 {
				req.Header.Set("X-A", strings.Repeat("a", size-3))
			}
		}
	}
	target := "/livez?" + strings.Repeat("x", 8192-len("/livez?"))
	for name, c := range map[string]struct {
		path   string
		raw    func(*http.Request)
		status int
		says   string
	}{
		"the longest target":   {target, nil, 200, ""},
		"a longer one":         {target + "x", nil, 414, oauthError("invalid_request", "the request target is longer than 8 KiB")},
		"the most fields":      {"/livez", fields(100, 0), 200, ""},
		"more fields":          {"/livez", fields(101, 0), 431, oauthError("invalid_request", "the header fields are larger than 32 KiB or more than 100")},
		"the largest fields":   {"/livez", fields(0, 32<<10), 200, ""},
		"larger fields":        {"/livez", fields(0, 32<<10+1), 431, oauthError("invalid_request", "the header fields are larger than 32 KiB or more than 100")},
		"a longer target here": {"/api/authentication/login?" + target, nil, 414, `{"message":"Request too large.","data":null,"statusCode":414,"code":"request_too_large"}`},
	} {
		got := s.ask(t, asked{method: "GET", path: c.path, raw: c.raw})
		if c.status == 200 {
			c.says = "ok\n"
		}
		wantAnswer(t, name, got, c.status, c.says)
		if closes := got.Header().Get("Connection") == "close"; closes != (c.status != 200) {
			t.Errorf("%s: Connection %q", name, got.Header().Get("Connection"))
		}
	}
	got := s.ask(t, asked{method: "GET", path: "/livez", raw: func(req *http.Request) { req.TransferEncoding = []string{"chunked"} }})
	if got.Code != http.StatusOK || got.Header().Get("Connection") != "close" {
		t.Errorf("after a chunked body: %d, Connection %q, want close: nobody sees where it ends", got.Code, got.Header().Get("Connection"))
	}
}
