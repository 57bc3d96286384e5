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
	// cooldown passes between the end of a fetch and the start of the next, after success and failure alike. It bounds
	// the load that tokens with invented kids can put on an issuer.
	cooldown = 10 * time.Second
	// firstCooldown is the cool-down until the first fetch has succeeded: a service that starts before its issuer
	// should not refuse every request for longer than necessary.
	firstCooldown = time.Second
	// fetchTimeout bounds one fetch, metadata included.
	fetchTimeout = 5 * time.Second
	// servesFor is how long the keys of a fetch are used while later fetches fail: the stale-if-error of the JWKS (RFC
	// 5861 §4).
	servesFor = 24 * time.Hour
)

var (
	errOld     = errors.New("the keys are older than 24 h")
	errTooSoon = errors.New("the keys were read before the token was issued, and may not be read again yet")
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
	doubted atomic.Int64 // when a caller was last told that nothing is known of its token, in Unix nanoseconds

	mu      sync.Mutex // guards what follows, and writes of current
	flight  *flight    // the fetch under way, or nil
	news    news
	chasing bool // a goroutine of chase runs
}

// snapshot is the state after a fetch. It never changes.
type snapshot struct {
	keys      map[string]*key // by kid; nil until a fetch succeeds
	name      string          // of the key set, as status lists name it
	metadata  metadata        // that named the keys
	askedAt   time.Time       // when their fetch began
	fetchedAt time.Time       // when their fetch ended
	refreshAt time.Time       // from then on, a call starts a refresh in the background
	expiresAt time.Time       // from then on, a call waits for the refresh, unless the last fetch failed
	retryAt   time.Time       // no fetch before
	err       error           // of the last fetch; nil if it succeeded
}

func newKeySet(s settings, life *life, source *source) *keySet {
	set := &keySet{now: s.now, log: s.log, metrics: s.metrics, life: life, source: source}
	set.current.Store(&snapshot{})
	return set
}

// key returns the key named kid, for a token issued at issuedAt. It returns errUnknownKey if the issuer had no such key
// after the token was issued, and [ErrKeysUnavailable] if that is not known.
func (s *keySet) key(ctx context.Context, kid string, issuedAt, now time.Time) (*key, error) {
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
	f, enough := s.refresh(now), patience
	if stale != nil {
		enough = briefly
	}
	var problem error
	if f != nil {
		problem = f.wait(ctx, enough, &s.waiters)
	}

	known = s.current.Load()
	if key := known.key(kid, now); key != nil {
		return key, nil
	}
	if problem == nil {
		problem = known.problem(now)
	}
	// An issuer may sign with a key as soon as it publishes it. The caller that began the fetch knows that its token is
	// older; others can only compare the two clocks, which can't order two events of the same second.
	began := f != nil && !f.asked.Before(now)
	if problem == nil && !began && known.askedAt.Unix() <= issuedAt.Unix() {
		problem = errTooSoon
	}
	if problem != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, problem)
	}
	return nil, errUnknownKey
}

// tokenKey is key for a token whose signature was not checked yet, so that a stranger may have made it up. While there
// are keys, one call per cool-down gets [ErrKeysUnavailable] for an unknown kid, and all others errUnseenKey: a balancer
// takes a replica out of service that answers 5xx time after time, and nobody may bring that about with invented kids.
func (s *keySet) tokenKey(ctx context.Context, kid string, issuedAt, now time.Time) (*key, error) {
	key, err := s.key(ctx, kid, issuedAt, now)
	if err == nil || !errors.Is(err, ErrKeysUnavailable) || !s.current.Load().usable(now) || s.mayDoubt(now) {
		return key, err
	}
	return nil, errUnseenKey
}

// mayDoubt reports whether nobody was told within the cool-down that nothing is known of a token, and notes that now
// somebody is. A clock that is set back makes the cool-down longer.
func (s *keySet) mayDoubt(now time.Time) bool {
	last := s.doubted.Load()
	return now.UnixNano()-last >= int64(cooldown) && s.doubted.CompareAndSwap(last, now.UnixNano())
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
		if err := f.wait(ctx, patience, &s.waiters); err != nil {
			return fmt.Errorf("%w: %w", ErrKeysUnavailable, err)
		}
	}
	return s.ready()
}

// retryAfter returns how long a caller should wait until a new attempt can succeed.
func (s *keySet) retryAfter() time.Duration {
	left := s.current.Load().retryAt.Sub(s.now())
	return min(max(left, time.Second), cooldown)
}

// refresh returns the fetch under way, a new one, or nil during the cool-down.
func (s *keySet) refresh(now time.Time) *flight {
	if now.Before(s.current.Load().retryAt) { // a flood of unknown kids ends here, without the lock
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == nil && !now.Before(s.current.Load().retryAt) {
		s.flight = s.launch(now, "")
	}
	return s.flight
}

// heed notes the key set that a status list names, and has the keys read soon if it is another than the known one: a key
// of the known set may have been revoked. It does not wait.
func (s *keySet) heed(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = s.news.tell(name)
	if _, never := s.news.due(s.current.Load().name, time.Now()); !never && !s.chasing {
		s.chasing = s.life.start(s.chase)
	}
}

// chase reads the keys until they are those that the lists name, or the news have it that they need not be read.
func (s *keySet) chase(ctx context.Context) {
	for {
		f, wait, done := s.pursue()
		if done {
			return
		}
		if f != nil {
			<-f.done
			continue
		}
		sleep(ctx, wait) // if ctx has ended, nothing is fetched any more
	}
}

// pursue returns the fetch to wait for, or how long to wait for the next one, or done.
func (s *keySet) pursue() (f *flight, wait time.Duration, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now() // a clock that is set may not hold up what must happen within seconds
	wait, never := s.news.due(s.current.Load().name, now)
	switch {
	case never || s.life.ctx.Err() != nil || s.life.dropped.Load():
		s.chasing = false
		return nil, 0, true
	case s.flight == nil && wait == 0:
		s.news = s.news.read(now)
		s.flight = s.launch(s.now(), revalidate)
	}
	return s.flight, wait, false
}

// launch starts a fetch, unless the verifier is closed. The fetch has its own context: if its first caller leaves,
// others still wait.
func (s *keySet) launch(now time.Time, cacheControl string) *flight {
	f := newFlight(now)
	started := s.life.start(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
		defer cancel()
		defer close(f.done)
		found, err := s.source.fetch(ctx, now, cacheControl)
		s.metrics.fetched("keys", s.now().Sub(now), err)
		if err != nil {
			s.log.Warn("the issuer's keys could not be read", "issuer", s.source.issuer, "error", err,
				"keys_kept", len(s.current.Load().keys))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flight = nil
		s.publish(f, found, err)
	})
	if !started {
		s.publish(f, published{}, errClosed)
		return nil
	}
	return f
}

// publish stores the result of f; the caller holds s.mu. After a failure the old keys stay, and a key that was there
// before keeps its address.
func (s *keySet) publish(f *flight, found published, err error) {
	now := s.now()
	next := *s.current.Load()
	next.retryAt, next.err = now.Add(cooldown), err
	if err != nil && next.keys == nil {
		next.retryAt = now.Add(firstCooldown)
	}
	if err == nil {
		s.news = s.news.answered()
		for kid, key := range found.keys {
			if old := next.keys[kid]; old != nil && old.equal(key) {
				found.keys[kid] = old
			}
		}
		next.keys, next.name, next.metadata, next.askedAt, next.fetchedAt = found.keys, found.name, found.metadata, f.asked, now
		next.expiresAt = now.Add(found.fresh)
		// Jitter: the replicas of a service must not ask in step forever.
		percent := 75 + rand.IntN(15) //nolint:gosec // nothing depends on its being unknown
		next.refreshAt = now.Add(found.fresh * time.Duration(percent) / 100)
	}
	s.current.Store(&next)
}

func (s *snapshot) usable(now time.Time) bool {
	return s.keys != nil && now.Before(s.fetchedAt.Add(servesFor))
}

func (s *snapshot) key(kid string, now time.Time) *key {
	if !s.usable(now) {
		return nil
	}
	return s.keys[kid]
}

// problem returns the reason why the absence of a key proves nothing.
func (s *snapshot) problem(now time.Time) error {
	if s.err != nil || s.usable(now) {
		return s.err
	}
	return errOld
}
