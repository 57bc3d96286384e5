package tokensource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// saves is how often one flight calls Save with its pair.
const saves = 3

// unsettled is an attempt that the source gave up and that may still be under way.
type unsettled struct {
	refreshToken string // that it presented
	until        time.Time
}

// fly runs one flight: it refreshes, unless there is already a pair that only has to be saved, and publishes the
// result.
func (s *Source) fly(f *flight, current held, unsaved *oauth2.Token) {
	defer close(f.done)
	next, wait, err := unsaved, time.Duration(0), error(nil)
	if next == nil {
		next, wait, err = s.obtain(current.token)
	}
	saved := false
	if err == nil {
		err = s.keep(next)
		saved = err == nil
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.flight, s.lastErr = nil, err
	if saved {
		s.held, s.unsaved, s.failures = hold(next, now), nil, 0
		f.token = s.held
		if !strings.EqualFold(next.TokenType, "Bearer") {
			s.lastErr = ofType(next.TokenType)
			f.err = s.lastErr
		}
		return
	}
	s.unsaved = next
	s.failures++
	s.retryAt = now.Add(backoff(s.failures, wait))
	f.err = err
	if !errors.Is(err, ErrEnded) && current.lingers(now) {
		f.token, f.err = current, nil
	}
}

// flyLast calls Save with a pair once more, as the program ends.
func (s *Source) flyLast(ctx context.Context, f *flight, unsaved oauth2.Token) {
	defer close(f.done)
	ctx, cancel := context.WithTimeout(ctx, slow)
	defer cancel()
	err := s.save(ctx, &unsaved)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.flight = nil
	if err != nil {
		f.err = fmt.Errorf("save the new pair, without which the session is lost: %w", err)
		return
	}
	s.unsaved = nil
}

// obtain presents the refresh token until the outcome is known, or the grace is over; wait is the Retry-After of the
// last answer. Its errors are [ErrEnded] and [ErrUnavailable].
func (s *Source) obtain(presented oauth2.Token) (next *oauth2.Token, wait time.Duration, err error) {
	if s.older.refreshToken != presented.RefreshToken && !s.pause(time.Until(s.older.until), s.closing) {
		return nil, 0, ErrClosed
	}
	tries := attempts{begun: time.Now()}
	for {
		started := time.Now()
		ctx, cancel := context.WithTimeout(s.abort, timeout(s.grace))
		a := s.endpoint.refresh(ctx, presented)
		cancel()
		now := time.Now()
		tries.made, tries.wait = tries.made+1, a.retryAfter
		switch a.kind {
		case granted:
			return a.token, 0, nil
		case ended:
			return nil, 0, fmt.Errorf("%w: %w", ErrEnded, a.err)
		case refused:
			return nil, a.retryAfter, fmt.Errorf("%w: %w", ErrUnavailable, a.err)
		case unknown:
			s.older = unsettled{presented.RefreshToken, now.Add(settle)}
			if tries.uncertain.IsZero() {
				tries.uncertain = started
			}
		}
		pause, again := tries.next(now, s.grace)
		stop := s.closing
		if !tries.uncertain.IsZero() {
			stop = nil // Close waits: the pair may be on its way
		}
		if !again || !s.pause(pause, stop) {
			return nil, a.retryAfter, fmt.Errorf("%w: %w", ErrUnavailable, a.err)
		}
	}
}

// keep saves a pair before it is used.
func (s *Source) keep(next *oauth2.Token) error {
	for n := 1; ; n++ {
		ctx, cancel := context.WithTimeout(s.abort, slow)
		own := *next
		err := s.save(ctx, &own)
		cancel()
		if err == nil {
			return nil
		}
		if n == saves || !s.pause(jittered(doubled(minPause, n, maxPause)), nil) {
			return fmt.Errorf("%w: save the new pair: %w", ErrUnavailable, err)
		}
	}
}

// pause waits for d. It returns false when the source gives up meanwhile, or stop closes.
func (s *Source) pause(d time.Duration, stop <-chan struct{}) bool {
	if d <= 0 {
		return s.abort.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	case <-s.abort.Done():
		return false
	}
}
