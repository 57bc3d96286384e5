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
// It holds a bounded number of keys. A full store forgets the key that has used the
// smallest share of its tries: first those that have expired, then fresh ones. So a
// flood of fresh keys pushes out fresh keys, whatever their rates are, and a counter
// that is refusing somebody goes last. A try costs O(log bound) at worst for each period
// of the rates, of which there are few, and no goroutine; every try also forgets up to
// two expired keys.
type Limits struct {
	clock  func() time.Time
	shards [shards]shard
}

// digest stands for a key, so that long keys cost no memory.
type digest [16]byte

type shard struct {
	mu      sync.Mutex
	bound   int
	entries map[digest]*entry                 // guarded by mu
	queues  map[time.Duration]*queue[limited] // guarded by mu; the same entries, by the periods of their rates
}

// entry is a key at its arrival time. Of the entries of one period, that with the
// earliest has used the smallest share, at any time.
type entry = queued[limited]

type limited struct {
	key digest
	per time.Duration
}

// NewLimits returns a store of at most about bound keys (a multiple of 16).
func NewLimits(clock func() time.Time, bound int) *Limits {
	l := &Limits{clock: clock}
	for i := range l.shards {
		l.shards[i].bound = max(1, (bound+shards-1)/shards)
		l.shards[i].entries = make(map[digest]*entry)
		l.shards[i].queues = make(map[time.Duration]*queue[limited])
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
	var arrival time.Time
	known, ok := s.entries[key]
	if ok {
		arrival = known.at
	}
	next, decision := ratelimit.Take(arrival, now, rate)
	if !decision.Allowed {
		return decision
	}
	if ok && known.value.per == rate.Per {
		s.queues[rate.Per].move(known, next)
	} else {
		s.add(&entry{value: limited{key, rate.Per}, at: next}, now)
	}
	s.expire(now, 2)
	return decision
}

// add makes room and keeps the entry, in place of one under the same key.
func (s *shard) add(e *entry, now time.Time) {
	if old, ok := s.entries[e.value.key]; ok {
		s.drop(old)
	}
	for len(s.entries) >= s.bound {
		s.drop(s.leastUsed(now))
	}
	s.entries[e.value.key] = e
	if s.queues[e.value.per] == nil {
		s.queues[e.value.per] = new(queue[limited])
	}
	s.queues[e.value.per].add(e)
}

// expire forgets up to n entries whose arrival time has passed.
func (s *shard) expire(now time.Time, n int) {
	for range n {
		least := s.leastUsed(now)
		if least == nil || least.at.After(now) {
			return
		}
		s.drop(least)
	}
}

// leastUsed returns the entry that has used the smallest share of its tries, or nil.
func (s *shard) leastUsed(now time.Time) *entry {
	var least *entry
	for _, q := range s.queues {
		if first := q.first(); least == nil || used(first, now) < used(least, now) {
			least = first
		}
	}
	return least
}

// used is the share of its tries that a key has used, and not above 0 where it has expired.
func used(e *entry, now time.Time) float64 {
	return float64(e.at.Sub(now)) / float64(e.value.per)
}

func (s *shard) drop(e *entry) {
	q := s.queues[e.value.per]
	q.remove(e)
	if q.first() == nil {
		delete(s.queues, e.value.per)
	}
	delete(s.entries, e.value.key)
}
