package audit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxQueued bounds the events waiting to be written; beyond it they are counted
// and dropped, because a flood of events must not take the authority's memory.
const (
	maxQueued  = 10_000
	queueBatch = 500
)

// What may come again and again, such as the refusals of a client that never gives
// up, leaves one event of a kind per session, address and hour. That is remembered of
// the latest maxSeldom of them at least: beyond 2·maxSeldom within an hour the oldest
// are forgotten, and may leave another event.
const (
	seldom    = time.Hour
	maxSeldom = 10_000
)

// Queue holds events that accompany no durable change until they are written.
type Queue struct {
	store   Store
	dropped atomic.Uint64

	writing chan struct{} // holds an element while a Flush writes

	mu      sync.Mutex
	waiting []Event               // guarded by mu
	recent  map[subject]time.Time // when AddSeldom let one pass; guarded by mu
	older   map[subject]time.Time // what recent was before it was full; guarded by mu
	hour    time.Time             // that tallies count; guarded by mu
	tallies map[tallied]*tally    // what AddCounted counted in it; guarded by mu
}

// subject is what AddSeldom counts by.
type subject struct {
	kind      Kind
	sessionID string
	address   string
}

// NewQueue returns an empty queue before the store.
func NewQueue(store Store) *Queue {
	return &Queue{store: store, writing: make(chan struct{}, 1), recent: make(map[subject]time.Time)}
}

// Add queues an event; it never blocks.
func (q *Queue) Add(event Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(event)
}

// AddSeldom queues an event, unless one of its kind about its session from its
// address was queued in the hour before. The event's At must be set.
func (q *Queue) AddSeldom(event Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	about := subject{event.Kind, event.SessionID, event.Address}
	last, known := q.recent[about]
	if !known {
		last, known = q.older[about]
	}
	if known && event.At.Sub(last) < seldom {
		return
	}
	if len(q.recent) >= maxSeldom {
		q.older, q.recent = q.recent, make(map[subject]time.Time)
	}
	q.recent[about] = event.At
	q.add(event)
}

func (q *Queue) add(event Event) {
	if len(q.waiting) >= maxQueued {
		q.dropped.Add(1)
		return
	}
	q.waiting = append(q.waiting, event)
}

// Dropped is how many events did not fit since the start.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Waiting is how many events are still to be written.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Flush writes what waits, in order. What could not be written stays queued:
// events carry their id, so one sent twice is stored once. It may be called while
// another Flush runs, and waits for that.
func (q *Queue) Flush(ctx context.Context) error {
	select {
	case q.writing <- struct{}{}:
		defer func() { <-q.writing }()
	case <-ctx.Done():
		return fmt.Errorf("append audit events: %w", ctx.Err())
	}
	for {
		batch := q.head()
		if len(batch) == 0 {
			return nil
		}
		if err := q.store.AppendEvents(ctx, batch); err != nil {
			return fmt.Errorf("append audit events: %w", err)
		}
		q.mu.Lock()
		q.waiting = q.waiting[len(batch):]
		q.mu.Unlock()
	}
}

func (q *Queue) head() []Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]Event(nil), q.waiting[:min(len(q.waiting), queueBatch)]...)
}
