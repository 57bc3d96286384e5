package redis_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func TestWhoReadsRedisCannotTestWhoseCounterItIs(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	raw := rawClient(t, url)
	const guess = "login:alice@192.0.2.7"
	if d, err := open(t, url).Take(t.Context(), guess, ratelimit.Rate{Limit: 1, Per: time.Hour}); err != nil || !d.Allowed {
		t.Fatalf("take: %+v, %v", d, err)
	}
	keys, err := raw.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %q, %v; want one", keys, err)
	}
	digest := sha256.Sum256([]byte(guess))
	if keys[0] == "rl:"+hex.EncodeToString(digest[:16]) {
		t.Errorf("%s is the digest of %q, which everyone can compute", keys[0], guess)
	}
}

func TestStoresCountTogetherUnderOneLimitKeyOnly(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	other, err := redis.Open(t.Context(), redis.Config{URL: url, LimitKey: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	for _, try := range []struct {
		by      *redis.Store
		allowed bool
	}{{open(t, url), true}, {open(t, url), false}, {other, true}, {other, false}} {
		d, err := try.by.Take(t.Context(), "key", ratelimit.Rate{Limit: 1, Per: time.Hour})
		if err != nil || d.Allowed != try.allowed {
			t.Errorf("allowed %t, %v; want %t", d.Allowed, err, try.allowed)
		}
	}
}

func TestAStoreWithoutALimitKeyDoesNotOpen(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 31, 33} {
		store, err := redis.Open(t.Context(), redis.Config{URL: testserver.Redis(t), LimitKey: make([]byte, length)})
		if err == nil {
			t.Errorf("a key of %d octets is taken", length)
			_ = store.Close()
		}
	}
}
