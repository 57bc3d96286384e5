package verifier

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxReplays bounds the proofs that one generation remembers, about 40 MiB.
const maxReplays = 1 << 20

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
	seenTooMany
)

// replays remembers used proofs, each for at least life and at most twice that. There are two generations, and the
// older one is forgotten as a whole. If one is full, no proof is accepted until it ends: forgetting a proof early would
// allow a replay.
type replays struct {
	life time.Duration
	most int

	mu              sync.Mutex // guards what follows
	recent, earlier map[replayID]struct{}
	began           time.Time // recent
}

func newReplays(life time.Duration) *replays {
	return &replays{life: life, most: maxReplays, recent: make(map[replayID]struct{})}
}

// see remembers id, and reports whether it was new.
func (r *replays) see(id replayID, now time.Time) sighting {
	// This uses the wall clock, by which proofs are dated: while it is set back, nothing is forgotten.
	now = now.Round(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.began); age >= r.life {
		r.earlier = r.recent
		if age >= 2*r.life {
			r.earlier = nil
		}
		r.recent, r.began = make(map[replayID]struct{}), now
	}
	_, recent := r.recent[id]
	_, earlier := r.earlier[id]
	switch {
	case recent || earlier:
		return seenBefore
	case len(r.recent) >= r.most:
		return seenTooMany
	}
	r.recent[id] = struct{}{}
	return seenFirst
}
