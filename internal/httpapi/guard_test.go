package httpapi

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
)

// hole is a guard that forgot to ask who calls.
func hole(*gin.Context) (authority.Caller, error) { return authority.Caller{}, nil }

// TestAGuardThatAsksNobodyOpensNothing: its handler is not reached, and no verb would take
// the caller that it returns.
func TestAGuardThatAsksNobodyOpensNothing(t *testing.T) {
	t.Parallel()
	s := quietServer(t)
	unlimited := func(*gin.Context, authority.Caller) error { return nil }
	reached := func(c *gin.Context, _ authority.Caller) error { c.Status(http.StatusOK); return nil }
	h := s.engine(surfaces{{"/", apiHeaders, refuseInOAuth, []route{{"POST", "/hole", noBody, noOrigin, admit(hole, unlimited, reached)}}}})
	got := fail(t, h, "/hole")
	if got.Code != http.StatusUnauthorized || !strings.Contains(got.Body.String(), "invalid_client") {
		t.Errorf("%d %s, want 401 invalid_client", got.Code, got.Body)
	}
}

// TestARouteWithoutAGuardIsNotServed: the server does not even start.
func TestARouteWithoutAGuardIsNotServed(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("it is served")
		}
	}()
	quietServer(t).engine(surfaces{{"/", apiHeaders, refuseInOAuth, []route{{method: "GET", path: "/forgotten"}}}})
}

// TestASurfaceFitsInBesideTheOthers, with its own headers and spelling of errors, for its
// routes, for paths of its prefix that no route has, and for methods that a route lacks.
func TestASurfaceFitsInBesideTheOthers(t *testing.T) {
	t.Parallel()
	s := quietServer(t)
	admin := surface{
		prefix:  "/admin/",
		headers: func(h http.Header) { h.Set("Content-Security-Policy", "default-src 'self'") },
		refuse: func(c *gin.Context, a refusal) { // RFC 9457
			c.Data(a.status, "application/problem+json", []byte(`{"detail":"`+a.description+`"}`))
		},
		routes: []route{{"GET", "/admin/users", noBody, noOrigin, public(func(*gin.Context) error { return errRequest })}},
	}
	h := s.engine(append(surfaces{admin}, s.publicSurfaces()...))
	for _, c := range []struct {
		method, path  string
		status        int
		contentType   string
		contentPolicy string
	}{
		{"GET", "/admin/users", 400, "application/problem+json", "default-src 'self'"},
		{"GET", "/admin/nothing", 404, "application/problem+json", "default-src 'self'"},
		{"POST", "/admin/users", 405, "application/problem+json", "default-src 'self'"},
		{"GET", "/admin/%2f", 404, "application/problem+json", "default-src 'self'"},
		{"GET", "/oauth/nothing", 404, jsonType, "default-src 'none'; frame-ancestors 'none'"},
		{"GET", "/nothing", 404, jsonType, "default-src 'none'; frame-ancestors 'none'"},
		{"GET", "/livez", 200, "text/plain; charset=utf-8", "default-src 'none'; frame-ancestors 'none'"},
	} {
		got := httptest.NewRecorder()
		h.ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil))
		if got.Code != c.status || got.Header().Get("Content-Type") != c.contentType || got.Header().Get("Content-Security-Policy") != c.contentPolicy {
			t.Errorf("%s %s: %d %v, want %d %s %s", c.method, c.path, got.Code, got.Header(), c.status, c.contentType, c.contentPolicy)
		}
	}
}

// TestEveryRouteIsBelowThePrefixOfItsSurface, so that a path is answered in one spelling
// whether or not a route has it.
func TestEveryRouteIsBelowThePrefixOfItsSurface(t *testing.T) {
	t.Parallel()
	s := &Server{}
	for _, all := range []surfaces{s.publicSurfaces(), s.operationsSurfaces()} {
		for _, one := range all {
			for _, r := range one.routes {
				if got := all.of(r.path); got.prefix != one.prefix {
					t.Errorf("%s %s is listed below %s, and answered below %s", r.method, r.path, one.prefix, got.prefix)
				}
			}
		}
		if last := all[len(all)-1].prefix; last != "/" {
			t.Errorf("paths that are nobody's are answered below %s", last)
		}
	}
}

func quietServer(t *testing.T) *Server {
	t.Helper()
	return failingServer(t, &bytes.Buffer{})
}
