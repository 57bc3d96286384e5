// Package tokensource keeps the tokens of one session fresh for a program that calls other services: it holds an access
// token and the refresh token that renews it, and returns the access token.
//
//	source, err := tokensource.New(tokensource.Config{
//		TokenURL: "https://auth.example.com/oauth/token",
//		ClientID: "first-party",
//		Token:    saved,
//		Save:     save,
//	})
//	transport, err := source.Transport(nil, "https://orders.example.com")
//	client := &http.Client{Transport: transport}
//
// It protects one invariant: as far as a client can prevent it, a lost answer never ends the session. Only one refresh
// runs at a time, however many goroutines ask. An attempt that may have taken effect is repeated with the same refresh
// token, within the authority's grace. The new pair is saved before it is used, and no refresh presents it while an
// older attempt may still be under way.
//
// Errors may be logged. They hold the status and the errors that RFCs define, such as invalid_client, and no other text
// of the authority, because it could repeat a secret. They also hold the error of Save. An answer is read to the letter
// of RFC 6749 §5, so that neither a proxy's page, nor what two readers understand differently, ends or renews a session.
//
// Use a session with one Source in one process only: two sources that hold the same refresh token look like an owner
// and a thief. The package does not log in, and starts nothing by itself: a refresh begins when a caller asks for a
// token.
package tokensource

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

var (
	// ErrEnded reports that the authority refused the refresh token for good: the user has to log in again.
	ErrEnded = errors.New("the session has ended: log in again")
	// ErrTokenType reports that the authority issues access tokens that are not bearer tokens, such as those bound by
	// DPoP. The session is still alive: its new pair was saved.
	ErrTokenType = errors.New("the authority's access tokens are no bearer tokens")
	// ErrUnavailable reports that there is no access token now; a later call may get one.
	ErrUnavailable = errors.New("no access token can be had now")
	// ErrClosed reports that the source was closed.
	ErrClosed = errors.New("the token source is closed")
)

// Source is an [oauth2.TokenSource] for one session. It is safe for concurrent use.
type Source struct {
	endpoint *endpoint
	save     func(context.Context, *oauth2.Token) error
	grace    time.Duration
	closing  chan struct{}   // closed by Close: begin nothing new
	abort    context.Context // done when Close stops waiting: give up the refresh under way
	giveUp   context.CancelFunc

	mu       sync.Mutex // guards what follows
	held     held
	unsaved  *oauth2.Token // a pair that Save has not accepted yet; held is then the previous one
	flight   *flight       // the refresh under way, or nil
	failures int           // of flights, in a row
	retryAt  time.Time     // no flight before
	lastErr  error         // of the last flight; nil if it succeeded
	forcedAt time.Time     // when a resource last made us refresh
	closed   bool

	older unsettled // used by the goroutine of the flight alone
}

// flight is one refresh, shared by all callers that wait for it: token and err are set before done closes.
type flight struct {
	done  chan struct{}
	token held
	err   error
}

// New makes a source that begins with the tokens of cfg. It does no I/O, and fails only on a configuration that cannot
// work; the error names every problem.
func New(cfg Config) (*Source, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("configure token source: %w", err)
	}
	cfg = cfg.withDefaults()
	abort, giveUp := context.WithCancel(context.Background())
	return &Source{
		endpoint: newEndpoint(cfg),
		save:     cfg.Save,
		grace:    cfg.Grace,
		closing:  make(chan struct{}),
		abort:    abort,
		giveUp:   giveUp,
		held:     hold(cfg.Token, time.Now()),
	}, nil
}

// Token is TokenContext without a context, for [oauth2.TokenSource]. It waits at most as long as a refresh and its
// repeats take, which is little more than the grace.
func (s *Source) Token() (*oauth2.Token, error) { return s.TokenContext(context.Background()) }

// TokenContext returns a valid access token, without its refresh token. In the last 20 to 10 % of the token's life (the
// moment is chosen at random) it starts a refresh and still returns the old token. Once the old token has expired, it
// waits for the refresh, or until ctx ends. Its errors are [ErrEnded], [ErrTokenType], [ErrUnavailable], [ErrClosed]
// and that of ctx.
func (s *Source) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	now := time.Now()
	s.mu.Lock()
	if err := s.over(); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	current := s.held
	if current.fresh(now) {
		s.mu.Unlock()
		return current.access(), nil
	}
	flight := s.refresh(now)
	err := s.unavailable(now)
	s.mu.Unlock()

	switch {
	case current.lives(now):
		return current.access(), nil
	case flight != nil:
		return s.wait(ctx, flight)
	case current.lingers(now):
		return current.access(), nil
	default:
		return nil, err
	}
}

// Close waits for the refresh under way, so that its pair is saved, and begins no other: a program that ends without
// Close may lose the session. If Save has failed for a pair, Close calls Save with it once more, and returns an error
// if that fails too, because the session is then lost with the program. If ctx ends first, Close gives up the work
// under way and returns an error that wraps the one of ctx.
func (s *Source) Close(ctx context.Context) error {
	defer s.giveUp()
	for {
		flight, last := s.land(ctx)
		if flight == nil {
			return nil
		}
		select {
		case <-flight.done:
		case <-ctx.Done():
			return fmt.Errorf("give up what is under way: %w", ctx.Err())
		}
		if last {
			return flight.err
		}
	}
}

// land returns the flight that Close has to wait for: the flight under way, the last one, or nil.
func (s *Source) land(ctx context.Context) (f *flight, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	if s.flight != nil || s.unsaved == nil {
		return s.flight, false
	}
	s.flight = &flight{done: make(chan struct{})}
	go s.flyLast(ctx, s.flight, *s.unsaved)
	return s.flight, true
}

// String keeps the tokens out of logs.
func (s *Source) String() string { return "tokensource.Source(REDACTED)" }

// GoString keeps the tokens out of logs.
func (s *Source) GoString() string { return s.String() }

// over returns the reason why there will be no more tokens, or nil. The caller holds mu.
func (s *Source) over() error {
	switch {
	case s.closed:
		return ErrClosed
	case errors.Is(s.lastErr, ErrEnded), errors.Is(s.lastErr, ErrTokenType):
		return s.lastErr
	}
	return nil
}

// refresh returns the flight under way, a new one, or nil while it is too early for one. The caller holds mu.
func (s *Source) refresh(now time.Time) *flight {
	if s.flight == nil && !now.Before(s.retryAt) {
		s.flight = &flight{done: make(chan struct{})}
		go s.fly(s.flight, s.held, s.unsaved)
	}
	return s.flight
}

// unavailable is the error for callers that come while it is too early to try again. The caller holds mu.
func (s *Source) unavailable(now time.Time) error {
	if s.lastErr == nil {
		return ErrUnavailable
	}
	return fmt.Errorf("%w (not tried again for %v)", s.lastErr, max(0, s.retryAt.Sub(now)).Round(time.Millisecond))
}

// wait waits for the flight, but no longer than ctx allows.
func (s *Source) wait(ctx context.Context, f *flight) (*oauth2.Token, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.token.access(), nil
}

// renewed returns a token other than refused, which a resource called invalid: the current one if it has changed, or
// that of a refresh.
func (s *Source) renewed(ctx context.Context, refused string) (*oauth2.Token, error) {
	current, flight, err := s.renew(refused)
	if err == nil && flight != nil {
		current, err = s.wait(ctx, flight)
	}
	if err == nil && current.AccessToken == refused { // the refresh failed, and the old token lingers
		err = ErrUnavailable
	}
	return current, err
}

// renew returns the current token, if it is not the one that a resource called invalid, or else a refresh. Resources
// can cause at most one refresh per forceEvery.
func (s *Source) renew(refused string) (*oauth2.Token, *flight, error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.over(); err != nil {
		return nil, nil, err
	}
	if current := s.held; current.token.AccessToken != refused && current.lives(now) {
		return current.access(), nil, nil
	}
	if s.flight == nil && !now.Before(s.forcedAt.Add(forceEvery)) && s.refresh(now) != nil {
		s.forcedAt = now
	}
	if s.flight == nil {
		return nil, nil, ErrUnavailable
	}
	return nil, s.flight, nil
}
