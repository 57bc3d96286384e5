package memory

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
)

var _ ratelimit.Store = (*Limits)(nil)

// shards is how many locks share the keys.
const shards = 16

// Limits keeps rate counters in this process: the counters of embedded mode, and
// each replica's own token bucket per client.
//
// It holds a bounded number of keys. A full store forgets the key whose counter
// is closest to expiry: first those that have expired, then the one with the most
// tries left. So a flood of fresh keys pushes out fresh keys, and a counter that
// is refusing somebody goes last. A try costs O(log bound) at worst and no
// goroutine; every try also forgets up to two expired keys.
type Limits struct {
	clock  func() time.Time
	shards [shards]shard
}

// digest stands for a key, so that long keys cost no memory.
type digest [16]byte

type shard struct {
	mu      sync.Mutex
	bound   int
	entries map[digest]*entry // guarded by mu
	queue   queue[digest]     // guarded by mu; the same entries
}

// entry is a key at its arrival time.
type entry = queued[digest]

// NewLimits returns a store of at most about bound keys (a multiple of 16).
func NewLimits(clock func() time.Time, bound int) *Limits {
	l := &Limits{clock: clock}
	for i := range l.shards {
		l.shards[i].bound = max(1, (bound+shards-1)/shards)
		l.shards[i].entries = make(map[digest]*entry)
	}
	return l
}

// Take implements [ratelimit.Store].
func (l *Limits) Take(ctx context.Context, key string, rate ratelimit.Rate) (ratelimit.Decision, error) {
	if rate.Unlimited() {
		return ratelimit.Decision{Allowed: true}, nil
	}
	if err := ctx.Err(); err != nil {
		return ratelimit.Decision{}, err
	}
	sum := sha256.Sum256([]byte(key))
	return l.shards[sum[31]%shards].take(digest(sum[:16]), l.clock, rate), nil
}

// Len is the number of keys held.
func (l *Limits) Len() int {
	total := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		total += len(s.entries)
		s.mu.Unlock()
	}
	return total
}

func (s *shard) take(key digest, clock func() time.Time, rate ratelimit.Rate) ratelimit.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := clock() // under the lock: the tries of a key are decided in the order of their times
	known, ok := s.entries[key]
	if !ok {
		known = &entry{value: key}
	}
	next, decision := ratelimit.Take(known.at, now, rate)
	if !decision.Allowed {
		return decision
	}
	if ok {
		s.queue.move(known, next)
	} else {
		known.at = next
		s.add(known)
	}
	s.expire(now, 2)
	return decision
}

// add makes room and keeps the entry.
func (s *shard) add(e *entry) {
	for len(s.entries) >= s.bound {
		s.drop(s.queue.first())
	}
	s.entries[e.value] = e
	s.queue.add(e)
}

// expire forgets up to n entries whose arrival time has passed.
func (s *shard) expire(now time.Time, n int) {
	for range n {
		first := s.queue.first()
		if first == nil || first.at.After(now) {
			return
		}
		s.drop(first)
	}
}

func (s *shard) drop(e *entry) {
	s.queue.remove(e)
	delete(s.entries, e.value)
}
