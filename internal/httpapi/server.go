// Package httpapi is the transport: it turns requests into calls of the authority
// and answers into bytes. Nothing is decided here but what a request may look like.
//
// A route can't exist without saying how it is guarded (public.go, operations.go),
// and errors.go is the only place that turns an error into an answer. The package
// protects that bad input costs little, changes nothing and is told why.
package httpapi

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/api"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/revocation"
)

// Config is what the transport is built from. Everything is required.
type Config struct {
	Issuer         string
	Authority      *authority.Authority
	Clients        *client.Directory
	Keys           *keyring.Keyring
	Lists          *revocation.Lists
	Limits         ratelimit.Store // shared by the replicas
	LocalLimits    ratelimit.Store // of this process
	Rates          Rates
	TrustedProxies []netip.Prefix
	CORSOrigins    []string
	Observer       Observer
	Metrics        http.Handler
	Ready          func() error // nil while requests are welcome
	Log            *slog.Logger
}

// Rates bound how often an endpoint may be called.
type Rates struct {
	Login    ratelimit.Rate // per address; the authority also counts per user and address
	Register ratelimit.Rate // per address
	Token    ratelimit.Rate // per client; for public clients per client and address
}

// Observer counts and times requests; implementations must not block.
type Observer interface {
	Began()
	Served(route, method string, status int, took time.Duration)
}

// Server holds the two surfaces.
type Server struct {
	Config
	metadata document
	openapi  document
	waiters  *places // who waits for a status list
}

// New returns the transport over its parts.
func New(config Config) (*Server, error) {
	metadata, err := renderMetadata(config.Issuer)
	if err != nil {
		return nil, err
	}
	return &Server{
		Config:   config,
		metadata: newDocument(jsonType, metadata),
		openapi:  newDocument("application/yaml", api.OpenAPI),
		waiters:  newPlaces(maxWaiters),
	}, nil
}

// Public is the handler of the public listener.
func (s *Server) Public() http.Handler {
	return foldCase(s.engine(s.publicRoutes()))
}

// Operations is the handler of the operations listener, which is never public.
func (s *Server) Operations() http.Handler {
	return s.engine(s.operationsRoutes())
}

// engine makes a router out of a table of routes.
func (s *Server) engine(routes []route) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.RedirectFixedPath = false
	engine.Use(s.observe, s.recover, s.shield)
	engine.NoRoute(func(c *gin.Context) { s.answerError(c, answersOf(c.Request.URL.Path), errNotFound) })
	engine.NoMethod(func(c *gin.Context) { s.answerError(c, answersOf(c.Request.URL.Path), errMethod) })
	asked := make(map[string][]route) // of the routes that pages of other origins may call, by path
	for _, r := range routes {
		for _, method := range r.methods() {
			engine.Handle(method, r.path, s.handle(r))
		}
		if r.cors != noOrigin {
			asked[r.path] = append(asked[r.path], r)
		}
	}
	for path, routes := range asked {
		engine.Handle(http.MethodOptions, path, s.preflight(routes))
	}
	return engine
}

// firstPartyPrefix is where letter case is ignored, as the API's ASP.NET
// ancestors did.
const firstPartyPrefix = "/api/authentication/"

// foldCase sends every spelling of a first-party path to its one route.
func foldCase(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lower := asciiLower(r.URL.Path); strings.HasPrefix(lower, firstPartyPrefix) {
			r.URL.Path = lower
		}
		next.ServeHTTP(w, r)
	})
}

// asciiLower folds what ASP.NET's ordinal comparison folds, and no Kelvin sign.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
