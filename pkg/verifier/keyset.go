package verifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// cooldown passes between the end of a fetch and the start of the next, after success and failure alike: it is
	// all that tokens with invented kids can make an issuer work.
	cooldown = 10 * time.Second
	// firstCooldown is the cool-down while no fetch has succeeded yet: a service that was up before its issuer
	// should not refuse everybody any longer than it must.
	firstCooldown = time.Second
	// fetchTimeout bounds one fetch, metadata included.
	fetchTimeout = 5 * time.Second
	// patience is how long into a fetch callers wait for it.
	patience = 2 * time.Second
	// briefly is how long into a fetch those wait who have a key, but one whose max-age is over.
	briefly = 500 * time.Millisecond
	// maxWaiters bounds the callers that wait for one fetch; those beyond are told at once.
	maxWaiters = 1024
	// maxAge is how long after a fetch its keys serve while later fetches fail; it is the stale-if-error of the
	// JWKS (RFC 5861 §4).
	maxAge = 24 * time.Hour
)

var (
	errSlow    = errors.New("the issuer has not answered yet")
	errCrowded = errors.New("too many requests wait for the issuer's answer")
	errOld     = errors.New("the keys are older than 24 h")
)

// keySet holds the issuer's keys. Readers take an immutable snapshot; no lock is held over I/O, and there is at most
// one fetch, hence one goroutine, at any time.
type keySet struct {
	now     func() time.Time
	log     *slog.Logger
	metrics Metrics
	life    *life
	source  *source // used by the goroutine of the flight alone
	current atomic.Pointer[snapshot]
	waiters atomic.Int32

	mu     sync.Mutex // guards flight, and writes of current
	flight *flight    // the fetch under way, or nil
}

// snapshot is what is known after a fetch. It never changes.
type snapshot struct {
	keys      map[string]*key // by kid; nil until a fetch succeeds
	metadata  metadata        // they were found by
	fetchedAt time.Time
	refreshAt time.Time // from here on a call starts a refresh in the background
	expiresAt time.Time // from here on a call waits for it, unless the last fetch failed
	retryAt   time.Time // no fetch before
	err       error     // of the last fetch; nil if it succeeded
}

// flight is one fetch; done closes at its end, the others when callers should stop waiting.
type flight struct{ done, patience, briefly <-chan struct{} }

func newKeySet(s settings, life *life, source *source) *keySet {
	set := &keySet{now: s.now, log: s.log, metrics: s.metrics, life: life, source: source}
	set.current.Store(&snapshot{})
	return set
}

// key returns the key named kid. Its errors are errUnknownKey, where a fetch succeeded and had no such key, and
// [ErrKeysUnavailable], where it could not be looked up.
func (s *keySet) key(ctx context.Context, kid string, now time.Time) (*key, error) {
	known := s.current.Load()
	stale := known.key(kid, now)
	if stale != nil {
		if now.Before(known.refreshAt) {
			return stale, nil
		}
		if now.Before(known.expiresAt) || known.err != nil {
			s.refresh(now)
			return stale, nil
		}
	}
	var problem error
	if f := s.refresh(now); f != nil && stale != nil {
		problem = s.wait(ctx, f, f.briefly)
	} else if f != nil {
		problem = s.wait(ctx, f, f.patience)
	}

	known = s.current.Load()
	if key := known.key(kid, now); key != nil {
		return key, nil
	}
	if problem == nil {
		problem = known.problem(now)
	}
	if problem != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, problem)
	}
	return nil, errUnknownKey
}

func (s *keySet) ready() error {
	now := s.now()
	known := s.current.Load()
	if !now.Before(known.refreshAt) {
		s.refresh(now)
	}
	if known.usable(now) {
		return nil
	}
	problem := known.err
	if problem == nil {
		problem = errSlow
	}
	return fmt.Errorf("%w: %w", ErrKeysUnavailable, problem)
}

func (s *keySet) awaitReady(ctx context.Context) error {
	now := s.now()
	if s.current.Load().usable(now) {
		return nil
	}
	if f := s.refresh(now); f != nil {
		if err := s.wait(ctx, f, f.patience); err != nil {
			return fmt.Errorf("%w: %w", ErrKeysUnavailable, err)
		}
	}
	return s.ready()
}

// retryAfter is how long a caller should wait before a new attempt has a chance.
func (s *keySet) retryAfter() time.Duration {
	left := s.current.Load().retryAt.Sub(s.now())
	return min(max(left, time.Second), cooldown)
}

// refresh returns the fetch under way, a new one, or nil during the cool-down.
func (s *keySet) refresh(now time.Time) *flight {
	if now.Before(s.current.Load().retryAt) { // the flood of unknown kids ends here, without the lock
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == nil && !now.Before(s.current.Load().retryAt) {
		s.flight = s.launch(now)
	}
	return s.flight
}

// launch starts a fetch, unless the verifier is closed. It runs under a context of its own: the caller that needed it
// first may go, others wait.
func (s *keySet) launch(now time.Time) *flight {
	patient, cancel := context.WithTimeout(context.Background(), patience)
	brief, cancelBrief := context.WithTimeout(context.Background(), briefly)
	done := make(chan struct{})
	started := s.life.start(func(ctx context.Context) {
		fetching, stop := context.WithTimeout(ctx, fetchTimeout)
		defer stop()
		defer cancel()
		defer cancelBrief()
		defer close(done)
		found, err := s.source.fetch(fetching, now)
		s.metrics.fetched("keys", s.now().Sub(now), err)
		if err != nil {
			s.log.Warn("the issuer's keys could not be read", "issuer", s.source.issuer, "error", err,
				"keys_kept", len(s.current.Load().keys))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flight = nil
		s.publish(found, err)
	})
	if !started {
		cancel()
		cancelBrief()
		s.publish(published{}, errClosed)
		return nil
	}
	return &flight{done: done, patience: patient.Done(), briefly: brief.Done()}
}

// publish makes known what a fetch brought; s.mu is held. A failure keeps the keys there are, and a key that was there
// before keeps its address.
func (s *keySet) publish(found published, err error) {
	now := s.now()
	next := *s.current.Load()
	next.retryAt, next.err = now.Add(cooldown), err
	if err != nil && next.keys == nil {
		next.retryAt = now.Add(firstCooldown)
	}
	if err == nil {
		for kid, key := range found.keys {
			if old := next.keys[kid]; old != nil && old.equal(key) {
				found.keys[kid] = old
			}
		}
		next.keys, next.metadata, next.fetchedAt = found.keys, found.metadata, now
		next.expiresAt = now.Add(found.maxAge)
		// Jitter: the replicas of a service must not ask in step for ever.
		percent := 75 + rand.IntN(15) //nolint:gosec // nothing depends on its being unknown
		next.refreshAt = now.Add(found.maxAge * time.Duration(percent) / 100)
	}
	s.current.Store(&next)
}

// wait waits for f, but no longer than ctx and enough allow.
func (s *keySet) wait(ctx context.Context, f *flight, enough <-chan struct{}) error {
	defer s.waiters.Add(-1)
	if s.waiters.Add(1) > maxWaiters {
		return errCrowded
	}
	select {
	case <-f.done:
		return nil
	case <-enough:
		if f.landed() { // both may be over
			return nil
		}
		return errSlow
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *flight) landed() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

func (s *snapshot) usable(now time.Time) bool {
	return s.keys != nil && now.Before(s.fetchedAt.Add(maxAge))
}

func (s *snapshot) key(kid string, now time.Time) *key {
	if !s.usable(now) {
		return nil
	}
	return s.keys[kid]
}

// problem says why the absence of a key proves nothing.
func (s *snapshot) problem(now time.Time) error {
	if s.err != nil || s.usable(now) {
		return s.err
	}
	return errOld
}
