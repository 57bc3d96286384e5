package verifier

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// maxLeeway bounds what [WithLeeway] takes: beyond it a clock is broken, not late.
const maxLeeway = 60 * time.Second

// Option changes a default of [New].
type Option func(*settings)

type settings struct {
	leeway    leeway
	client    *http.Client
	log       *slog.Logger
	now       func() time.Time
	allowHTTP bool
}

func defaults() settings {
	return settings{
		leeway: leeway{expiry: 0, start: 30 * time.Second},
		client: &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			// One fetch in minutes: a kept connection would only be a dead one.
			DisableKeepAlives:      true,
			TLSHandshakeTimeout:    fetchTimeout,
			MaxResponseHeaderBytes: 64 << 10,
		}},
		log: slog.Default(),
		now: time.Now,
	}
}

// WithLeeway sets the clock difference that exp, nbf and iat forgive, 0 to 60 s. Without it exp forgives nothing and
// nbf and iat forgive 30 s.
func WithLeeway(d time.Duration) Option {
	return func(s *settings) { s.leeway = leeway{expiry: d, start: d} }
}

// WithHTTPClient sets the client that reads metadata and keys, for a proxy or a private CA. It is copied; its
// redirect policy is not used, since no redirect is followed.
func WithHTTPClient(client *http.Client) Option {
	return func(s *settings) { s.client = client }
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

// InsecureAllowHTTP accepts an http issuer, and an http jwks_uri, that is not on loopback. Whoever can change the
// answers on the way can then forge every token: for closed test networks only.
func InsecureAllowHTTP() Option {
	return func(s *settings) { s.allowHTTP = true }
}

func (s settings) check() error {
	var problems []error
	if s.leeway.expiry < 0 || s.leeway.expiry > maxLeeway {
		problems = append(problems, fmt.Errorf("leeway %v is out of range: use 0 to %v", s.leeway.expiry, maxLeeway))
	}
	if s.client == nil {
		problems = append(problems, errors.New("the HTTP client is nil: leave WithHTTPClient out for the default"))
	}
	if s.log == nil {
		problems = append(problems, errors.New("the logger is nil: leave WithLogger out for the default"))
	}
	if s.now == nil {
		problems = append(problems, errors.New("the clock is nil: leave WithClock out for the default"))
	}
	return errors.Join(problems...)
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
