package verifier

import (
	"crypto/sha256"
	"math"
	"sync"
	"time"
)

const (
	// maxReplays bounds the proofs that are remembered, about 40 MiB.
	maxReplays = 1 << 20
	// replaySpan is how much time of issue is forgotten at once.
	replaySpan = 10 * time.Second
)

// replayID identifies one proof of one key.
type replayID [16]byte

// replayOf hashes text that a client chose, so that its length costs no memory.
func replayOf(jkt, jti string) replayID {
	sum := sha256.Sum256([]byte(jkt + "." + jti)) // a thumbprint holds no dot
	return replayID(sum[:16])
}

// sighting is whether a proof was seen before.
type sighting int

const (
	seenFirst sighting = iota
	seenBefore
	seenForgotten // it may have been, and is refused
	seenTooMany
)

// replays remembers used proofs by the span of time of their iat. A span is forgotten once all its proofs are too old; no
// proof of it, or of an earlier one, is accepted again, even if the clock is set back. If there is no room, no proof is
// accepted until a span is forgotten: forgetting a proof early would allow a replay.
type replays struct {
	most int

	mu        sync.Mutex // guards what follows
	seen      map[int64]map[replayID]struct{}
	count     int   // in seen
	forgotten int64 // the latest span that was
	swept     int64 // the span of the last sweep
}

func newReplays() *replays {
	return &replays{most: maxReplays, seen: make(map[int64]map[replayID]struct{}), forgotten: math.MinInt64}
}

func spanOf(t time.Time) int64 { return t.Unix() / int64(replaySpan/time.Second) }

// see remembers id, a proof of issuedAt, and reports whether it was new.
func (r *replays) see(id replayID, issuedAt, now time.Time) sighting {
	span := spanOf(issuedAt)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(now)
	_, before := r.seen[span][id]
	switch {
	case before:
		return seenBefore
	case span <= r.forgotten:
		return seenForgotten
	case r.count >= r.most:
		return seenTooMany
	case r.seen[span] == nil:
		r.seen[span] = make(map[replayID]struct{})
	}
	r.seen[span][id] = struct{}{}
	r.count++
	return seenFirst
}

// sweep forgets the spans whose proofs are all too old now.
func (r *replays) sweep(now time.Time) {
	last := spanOf(now.Add(-proofAge)) - 1
	if last == r.swept {
		return
	}
	r.swept = last
	for span, ids := range r.seen {
		if span <= last {
			r.count -= len(ids)
			r.forgotten = max(r.forgotten, span)
			delete(r.seen, span)
		}
	}
}
