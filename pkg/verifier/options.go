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
	// maxLeeway is the maximum of [WithLeeway]: a larger difference means a broken clock.
	maxLeeway = 60 * time.Second
	// defaultCacheSize is how many verified tokens are cached.
	defaultCacheSize = 8192
	// defaultMaxAge is how long a token may live: longer than any issuer of mintmark's kind makes one, an hour at most.
	defaultMaxAge = 24 * time.Hour
)

// Option changes a default of [New].
type Option func(*settings)

type settings struct {
	leeway         leeway
	maxAge         time.Duration
	client         *http.Client // nil for the default
	clientGiven    bool
	log            *slog.Logger
	now            func() time.Time
	allowHTTP      bool
	algorithms     []string
	cacheSize      int
	status         StatusMode
	dpop           DPoPMode
	url            string
	introspection  *credentials
	resource       *Resource
	metrics        Metrics
	preflight      http.Handler // nil: they are refused
	preflightGiven bool
}

func defaults() settings {
	return settings{
		leeway:     leeway{expiry: 0, start: 30 * time.Second},
		maxAge:     defaultMaxAge,
		log:        slog.Default(),
		now:        time.Now,
		algorithms: []string{"RS256"},
		cacheSize:  defaultCacheSize,
	}
}

// WithLeeway sets the clock difference that the checks of exp, nbf and iat tolerate, 0 to 60 s. The default is 0 for
// exp, and 30 s for nbf and iat.
func WithLeeway(d time.Duration) Option {
	return func(s *settings) { s.leeway = leeway{expiry: d, start: d} }
}

// WithMaxAge sets how long a token may live, from its iat to its exp; the default is 24 h. A token that was made to live
// longer is refused, even if it is signed: it was made by mistake, or by a thief of the key. It does not apply to tokens
// that are not JWTs (see [WithIntrospection]), about which the issuer is asked every few seconds.
func WithMaxAge(d time.Duration) Option {
	return func(s *settings) { s.maxAge = d }
}

// WithPreflight sets the handler that answers CORS preflights in place of [Verifier.Require] and [Verifier.Enforce]:
// requests with the method OPTIONS, an Origin and an Access-Control-Request-Method, and without Authorization. A browser
// sends them without a token (Fetch §4.8), so by default they get 401, and scripts of other origins can't call the
// service. The handler of the service itself never gets a preflight, because anybody can send one. Use the option where
// the middleware for CORS does not stand before Require:
//
//	verifier.WithPreflight(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		w.Header().Set("Access-Control-Allow-Origin", "https://app.example.com")
//		w.Header().Set("Access-Control-Allow-Headers", "Authorization")
//		w.WriteHeader(http.StatusNoContent)
//	}))
func WithPreflight(answer http.Handler) Option {
	return func(s *settings) { s.preflight, s.preflightGiven = answer, true }
}

// WithHTTPClient sets the client for requests to the issuer, for example to use a proxy or a private CA. The verifier
// uses a copy of the client, and of its transport if that is one of net/http, so it has its own connections. Another
// transport, such as one that wraps that of net/http, must itself give up a frozen HTTP/2 connection
// ([http.HTTP2Config]). The verifier follows no redirect, whatever the client's policy, and does not apply the client's
// Timeout to status lists, whose requests are meant to wait.
func WithHTTPClient(client *http.Client) Option {
	return func(s *settings) { s.client, s.clientGiven = client, true }
}

// WithLogger sets the logger for failed fetches and unusable keys; the default is [slog.Default]. No part of a token is
// ever logged.
func WithLogger(log *slog.Logger) Option {
	return func(s *settings) { s.log = log }
}

// WithClock sets the clock, for tests; the default is [time.Now].
func WithClock(now func() time.Time) Option {
	return func(s *settings) { s.now = now }
}

// WithAlgorithms accepts these algorithms besides RS256: RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, or
// EdDSA (with Ed25519). Each key of the issuer verifies only one of them: the one that its alg names or, without alg,
// RS256 for an RSA key and the one of its curve for any other.
func WithAlgorithms(algorithms ...string) Option {
	return func(s *settings) { s.algorithms = append([]string{"RS256"}, algorithms...) }
}

// WithCacheSize sets how many verified tokens are cached, so that a repeated token costs no cryptography. The default
// is 8192, 0 turns the cache off, and the maximum is 2^20. The size is rounded up to a power of two. A token of 1 KiB
// takes about 2 KiB, and one of more than 4 KiB is not cached. A token is dropped when it comes again and has expired
// or its key has left the issuer's set. A token that its status list revokes stays cached, so that refusing it costs no
// RSA operation either.
func WithCacheSize(tokens int) Option {
	return func(s *settings) { s.cacheSize = tokens }
}

// WithStatus sets how the verifier handles the status list that a token names; the default is [StatusOn].
func WithStatus(mode StatusMode) Option {
	return func(s *settings) { s.status = mode }
}

// WithDPoP sets whether [Verifier.Require] checks proofs of possession (RFC 9449). The default is [DPoPOff], which
// refuses tokens that are bound to a key. A proof is for one URL, so the verifier must know the URL through which
// clients reach this service: see [WithURL].
func WithDPoP(mode DPoPMode) Option {
	return func(s *settings) { s.dpop = mode }
}

// WithURL sets the URL through which clients reach this service. The default is the audience, if it is a URL. The
// verifier does not use the Host header, because the sender of a request controls it. With [WithDPoP] the URL has no
// path: the htu of a proof must have the scheme, host and port of the URL, the path of the request line to the byte,
// and no query.
func WithURL(address string) Option {
	return func(s *settings) { s.url = address }
}

// WithIntrospection makes the verifier ask the issuer (RFC 7662) about tokens that are not JWTs, with the credentials
// of this service as a client. An answer is used for 4 s, but not after the token expires. The verifier never sends the
// issuer text that has the form of a JWT or of a mintmark refresh token.
//
// Anybody can invent such tokens. After 100 answers that the issuer does not know one, only 10 tokens a second are asked
// about that were never good at this verifier, or were long ago; it refuses the others as invalid, with one
// [ErrIntrospectionUnavailable] in 10 s. Tokens that were good before are always asked about. During a flood of invented
// tokens most users with a new one are therefore refused: the verifier can't tell them apart. If that must not be, limit
// the requests of each caller before the verifier, or let the authority issue JWTs, which need no question.
//
// While the issuer does not answer, nothing is known of any such token for longer than 4 s, so all of them get
// [ErrIntrospectionUnavailable], invented ones too: a 401 would log honest users out.
func WithIntrospection(clientID, clientSecret string) Option {
	return func(s *settings) { s.introspection = &credentials{clientID, clientSecret} }
}

// WithResourceMetadata describes this service to clients (RFC 9728): [Verifier.ResourceMetadata] serves the
// description, and every challenge links to it.
func WithResourceMetadata(r Resource) Option {
	return func(s *settings) { s.resource = &r }
}

// WithMetrics sets functions that the verifier calls as things happen.
func WithMetrics(m Metrics) Option {
	return func(s *settings) { s.metrics = m }
}

// InsecureAllowHTTP accepts an http issuer and an http jwks_uri that are not on loopback. An attacker who can change
// the answers on the way can then forge every token: use it only on closed test networks.
func InsecureAllowHTTP() Option {
	return func(s *settings) { s.allowHTTP = true }
}

// check returns every problem, and the URL of this service, or nil if it is neither known nor needed.
func (s settings) check(audience string) (*url.URL, error) {
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if s.leeway.expiry < 0 || s.leeway.expiry > maxLeeway {
		report("leeway %v is out of range: use 0 to %v", s.leeway.expiry, maxLeeway)
	}
	if s.maxAge <= 0 {
		report("a maximum age of %v is out of range: use more than 0", s.maxAge)
	}
	if s.preflightGiven && s.preflight == nil {
		report("the handler of preflights is nil: leave WithPreflight out to refuse them")
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

// ownURL returns the URL of this service, if it is needed.
func (s settings) ownURL(audience string) (*url.URL, error) {
	address := s.url
	if address == "" {
		if s.dpop == DPoPOff && s.resource == nil {
			return nil, nil //nolint:nilnil // nothing needs it
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

// challengeable reports whether a challenge can name all words, which must have the form of scopes (RFC 6749 §3.3).
func challengeable(words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !isScope(word) })
}
