package audit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// maxQueued bounds the events waiting to be written; beyond it they are counted
// and dropped, because a flood of events must not take the authority's memory.
const (
	maxQueued  = 10_000
	queueBatch = 500
)

// Queue holds events that accompany no durable change until they are written.
type Queue struct {
	store   Store
	dropped atomic.Uint64

	mu      sync.Mutex
	waiting []Event // guarded by mu
}

// NewQueue returns an empty queue before the store.
func NewQueue(store Store) *Queue { return &Queue{store: store} }

// Add queues an event; it never blocks.
func (q *Queue) Add(event Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxQueued {
		q.dropped.Add(1)
		return
	}
	q.waiting = append(q.waiting, event)
}

// Dropped is how many events did not fit since the start.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Flush writes what waits, in order. What could not be written stays queued:
// events carry their id, so one sent twice is stored once.
func (q *Queue) Flush(ctx context.Context) error {
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
