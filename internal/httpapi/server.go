// Package httpapi is the transport: it turns requests into calls of the authority, and results into answers. It decides
// only which form a request may have.
//
// The tables in public.go and operations.go list the surfaces and their routes. A route can't exist without a guard,
// which finds out which caller its handler serves (callers.go), and errors.go is the only place that turns an error
// into an answer. The package ensures that bad input costs little and changes nothing, and that the answer says what is
// wrong.
package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/api"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/forwarded"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/oauth"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/revocation"
)

// Config is what the transport is built from. Everything is required.
type Config struct {
	Issuer         string
	Capabilities   oauth.Capabilities
	Authority      *authority.Authority
	Keys           *keyring.Keyring
	Lists          *revocation.Lists
	Limits         ratelimit.Store // shared by the replicas
	LocalLimits    ratelimit.Store // of this process
	Rates          Rates
	TrustedProxies forwarded.Proxies
	PublicHosts    Hosts
	OpsHosts       Hosts
	CORSOrigins    []string
	// LoopbackOrigins lets pages from servers of this machine call the JSON API: for development.
	LoopbackOrigins bool
	Observer        Observer
	Metrics         http.Handler
	Ready           func() error    // nil while requests are welcome
	Notes           func() []string // what operators should know while it is ready
	Details         func() []string // how each part is, for operators who ask
	Log             *slog.Logger
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

// Server holds what the two listeners serve.
type Server struct {
	Config
	granting map[string]grant // what the token endpoint offers, by grant type
	metadata document
	openapi  document
	waiters  *places // who waits for a status list
	hearsay  hearsay
}

// New returns the transport over its parts.
func New(config Config) (*Server, error) {
	metadata, err := oauth.Metadata(config.Issuer, config.Capabilities)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Config:   config,
		metadata: newDocument(jsonType, metadata),
		openapi:  newDocument("application/yaml", api.OpenAPI),
		waiters:  newPlaces(maxWaiters, maxWaiters/2),
	}
	s.granting = s.offered()
	return s, nil
}

// Public is the handler of the public listener.
func (s *Server) Public() http.Handler {
	return foldCase(s.engine(s.publicSurfaces(), s.PublicHosts))
}

// Operations is the handler of the operations listener, which is never public.
func (s *Server) Operations() http.Handler {
	return s.engine(s.operationsSurfaces(), s.OpsHosts)
}

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
