package memory

import (
	"container/heap"
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
	queue   queue             // guarded by mu; the same entries, the earliest arrival first
}

type entry struct {
	key     digest
	arrival time.Time
	at      int // its place in the queue
}

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
		known = &entry{key: key}
	}
	next, decision := ratelimit.Take(known.arrival, now, rate)
	if !decision.Allowed {
		return decision
	}
	known.arrival = next
	if ok {
		heap.Fix(&s.queue, known.at)
	} else {
		s.add(known)
	}
	s.expire(now, 2)
	return decision
}

// add makes room and keeps the entry.
func (s *shard) add(e *entry) {
	for len(s.entries) >= s.bound {
		s.drop()
	}
	s.entries[e.key] = e
	heap.Push(&s.queue, e)
}

// expire forgets up to n entries whose arrival time has passed.
func (s *shard) expire(now time.Time, n int) {
	for range n {
		if len(s.queue) == 0 || s.queue[0].arrival.After(now) {
			return
		}
		s.drop()
	}
}

func (s *shard) drop() {
	e := heap.Pop(&s.queue).(*entry)
	delete(s.entries, e.key)
}

// queue is a heap of entries by arrival time.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].arrival.Before(q[j].arrival) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements [heap.Interface].
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.at = len(*q)
	*q = append(*q, e)
}

// Pop implements [heap.Interface].
func (q *queue) Pop() any {
	old := *q
	last := len(old) - 1
	e := old[last]
	old[last] = nil
	*q = old[:last]
	return e
}
