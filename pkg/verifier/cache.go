package verifier

import (
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// ways is the number of places in a bucket.
	ways = 8
	// maxCacheSize is the maximum of [WithCacheSize].
	maxCacheSize = 1 << 20
	// maxRemembered bounds the text of a token that is cached, and the issuer's answer about an opaque one.
	maxRemembered = 4 << 10
)

// cache holds the results for tokens, so that a repeated token costs a hash and a compare. It is bounded, and a lookup
// takes no lock and allocates nothing: each token has a bucket of places, and readers look into all of them.
//
// Two texts are the same token only if they are equal to the byte; the hash, keyed at random, only finds the bucket. So
// no other token can hit an entry, whatever an attacker computes. Only results that the issuer vouches for are added:
// garbage evicts nothing.
type cache struct {
	seed    maphash.Seed
	places  []atomic.Pointer[entry]
	buckets uint64 // a power of two
}

// entry is the result for one token. It never changes.
type entry struct {
	hash  uint64
	raw   string
	until time.Time // after which it is useless
	token Token
	key   *key        // that verified it; it must still be in the set
	kid   string      // of key
	list  *statusList // that it is checked against, or nil
	err   error       // why the token is refused, for an answer that is remembered
}

// newCache makes a cache of at least size tokens; nil for none, which remembers nothing.
func newCache(size int) *cache {
	if size <= 0 {
		return nil
	}
	buckets := uint64(1)
	for buckets*ways < uint64(size) {
		buckets *= 2
	}
	return &cache{seed: maphash.MakeSeed(), places: make([]atomic.Pointer[entry], buckets*ways), buckets: buckets}
}

func (c *cache) bucket(hash uint64) []atomic.Pointer[entry] {
	at := hash & (c.buckets - 1) * ways
	return c.places[at : at+ways]
}

// find returns the entry of raw, or nil.
func (c *cache) find(raw string) *entry {
	if c == nil {
		return nil
	}
	hash := maphash.String(c.seed, raw)
	bucket := c.bucket(hash)
	for i := range bucket {
		if e := bucket[i].Load(); e != nil && e.hash == hash && e.raw == raw {
			return e
		}
	}
	return nil
}

// add stores e in place of an older entry of the same token, of an outdated entry, or of a random one.
func (c *cache) add(e *entry, now time.Time) {
	if c == nil || len(e.raw) > maxRemembered || len(e.token.payload) > maxRemembered {
		return
	}
	e.raw = strings.Clone(e.raw) // it may be part of a larger text, which must not be retained
	e.hash = maphash.String(c.seed, e.raw)
	bucket := c.bucket(e.hash)
	victim := rand.IntN(ways) //nolint:gosec // nothing depends on its being unknown
	for i := range bucket {
		old := bucket[i].Load()
		if old == nil || !now.Before(old.until) {
			victim = i
		} else if old.hash == e.hash && old.raw == e.raw {
			victim = i
			break
		}
	}
	bucket[victim].Store(e)
}

// drop removes e.
func (c *cache) drop(e *entry) {
	bucket := c.bucket(e.hash)
	for i := range bucket {
		bucket[i].CompareAndSwap(e, nil)
	}
}
