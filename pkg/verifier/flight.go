package verifier

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

const (
	// patience is how long callers wait for a flight, from its start.
	patience = 2 * time.Second
	// briefly is how long callers wait for a fetch if they have a key whose max-age is over.
	briefly = 500 * time.Millisecond
	// maxWaiters bounds the callers that wait at once, for keys and for lists; further callers get an error at once.
	maxWaiters = 1024
)

var (
	errSlow    = errors.New("the issuer has not answered yet")
	errCrowded = errors.New("too many requests wait for the issuer's answer")
)

// flight is a request to the issuer that is under way; many callers may wait for it.
type flight struct {
	began time.Time
	asked time.Time     // began, by the clock of the verifier
	done  chan struct{} // closes at its end
}

func newFlight(now time.Time) *flight {
	return &flight{began: time.Now(), asked: now, done: make(chan struct{})}
}

// wait waits until f has landed, ctx ends, or f has taken enough. crowd counts the callers that wait.
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
