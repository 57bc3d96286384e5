package verifier

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

const (
	// patience is how long into a flight callers wait for it.
	patience = 2 * time.Second
	// briefly is how long into a fetch those wait who have a key, but one whose max-age is over.
	briefly = 500 * time.Millisecond
	// maxWaiters bounds the callers that wait at once, for keys and for lists; those beyond are told at once.
	maxWaiters = 1024
)

var (
	errSlow    = errors.New("the issuer has not answered yet")
	errCrowded = errors.New("too many requests wait for the issuer's answer")
)

// flight is a request to the issuer that is under way, and that many may wait for.
type flight struct {
	began time.Time
	asked time.Time     // began, by the clock of the verifier
	done  chan struct{} // closes at its end
}

func newFlight(now time.Time) *flight {
	return &flight{began: time.Now(), asked: now, done: make(chan struct{})}
}

// wait waits until f has landed, but no longer than ctx allows or until it has taken enough. crowd counts who waits.
func (f *flight) wait(ctx context.Context, enough time.Duration, crowd *atomic.Int32) error {
	if f.landed() {
		return nil
	}
	defer crowd.Add(-1)
	if crowd.Add(1) > maxWaiters {
		return errCrowded
	}
	timer := time.NewTimer(enough - time.Since(f.began))
	defer timer.Stop()
	select {
	case <-f.done:
		return nil
	case <-timer.C:
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
