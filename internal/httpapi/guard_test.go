package httpapi

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/httpapi/guard"
)

// hole is a guard that forgot to ask who calls.
func hole(*gin.Context) (firstPartyRequest, error) { return firstPartyRequest{}, nil }

// TestAGuardThatAsksNobodyOpensNothing: its handler is not reached, and no verb would take
// the caller that it returns.
func TestAGuardThatAsksNobodyOpensNothing(t *testing.T) {
	t.Parallel()
	s := quietServer(t)
	unlimited := func(*gin.Context, firstPartyRequest) error { return nil }
	reached := func(c *gin.Context, _ firstPartyRequest) error { c.Status(http.StatusOK); return nil }
	h := s.engine(surfaces{{"/", apiHeaders, refuseInOAuth, []route{{"POST", "/hole", noBody, noOrigin, guard.Admit(hole, unlimited, reached)}}}}, AnyHost())
	got := fail(t, h, "/hole")
	if got.Code != http.StatusUnauthorized || !strings.Contains(got.Body.String(), "invalid_client") {
		t.Errorf("%d %s, want 401 invalid_client", got.Code, got.Body)
	}
}

// TestARouteOutOfPlaceStopsTheStart: one without a guard, and one below the prefix of
// another surface.
func TestARouteOutOfPlaceStopsTheStart(t *testing.T) {
	t.Parallel()
	nothing := guard.Public(func(*gin.Context) error { return nil })
	for name, all := range map[string]surfaces{
		"without a guard": {{"/", apiHeaders, refuseInOAuth, []route{{method: "GET", path: "/forgotten"}}}},
		"below another's prefix": {
			{"/admin/", apiHeaders, refuseInOAuth, nil},
			{"/", apiHeaders, refuseInOAuth, []route{{"GET", "/admin/users", noBody, noOrigin, nothing}}},
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it is served", name)
				}
			}()
			quietServer(t).engine(all, AnyHost())
		}()
	}
}

// TestASurfaceFitsInBesideTheOthers, with its own headers and spelling of errors, for its
// routes, for paths of its prefix that no route has, and for methods that a route lacks.
func TestASurfaceFitsInBesideTheOthers(t *testing.T) {
	t.Parallel()
	s := quietServer(t)
	admin := &surface{
		prefix:  "/admin/",
		headers: func(h http.Header) { h.Set("Content-Security-Policy", "default-src 'self'") },
		refuse: func(c *gin.Context, a refusal) { // RFC 9457
			c.Data(a.status, "application/problem+json", []byte(`{"detail":"`+a.description+`"}`))
		},
		routes: []route{{"GET", "/admin/users", noBody, noOrigin, guard.Public(func(*gin.Context) error { return errRequest })}},
	}
	h := s.engine(append(surfaces{admin}, s.publicSurfaces()...), AnyHost())
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

func quietServer(t *testing.T) *Server {
	t.Helper()
	return failingServer(t, &bytes.Buffer{})
}
