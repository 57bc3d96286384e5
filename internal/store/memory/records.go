package memory

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/mintmark-auth/mintmark/internal/grant"
)

var _ grant.Store = (*Records)(nil)

// Records keeps one-time records in this process, for embedded mode.
//
// It holds a bounded number of records and of octets. A full store forgets what has
// expired, and nothing else: it refuses what is new, because a flood must not be able
// to push out a code that a user is about to exchange.
type Records struct {
	clock  func() time.Time
	most   int
	octets int

	mu      sync.Mutex
	entries map[grant.Key]*record // guarded by mu
	queue   expiries              // guarded by mu; the same records, the next to expire first
	held    int                   // guarded by mu; octets of all values
}

type record struct {
	key     grant.Key
	value   []byte
	expires time.Time
	at      int // its place in the queue
}

// NewRecords returns a store of at most so many records, whose values take at most so
// many octets together.
func NewRecords(clock func() time.Time, most, octets int) *Records {
	return &Records{clock: clock, most: most, octets: octets, entries: make(map[grant.Key]*record)}
}

// UpdateRecord implements [grant.Store]. decide is called once, under the lock.
func (r *Records) UpdateRecord(ctx context.Context, key grant.Key, decide grant.Decider) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock()
	r.forget(now)
	known := r.entries[key]
	var stored []byte
	if known != nil {
		stored = known.value
	}
	next, keep := decide(stored, now)
	if keep <= 0 {
		return nil
	}
	return r.keep(known, &record{key: key, value: next, expires: now.Add(keep)})
}

// Len is the number of records held.
func (r *Records) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.entries)
}

// keep puts next in the place of known, which may be nil.
func (r *Records) keep(known, next *record) error {
	more, grows := 1, len(next.value)
	if known != nil {
		more, grows = 0, grows-len(known.value)
	}
	if len(r.entries)+more > r.most || r.held+grows > r.octets {
		return grant.ErrFull
	}
	r.held += grows
	if known != nil {
		heap.Remove(&r.queue, known.at)
	}
	heap.Push(&r.queue, next)
	r.entries[next.key] = next
	return nil
}

// forget drops every record that has expired by now.
func (r *Records) forget(now time.Time) {
	for len(r.queue) > 0 && !r.queue[0].expires.After(now) {
		gone := heap.Pop(&r.queue).(*record)
		r.held -= len(gone.value)
		delete(r.entries, gone.key)
	}
}

// expiries is a heap of records by the time at which they expire.
type expiries []*record

func (q expiries) Len() int           { return len(q) }
func (q expiries) Less(i, j int) bool { return q[i].expires.Before(q[j].expires) }
func (q expiries) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements [heap.Interface].
func (q *expiries) Push(x any) {
	r := x.(*record)
	r.at = len(*q)
	*q = append(*q, r)
}

// Pop implements [heap.Interface].
func (q *expiries) Pop() any {
	old := *q
	last := len(old) - 1
	r := old[last]
	old[last] = nil
	*q = old[:last]
	return r
}
