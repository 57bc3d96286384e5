package verifier

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxReplays bounds the proofs that are remembered of one generation, some 40 MiB of them.
const maxReplays = 1 << 20

// replayID stands for one proof of one key.
type replayID [16]byte

// replayOf hashes what a client chose, so that its length costs no memory.
func replayOf(jkt, jti string) replayID {
	sum := sha256.Sum256([]byte(jkt + "." + jti)) // a thumbprint holds no dot
	return replayID(sum[:16])
}

// sighting is what is known of a proof.
type sighting int

const (
	seenFirst sighting = iota
	seenBefore
	seenTooMany
)

// replays remembers the proofs that were used, each for life at least and twice that at most: there are two generations,
// and the older one is forgotten as a whole. Where one is full, nothing more is taken until it ends: to forget a proof
// early would let it be replayed.
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

// see remembers id, and says whether it was new.
func (r *replays) see(id replayID, now time.Time) sighting {
	// By the clock on the wall, by which proofs are dated: while it has gone back, nothing is forgotten.
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
