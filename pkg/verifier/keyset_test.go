package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// The tests of this file live in a synctest bubble: time stands still unless everybody waits, so each duration in them
// is exact and none is slept.

func TestNewAsksNothingOfTheIssuer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		synctest.Wait()
		if i.metadata.Load() != 0 || i.jwks.Load() != 0 {
			t.Error("New fetched")
		}
		for _, raw := range []string{"", "garbage", sign(firstKey(), header(set{"alg": "none"}), "{}"), good(firstKey(), "first", time.Now().Add(-time.Hour))} {
			if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("got %v", err)
			}
		}
		if i.metadata.Load() != 0 {
			t.Error("a token that is bad under any key made a fetch")
		}
	})
}

func TestManyFirstTokensMakeOneFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		raw := good(firstKey(), "first", time.Now())
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if _, err := v.Verify(t.Context(), raw); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if i.metadata.Load() != 1 || i.jwks.Load() != 1 {
			t.Errorf("%d metadata and %d JWKS requests, want 1 and 1", i.metadata.Load(), i.jwks.Load())
		}
	})
}

// TestUnknownKidsFetchAtMostOncePerCooldown is JWK-04.
func TestUnknownKidsFetchAtMostOncePerCooldown(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]bool{"healthy": false, "failing": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(firstKey())
				v := i.verifier(t)
				mustVerify(t, v, good(firstKey(), "first", time.Now()))
				if broken {
					i.fail()
				}
				before := i.jwks.Load() + i.metadata.Load()
				for n := range 3000 {
					raw := unsigned(fmt.Sprintf("invented-%d", n), time.Now())
					if _, err := v.Verify(t.Context(), raw); err == nil {
						t.Fatal("accepted")
					}
					time.Sleep(10 * time.Millisecond) // of the bubble
				}
				// After the first fetch of all: at 10, 20 and 30 s; a failed one reads the metadata again.
				if got := i.jwks.Load() + i.metadata.Load() - before; got < 2 || got > 6 || (!broken && got > 3) {
					t.Errorf("%d requests in 30 s", got)
				}
			})
		})
	}
}

// TestKnownKeysVerifyAtFullSpeedWhileTheIssuerHangs is JWK-05.
func TestKnownKeysVerifyAtFullSpeedWhileTheIssuerHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		time.Sleep(11 * time.Second)
		i.hang()

		var flood sync.WaitGroup
		var refused, doubted atomic.Int32
		start := time.Now()
		for n := range 5000 {
			raw := unsigned(fmt.Sprintf("invented-%d", n), time.Now())
			flood.Go(func() {
				_, err := v.Verify(t.Context(), raw)
				switch {
				case errors.Is(err, verifier.ErrKeysUnavailable):
					doubted.Add(1)
				case !errors.Is(err, verifier.ErrInvalidToken):
					t.Errorf("got %v, want ErrInvalidToken", err)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("a caller waited %v", took)
				}
				refused.Add(1)
			})
		}
		synctest.Wait()
		if told := refused.Load(); told != 5000-1024 {
			t.Errorf("%d callers were told at once, want all but 1024", told)
		}
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		if took := time.Since(start); took != 0 {
			t.Errorf("a known key took %v", took)
		}
		flood.Wait()
		if doubted.Load() != 1 {
			t.Errorf("%d callers got ErrKeysUnavailable, want one in a cool-down", doubted.Load())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := i.jwks.Load(); got != 2 {
			t.Errorf("%d JWKS requests, want the first and the one that hung", got)
		}
		i.answer(jwks(firstKey(), secondKey()))
		mustVerify(t, v, good(secondKey(), "second", time.Now())) // the crowd has gone
	})
}

// TestAnIdleVerifierWaitsHalfASecondForNewsOfAKnownKey: hours after the max-age a revoked key must not work once more, but
// an issuer that hangs must not hold up the tokens of a good one.
func TestAnIdleVerifierWaitsHalfASecondForNewsOfAKnownKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		time.Sleep(time.Hour)
		i.hang()
		var wg sync.WaitGroup
		start := time.Now()
		raw := good(firstKey(), "first", start)
		for range 3000 {
			wg.Go(func() {
				mustVerify(t, v, raw)
				if took := time.Since(start); took > 500*time.Millisecond {
					t.Errorf("a caller waited %v", took)
				}
			})
		}
		wg.Wait()
		for time.Since(start) < time.Minute { // through the time-out, the cool-down and the next attempts
			again := time.Now()
			mustVerify(t, v, raw)
			if took := time.Since(again); took != 0 {
				t.Errorf("after %v a caller waited %v", again.Sub(start), took)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// unsigned is a token whose signature nobody will look at.
func unsigned(kid string, now time.Time) string {
	return b64(header(set{"kid": kid})) + "." + b64(claims(now, nil)) + ".AAAA"
}

func TestAWaitEndsWithItsContextAndTheFetchGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		i.handle(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(1500 * time.Millisecond)
			io.WriteString(w, jwks(firstKey()))
		})
		v := i.verifier(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := v.Verify(ctx, good(firstKey(), "first", time.Now()))
		if !errors.Is(err, verifier.ErrKeysUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("waited %v", took)
		}
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		if got := i.jwks.Load(); got != 1 {
			t.Errorf("%d fetches, want one for both", got)
		}
	})
}

func TestNoCallWaitsLongerThanTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		i.hang()
		v := i.verifier(t)
		for range 40 {
			start := time.Now()
			if _, err := v.Verify(t.Context(), good(firstKey(), "first", time.Now())); !errors.Is(err, verifier.ErrKeysUnavailable) {
				t.Fatalf("got %v", err)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Fatalf("waited %v", took)
			}
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		i.answer(jwks(firstKey()))
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
	})
}

func TestARotatedKeyIsFoundByItsKid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		i.answer(jwks(firstKey(), secondKey()))
		for n := range 9 { // seconds of the cool-down: the token may be younger than what is known
			raw := good(secondKey(), "second", time.Now())
			_, err := v.Verify(t.Context(), raw)
			if first := n == 0; errors.Is(err, verifier.ErrKeysUnavailable) != first || errors.Is(err, verifier.ErrInvalidToken) == first {
				t.Errorf("within the cool-down: %v", err)
			}
			if _, err := v.Verify(t.Context(), good(secondKey(), "second", time.Now().Add(-10*time.Second))); !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("within the cool-down, issued before the keys were read: %v", err)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		mustVerify(t, v, good(secondKey(), "second", time.Now()))
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		if i.metadata.Load() != 1 {
			t.Errorf("the metadata were read %d times", i.metadata.Load())
		}
	})
}

// TestARemovedKeyDiesWithTheMaxAgeOfTheKeys is JWS-30.
func TestARemovedKeyDiesWithTheMaxAgeOfTheKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header http.Header
		age    time.Duration
	}{
		"default":       {http.Header{}, 5 * time.Minute},
		"given":         {http.Header{"Cache-Control": {"public, max-age=600, stale-if-error=86400"}}, 10 * time.Minute},
		"with age":      {http.Header{"Cache-Control": {"max-age=600"}, "Age": {"300"}}, 5 * time.Minute},
		"quoted, upper": {http.Header{"Cache-Control": {"public", `Max-Age="120"`}}, 2 * time.Minute},
		"too short":     {http.Header{"Cache-Control": {"max-age=0"}}, time.Minute},
		"too long":      {http.Header{"Cache-Control": {"max-age=31536000"}}, time.Hour},
		"older than it": {http.Header{"Cache-Control": {"max-age=60"}, "Age": {"1000"}}, time.Minute},
		"no-cache":      {http.Header{"Cache-Control": {"no-cache"}}, time.Minute},
		"no-store last": {http.Header{"Cache-Control": {"max-age=600", "no-store"}}, time.Minute},
		"no-cache last": {http.Header{"Cache-Control": {"max-age=600, no-cache"}}, time.Minute},
		"no number":     {http.Header{"Cache-Control": {"max-age=soon"}}, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer()
				i.handle(func(w http.ResponseWriter, _ *http.Request) {
					for name, values := range c.header {
						w.Header()[name] = values
					}
					io.WriteString(w, jwks(firstKey()))
				})
				v := i.verifier(t)
				mustVerify(t, v, good(firstKey(), "first", time.Now()))
				i.answer(jwks(secondKey())) // "first" is now another key

				time.Sleep(c.age * 7 / 10)
				mustVerify(t, v, good(firstKey(), "first", time.Now()))
				synctest.Wait()
				if got := i.jwks.Load(); got != 1 {
					t.Errorf("%d fetches before three quarters of the max-age", got)
				}
				time.Sleep(c.age * 3 / 10)
				// The very first call after it: an idle verifier must not honour a key that is hours gone.
				if _, err := v.Verify(t.Context(), good(firstKey(), "first", time.Now())); !errors.Is(err, verifier.ErrInvalidToken) {
					t.Errorf("after %v: %v", c.age, err)
				}
			})
		})
	}
}

func TestABusyVerifierRefreshesWithoutMakingCallersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		i.handle(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			io.WriteString(w, jwks(firstKey()))
		})
		var raw string
		for second := range 3600 {
			if second%60 == 0 {
				raw = good(firstKey(), "first", time.Now())
			}
			start := time.Now()
			mustVerify(t, v, raw)
			if took := time.Since(start); took != 0 {
				t.Fatalf("a caller waited %v", took)
			}
			time.Sleep(time.Second)
		}
		if got := i.jwks.Load(); got < 12 || got > 17 {
			t.Errorf("%d fetches in an hour of a max-age of 5 min", got)
		}
	})
}

func TestGoodKeysAreKeptThroughFailuresForADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		start := time.Now()
		i.fail()
		for time.Since(start) < 24*time.Hour {
			mustVerify(t, v, good(firstKey(), "first", time.Now()))
			if err := v.Ready(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
		}
		if _, err := v.Verify(t.Context(), good(firstKey(), "first", time.Now())); !errors.Is(err, verifier.ErrKeysUnavailable) {
			t.Errorf("after a day: %v", err)
		}
		if err := v.Ready(); !errors.Is(err, verifier.ErrKeysUnavailable) {
			t.Errorf("after a day: ready: %v", err)
		}
		i.answer(jwks(firstKey()))
		time.Sleep(10 * time.Second)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
	})
}

func TestAnUnknownKidIsNotInvalidWhileTheKeysCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		i.fail()
		time.Sleep(10 * time.Second)
		for range 20 { // the failing fetches, each with the cool-down after it
			if _, err := v.Verify(t.Context(), good(secondKey(), "second", time.Now())); !errors.Is(err, verifier.ErrKeysUnavailable) || errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("got %v, want ErrKeysUnavailable", err)
			}
			time.Sleep(10 * time.Second)
		}
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		i.answer(jwks(firstKey()))
		time.Sleep(10 * time.Second)
		if _, err := v.Verify(t.Context(), good(secondKey(), "second", time.Now())); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("once they can: %v", err)
		}
	})
}

func mustVerify(t *testing.T, v *verifier.Verifier, raw string) {
	t.Helper()
	if _, err := v.Verify(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
}

// TestAFetchThatBeganBeforeATokenSaysNothingOfItsKey: the keys may have been read a moment before its key was published.
func TestAFetchThatBeganBeforeATokenSaysNothingOfItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		i.handle(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(1500 * time.Millisecond)
			io.WriteString(w, jwks(firstKey()))
		})
		v := i.verifier(t)
		var others sync.WaitGroup
		others.Go(func() {
			if _, err := v.Verify(t.Context(), good(secondKey(), "second", time.Now())); !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("a token that was there before the fetch: %v", err)
			}
		})
		time.Sleep(time.Second)
		if _, err := v.Verify(t.Context(), good(secondKey(), "second", time.Now())); !errors.Is(err, verifier.ErrKeysUnavailable) {
			t.Errorf("a token that was issued meanwhile: %v", err)
		}
		others.Wait()
	})
}
