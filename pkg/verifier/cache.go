package verifier

import (
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// ways is how many places a token may stand in.
	ways = 8
	// maxCacheSize bounds what [WithCacheSize] takes.
	maxCacheSize = 1 << 20
	// maxRemembered bounds the text of a token that is remembered, and what an issuer says of an opaque one.
	maxRemembered = 4 << 10
)

// cache remembers what is known of tokens, so that one that comes again costs a hash and a compare. It is bounded, takes
// no lock and allocates nothing to look up: each token has a bucket of places, and readers look into all of them.
//
// Two texts are one token only if they are equal to the byte; the hash, keyed at random, just finds the bucket. So no
// other token can hit an entry, whatever an attacker computes. Only the issuer's word gets in: garbage evicts nothing.
type cache struct {
	seed    maphash.Seed
	places  []atomic.Pointer[entry]
	buckets uint64 // a power of two
}

// entry is what is known of one token. It never changes.
type entry struct {
	hash  uint64
	raw   string
	until time.Time // when it is no longer worth its place
	token Token
	key   *key        // that verified it; it must still be in the set
	kid   string      // of key
	list  *statusList // that it is checked against; nil without
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

// add remembers e, in place of an older entry of the same token, of one whose time is over, or of any.
func (c *cache) add(e *entry, now time.Time) {
	if c == nil || len(e.raw) > maxRemembered || len(e.token.payload) > maxRemembered {
		return
	}
	e.raw = strings.Clone(e.raw) // it may be part of a larger text, which must not live on
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

// drop forgets e.
func (c *cache) drop(e *entry) {
	bucket := c.bucket(e.hash)
	for i := range bucket {
		bucket[i].CompareAndSwap(e, nil)
	}
}
