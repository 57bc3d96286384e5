package verifier

import (
	"hash/maphash"
	"testing"
	"time"
)

// TestTwoTokensOfOneHashAreTwo puts an entry where another token of the same hash would be looked for.
func TestTwoTokensOfOneHashAreTwo(t *testing.T) {
	t.Parallel()
	c := newCache(8)
	c.places[3].Store(&entry{raw: "one", hash: maphash.String(c.seed, "two")})
	if e := c.find("two"); e != nil {
		t.Errorf("found %q", e.raw)
	}
}

func TestAnExpiredEntryIsReplacedFirst(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	c := newCache(ways)
	for n := range ways {
		until := now.Add(time.Hour)
		if n == 5 {
			until = now
		}
		c.add(&entry{raw: string(rune('a' + n)), until: until}, now.Add(-time.Second))
	}
	c.add(&entry{raw: "new", until: now.Add(time.Hour)}, now)
	for n := range ways {
		if raw := string(rune('a' + n)); (c.find(raw) == nil) != (n == 5) {
			t.Errorf("%s: found %v", raw, c.find(raw) != nil)
		}
	}
}

func TestAnExpiredTokenThatComesAgainIsForgotten(t *testing.T) {
	t.Parallel()
	now, known := time.Unix(1_800_000_000, 0), new(key)
	keys := newKeySet(settings{now: time.Now}, newLife(), nil)
	keys.current.Store(&snapshot{keys: map[string]*key{"k": known}, fetchedAt: now, refreshAt: now.Add(time.Hour)})
	v := &Verifier{keys: keys, cache: newCache(ways)}
	v.cache.add(&entry{raw: "token", until: now.Add(time.Second), key: known, kid: "k"}, now)
	if v.recall(t.Context(), "token", now) == nil {
		t.Error("it is not remembered")
	}
	if v.recall(t.Context(), "token", now.Add(time.Second)) != nil || v.cache.find("token") != nil {
		t.Error("it has expired, and is remembered")
	}
}

// TestATokenIsDroppedWhenItsListIsNoLongerFollowed: a clock that went ahead and came back has such tokens live on, and nobody
// would tell of a revocation.
func TestATokenIsDroppedWhenItsListIsNoLongerFollowed(t *testing.T) {
	t.Parallel()
	now, known, list := time.Unix(1_800_000_000, 0), new(key), new(statusList)
	keys := newKeySet(settings{now: time.Now}, newLife(), nil)
	keys.current.Store(&snapshot{keys: map[string]*key{"k": known}, fetchedAt: now, refreshAt: now.Add(time.Hour)})
	v := &Verifier{keys: keys, cache: newCache(ways)}
	v.cache.add(&entry{raw: "token", until: now.Add(time.Hour), key: known, kid: "k", list: list}, now)
	if v.recall(t.Context(), "token", now) == nil {
		t.Error("it is not remembered")
	}
	list.left.Store(true)
	if v.recall(t.Context(), "token", now) != nil || v.cache.find("token") != nil {
		t.Error("its list is followed no more, and it is remembered")
	}
}
