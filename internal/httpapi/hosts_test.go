package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// TestAListenerAnswersToAddressesLoopbackAndItsNames, and to no other name.
func TestAListenerAnswersToAddressesLoopbackAndItsNames(t *testing.T) {
	t.Parallel()
	only := httpapi.OnlyHosts("Auth.example.com", "", "node-1.")
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:9090": true, "10.1.2.3:9090": true, "[::1]": true, "[::1]:9090": true, "[2001:db8::1]:9090": true,
		"localhost": true, "LOCALHOST:9090": true, "localhost.": true, "a.localhost:1": true,
		"auth.example.com": true, "AUTH.EXAMPLE.COM.:8080": true, "node-1:9090": true, "node-1": true,
		"evil.example": false, "evil.example:9090": false, "evil.example.": false, "localhost.evil.example": false, "xlocalhost": false,
		"127.0.0.1.evil.example": false, "0x7f.1": false, "2130706433": false, "127.1": false, "auth.example.com.evil.example": false, "": false, ".": false, ":9090": false,
	} {
		r := &http.Request{Host: host, ProtoMajor: 1, ProtoMinor: 1}
		if got := only.Answer(r); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
		if !httpapi.AnyHost().Answer(r) {
			t.Errorf("%q is refused where any host is answered", host)
		}
	}
	if !only.Answer(&http.Request{ProtoMajor: 1}) {
		t.Error("a probe of HTTP/1.0 without a host is refused")
	}
}

// TestAStrangersHostReachesNothing: neither a metric, nor a page that isn't there, nor a preflight.
func TestAStrangersHostReachesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *httpapi.Config) { c.PublicHosts = httpapi.OnlyHosts("auth.example.com") })
	for name, listener := range map[string]struct {
		handler http.Handler
		paths   []string
	}{
		"operations": {s.operations, []string{"/metrics", "/readyz", "/readyz?verbose", "/livez", "/nothing"}},
		"public":     {s.public, []string{"/.well-known/jwks.json", "/livez", "/oauth/token", "/api/authentication/login", "/API/authentication/login", "/nothing"}},
	} {
		for _, path := range listener.paths {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
				r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
				r.Host = "evil.example"
				got := httptest.NewRecorder()
				listener.handler.ServeHTTP(got, r)
				if got.Code != http.StatusMisdirectedRequest || strings.Contains(got.Body.String(), "metric 1") {
					t.Errorf("%s %s %s: %d %s, want 421", name, method, path, got.Code, got.Body)
				}
			}
		}
	}
}
