// Package ratelimit bounds how often something may be tried, with the generic cell rate algorithm: it needs one
// timestamp per key and is exact, without windows that a caller could straddle. [Take] decides and is pure; stores keep
// the timestamp.
package ratelimit

import (
	"context"
	"fmt"
	"time"
)

// Rate allows Limit tries per Per, all of which may come at once. The zero Rate
// allows everything.
type Rate struct {
	Limit int
	Per   time.Duration
}

// Unlimited reports whether the rate allows everything.
func (r Rate) Unlimited() bool { return r.Limit <= 0 || r.Per <= 0 }

// Decision is the outcome of one try.
type Decision struct {
	Allowed    bool
	RetryAfter time.Duration // when refused: how long until a try would be allowed
}

// setBack is how far beyond what the rate allows an arrival time may be. One that is further
// ahead was stored by a clock that was wrong, and would keep its caller out until then.
const setBack = 10 * time.Second

// Take decides about one try at now, given the theoretical arrival time stored
// for the key (zero if none), and returns the arrival time to store: the given
// one when the try is refused. After that time the key may be forgotten. An arrival
// time that the clock can't have given by now counts as none.
func Take(arrival, now time.Time, rate Rate) (time.Time, Decision) {
	if rate.Unlimited() {
		return arrival, Decision{Allowed: true}
	}
	interval := rate.Per / time.Duration(rate.Limit)
	burst := interval * time.Duration(rate.Limit) // a little below Per when the division leaves a rest
	next := arrival
	if next.Before(now) || next.Sub(now) > burst+setBack {
		next = now
	}
	next = next.Add(interval)
	if wait := next.Add(-burst).Sub(now); wait > 0 {
		return arrival, Decision{RetryAfter: wait}
	}
	return next, Decision{Allowed: true}
}

// Store keeps one arrival time per key and applies [Take] to it atomically, with
// its own clock. Keys may hold what a caller sent, of any bytes and length: a store
// hashes them.
type Store interface {
	Take(ctx context.Context, key string, rate Rate) (Decision, error)
}

// Exceeded is the error of a caller that tried too often.
type Exceeded struct {
	RetryAfter time.Duration
}

func (e *Exceeded) Error() string {
	return fmt.Sprintf("too many requests; retry after %s", e.RetryAfter.Round(time.Millisecond))
}

// Spend takes one try from the store and turns a refusal into [*Exceeded].
func Spend(ctx context.Context, store Store, key string, rate Rate) error {
	if rate.Unlimited() {
		return nil
	}
	d, err := store.Take(ctx, key, rate)
	if err != nil {
		return fmt.Errorf("spend rate limit: %w", err)
	}
	if !d.Allowed {
		return &Exceeded{RetryAfter: d.RetryAfter}
	}
	return nil
}
