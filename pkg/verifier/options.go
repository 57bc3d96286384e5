package verifier

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// maxLeeway bounds what [WithLeeway] takes: beyond it a clock is broken, not late.
	maxLeeway = 60 * time.Second
	// defaultCacheSize is how many verified tokens are remembered.
	defaultCacheSize = 8192
)

// Option changes a default of [New].
type Option func(*settings)

type settings struct {
	leeway        leeway
	client        *http.Client // nil for the default
	clientGiven   bool
	log           *slog.Logger
	now           func() time.Time
	allowHTTP     bool
	algorithms    []string
	cacheSize     int
	status        StatusMode
	dpop          DPoPMode
	url           string
	introspection *credentials
	resource      *Resource
	metrics       Metrics
}

func defaults() settings {
	return settings{
		leeway:     leeway{expiry: 0, start: 30 * time.Second},
		log:        slog.Default(),
		now:        time.Now,
		algorithms: []string{"RS256"},
		cacheSize:  defaultCacheSize,
	}
}

// WithLeeway sets the clock difference that exp, nbf and iat forgive, 0 to 60 s. Without it exp forgives nothing and
// nbf and iat forgive 30 s.
func WithLeeway(d time.Duration) Option {
	return func(s *settings) { s.leeway = leeway{expiry: d, start: d} }
}

// WithHTTPClient sets the client that asks the issuer, for a proxy or a private CA. It is copied, and so is its transport if it
// is one of net/http: the verifier has connections of its own. One of another kind, which wraps that of net/http say, must give
// up a frozen HTTP/2 connection by itself ([http.HTTP2Config]). Its redirect policy is not used, since no redirect is followed,
// and its Timeout not for status lists, whose requests are meant to wait.
func WithHTTPClient(client *http.Client) Option {
	return func(s *settings) { s.client, s.clientGiven = client, true }
}

// WithLogger sets where failing fetches and unusable keys are reported; [slog.Default] without it. No part of a token
// is ever logged.
func WithLogger(log *slog.Logger) Option {
	return func(s *settings) { s.log = log }
}

// WithClock sets the clock, for tests; [time.Now] without it.
func WithClock(now func() time.Time) Option {
	return func(s *settings) { s.now = now }
}

// WithAlgorithms accepts these algorithms besides RS256: RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, or
// EdDSA (with Ed25519). Each key of the issuer verifies one of them alone: the one that its alg names, else RS256 or what
// its curve is for.
func WithAlgorithms(algorithms ...string) Option {
	return func(s *settings) { s.algorithms = append([]string{"RS256"}, algorithms...) }
}

// WithCacheSize sets how many verified tokens are remembered, so that one which comes again costs no cryptography: 8192
// without it, 0 for none, 2^20 at most. It is rounded up to a power of two; a token of 1 KiB takes some 2 KiB, and one of
// more than 4 KiB is not remembered. A token is forgotten when it comes again and has expired or its key has left the
// issuer's set. One that its status list revokes is kept: to refuse it costs no RSA operation either.
func WithCacheSize(tokens int) Option {
	return func(s *settings) { s.cacheSize = tokens }
}

// WithStatus sets what is done with the status list that a token names; [StatusOn] without it.
func WithStatus(mode StatusMode) Option {
	return func(s *settings) { s.status = mode }
}

// WithDPoP sets whether [Verifier.Require] checks proofs of possession (RFC 9449); [DPoPOff] without it, and then tokens
// that are bound to a key are refused. A proof is for one URL, so the verifier must know by which one clients reach this
// service: see [WithURL].
func WithDPoP(mode DPoPMode) Option {
	return func(s *settings) { s.dpop = mode }
}

// WithURL sets the URL by which clients reach this service; the audience, where it is a URL, without it. The Host header
// is not asked: whoever sends a request writes it. With [WithDPoP] it has no path, since proofs are for that of the request
// line: scheme, host and port of a proof's htu are those of the URL, its path is the one that was asked for, to the byte, and
// it has no query.
func WithURL(address string) Option {
	return func(s *settings) { s.url = address }
}

// WithIntrospection asks the issuer (RFC 7662) about tokens that are not JWTs, with the credentials of this service as a
// client. What it says is believed for 4 s, or as long as the token lives. What has the form of a JWT, or of a refresh token of
// mintmark's, is never sent there.
func WithIntrospection(clientID, clientSecret string) Option {
	return func(s *settings) { s.introspection = &credentials{clientID, clientSecret} }
}

// WithResourceMetadata describes this service to clients (RFC 9728): [Verifier.ResourceMetadata] serves it, and every
// challenge says where.
func WithResourceMetadata(r Resource) Option {
	return func(s *settings) { s.resource = &r }
}

// WithMetrics sets what is called as things happen.
func WithMetrics(m Metrics) Option {
	return func(s *settings) { s.metrics = m }
}

// InsecureAllowHTTP accepts an http issuer, and an http jwks_uri, that is not on loopback. Whoever can change the
// answers on the way can then forge every token: for closed test networks only.
func InsecureAllowHTTP() Option {
	return func(s *settings) { s.allowHTTP = true }
}

// check returns the URL of this service, nil where it is neither known nor needed, and every problem.
func (s settings) check(audience string) (*url.URL, error) {
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if s.leeway.expiry < 0 || s.leeway.expiry > maxLeeway {
		report("leeway %v is out of range: use 0 to %v", s.leeway.expiry, maxLeeway)
	}
	if s.clientGiven && s.client == nil {
		report("the HTTP client is nil: leave WithHTTPClient out for the default")
	}
	if s.log == nil {
		report("the logger is nil: leave WithLogger out for the default")
	}
	if s.now == nil {
		report("the clock is nil: leave WithClock out for the default")
	}
	for _, alg := range s.algorithms {
		if _, ok := algorithmNamed(alg); !ok {
			report("the algorithm %q is not one that is ever accepted: see WithAlgorithms", alg)
		}
	}
	if s.cacheSize < 0 || s.cacheSize > maxCacheSize {
		report("a cache of %d tokens is out of range: use 0 to %d", s.cacheSize, maxCacheSize)
	}
	if s.status < StatusOn || s.status > StatusOff {
		report("the status mode %d is not one", s.status)
	}
	if s.dpop < DPoPOff || s.dpop > DPoPRequired {
		report("the DPoP mode %d is not one", s.dpop)
	}
	if s.introspection != nil && (s.introspection.id == "" || s.introspection.secret == "") {
		report("introspection needs the id and the secret of a client")
	}
	if s.resource != nil {
		problems = append(problems, s.resource.check())
	}
	here, err := s.ownURL(audience)
	if err != nil {
		problems = append(problems, err)
	}
	return here, errors.Join(problems...)
}

// ownURL returns the URL of this service, if it has to be known.
func (s settings) ownURL(audience string) (*url.URL, error) {
	address := s.url
	if address == "" {
		if s.dpop == DPoPOff && s.resource == nil {
			return nil, nil //nolint:nilnil // nobody asks for it
		}
		address = audience
	}
	here, err := checkURL(address, true) // clients decide whether they trust it
	if err != nil {
		return nil, fmt.Errorf("the URL %q of this service: %w; set it by WithURL", address, err)
	}
	if s.url != "" && s.dpop != DPoPOff && strings.Trim(here.EscapedPath(), "/") != "" {
		return nil, fmt.Errorf("the URL %q of this service has a path, but proofs are for the path of the request line: leave it out", address)
	}
	here.Scheme, here.Host = strings.ToLower(here.Scheme), strings.ToLower(here.Host)
	if port := here.Port(); (here.Scheme == "https" && port == "443") || (here.Scheme == "http" && port == "80") {
		here.Host = strings.TrimSuffix(here.Host, ":"+port)
	}
	return here, nil
}

func checkAudience(audience string) error {
	if audience == "" {
		return errors.New("the audience is empty: give the name by which the issuer knows this service")
	}
	if strings.ContainsFunc(audience, isControl) { // it is the realm of every challenge
		return fmt.Errorf("the audience %q holds control characters", audience)
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// challengeable says whether all are words that a challenge can name: as scopes (RFC 6749 §3.3).
func challengeable(words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !isScope(word) })
}
