package verifier_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// counted counts outcomes.
type counted struct {
	mu       sync.Mutex
	outcomes map[verifier.Outcome]int
}

func (c *counted) option() verifier.Option {
	c.outcomes = map[verifier.Outcome]int{}
	return verifier.WithMetrics(verifier.Metrics{Verified: func(o verifier.Outcome) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.outcomes[o]++
	}})
}

// take returns the counts since the last time.
func (c *counted) take() map[verifier.Outcome]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.outcomes
	c.outcomes = map[verifier.Outcome]int{}
	return taken
}

func TestATokenIsVerifiedOnceAndRemembered(t *testing.T) {
	t.Parallel()
	var count counted
	v := newIssuer(firstKey()).ready(t, atEpoch(), count.option())
	raw := good(firstKey(), "first", epoch)
	for range 5 {
		mustVerify(t, v, raw)
	}
	if diff := cmp.Diff(count.take(), map[verifier.Outcome]int{verifier.Valid: 1, verifier.Cached: 4}); diff != "" {
		t.Errorf("outcomes (-got +want):\n%s", diff)
	}
	without := newIssuer(firstKey()).ready(t, atEpoch(), count.option(), verifier.WithCacheSize(0))
	count.take()
	for range 3 {
		mustVerify(t, without, raw)
	}
	if diff := cmp.Diff(count.take(), map[verifier.Outcome]int{verifier.Valid: 3}); diff != "" {
		t.Errorf("without a cache (-got +want):\n%s", diff)
	}
}

func TestARememberedTokenExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newIssuer(firstKey()).verifier(t)
		raw := good(firstKey(), "first", time.Now())
		mustVerify(t, v, raw)
		time.Sleep(5*time.Minute - time.Nanosecond)
		mustVerify(t, v, raw)
		time.Sleep(time.Nanosecond)
		if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("got %v", err)
		}
	})
}

func TestARememberedTokenDiesWithItsKey(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"removed": jwks(secondKey(), secondKey()), "replaced": jwks(secondKey())} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer(firstKey())
			v := i.verifier(t)
			token := func() string {
				return sign(firstKey(), goodHeader, claims(time.Now(), set{"exp": time.Now().Add(time.Hour).Unix()}))
			}
			raw := token()
			mustVerify(t, v, raw)
			i.answer(answer)
			time.Sleep(5 * time.Minute)
			if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("%s: got %v", name, err)
			}
		})
	}
}

func TestARememberedTokenOutlivesARefreshOfTheSameKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var count counted
		i := newIssuer(firstKey())
		v := i.verifier(t, count.option())
		raw := sign(firstKey(), goodHeader, claims(time.Now(), set{"exp": time.Now().Add(time.Hour).Unix()}))
		mustVerify(t, v, raw)
		i.answer(jwks(firstKey(), secondKey()))
		time.Sleep(5 * time.Minute)
		mustVerify(t, v, raw)
		if i.jwks.Load() != 2 || count.take()[verifier.Cached] != 1 {
			t.Errorf("%d fetches; it was verified anew", i.jwks.Load())
		}
	})
}

func TestOnlyTheVeryTokenIsRemembered(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch())
	raw := good(firstKey(), "first", epoch)
	mustVerify(t, v, raw)
	for at := range raw {
		changed := []byte(raw)
		changed[at] ^= 1
		if _, err := v.Verify(t.Context(), string(changed)); err == nil {
			t.Errorf("accepted with byte %d changed", at)
		}
	}
	for _, other := range []string{raw + " ", " " + raw, raw[:len(raw)-1], raw + "A", raw + "\x00"} {
		if _, err := v.Verify(t.Context(), other); err == nil {
			t.Errorf("accepted %q", other)
		}
	}
}

func TestGarbageEvictsNothing(t *testing.T) {
	t.Parallel()
	var count counted
	v := newIssuer(firstKey()).ready(t, atEpoch(), count.option(), verifier.WithCacheSize(8))
	raw := good(firstKey(), "first", epoch)
	mustVerify(t, v, raw)
	for n := range 1000 {
		v.Verify(t.Context(), b64(goodHeader)+"."+b64(claims(epoch, set{"jti": fmt.Sprint(n)}))+"."+b64(make([]byte, 256)))
	}
	count.take()
	mustVerify(t, v, raw)
	if count.take()[verifier.Cached] != 1 {
		t.Error("forged tokens evicted a good one")
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	var count counted
	v := newIssuer(firstKey()).ready(t, atEpoch(), count.option(), verifier.WithCacheSize(16))
	var all []string
	for n := range 100 {
		all = append(all, sign(firstKey(), goodHeader, claims(epoch, set{"jti": fmt.Sprint(n)})))
		mustVerify(t, v, all[n])
	}
	count.take()
	for _, raw := range all { // each look-up of a forgotten one evicts another: no more than 16 can be there at first
		mustVerify(t, v, raw)
	}
	if got := count.take()[verifier.Cached]; got > 16 {
		t.Errorf("%d tokens are remembered, want at most 16", got)
	}
}

func TestALongTokenIsNotRemembered(t *testing.T) {
	t.Parallel()
	var count counted
	v := newIssuer(firstKey()).ready(t, atEpoch(), count.option())
	for length, want := range map[int]verifier.Outcome{4<<10 - 1: verifier.Cached, 4<<10 + 1: verifier.Valid} {
		raw := exactly(length)
		mustVerify(t, v, raw)
		count.take()
		mustVerify(t, v, raw)
		if got := count.take(); got[want] != 1 {
			t.Errorf("%d bytes, the second time: %v, want %s", length, got, want)
		}
	}
}

func TestATokenBelongsToItsCaller(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch())
	raw := sign(firstKey(), goodHeader, claims(epoch, set{"amr": []string{"pwd"}}))
	for range 3 {
		token, err := v.Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if token.Subject != "0192d3a0-user" || token.Has("admin") || token.Audience()[0] != audience || token.AMR()[0] != "pwd" {
			t.Fatalf("an earlier caller changed it: %+v", token)
		}
		token.Subject, token.Scopes()[0], token.Audience()[0], token.AMR()[0] = "admin", "admin", "x", "x"
		token.Expiry = epoch.Add(24 * time.Hour)
	}
}

// TestTheCacheIsSharedWithoutRace is for the race detector: many goroutines, few places.
func TestTheCacheIsSharedWithoutRace(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch(), verifier.WithCacheSize(8))
	var all []string
	for n := range 24 {
		all = append(all, sign(firstKey(), goodHeader, claims(epoch, set{"sub": fmt.Sprint(n)})))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 200 {
				token, err := v.Verify(t.Context(), all[n%24])
				if err != nil || token.Subject != fmt.Sprint(n%24) {
					t.Errorf("got %v, %v", token, err)
				}
			}
		})
	}
	wg.Wait()
}
