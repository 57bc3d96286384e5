package memory

import (
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
	entries map[grant.Key]*queued[record] // guarded by mu, at the times at which they expire
	queue   queue[record]                 // guarded by mu; the same records
	held    int                           // guarded by mu; octets of all values
}

type record struct {
	key    grant.Key
	octets []byte
}

// NewRecords returns a store that is bounded in the number of its records and in the total
// size of their values, in octets.
func NewRecords(clock func() time.Time, most, octets int) *Records {
	return &Records{clock: clock, most: most, octets: octets, entries: make(map[grant.Key]*queued[record])}
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
		stored = known.value.octets
	}
	next, keep := decide(stored, now)
	if keep <= 0 {
		return nil
	}
	return r.keep(known, &queued[record]{value: record{key, next}, at: now.Add(keep)})
}

// Len is the number of records held.
func (r *Records) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.entries)
}

// keep puts next in the place of known, which may be nil.
func (r *Records) keep(known, next *queued[record]) error {
	more, grows := 1, len(next.value.octets)
	if known != nil {
		more, grows = 0, grows-len(known.value.octets)
	}
	if len(r.entries)+more > r.most || r.held+grows > r.octets {
		return grant.ErrFull
	}
	r.held += grows
	if known != nil {
		r.queue.remove(known)
	}
	r.queue.add(next)
	r.entries[next.value.key] = next
	return nil
}

// forget drops every record that has expired by now.
func (r *Records) forget(now time.Time) {
	for first := r.queue.first(); first != nil && !first.at.After(now); first = r.queue.first() {
		r.queue.remove(first)
		r.held -= len(first.value.octets)
		delete(r.entries, first.value.key)
	}
}
