package verifier_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

const keySetClaim = "https://github.com/mintmark-auth/mintmark/jwks-sha256"

func nameOf(jwks string) string {
	sum := sha256.Sum256([]byte(jwks))
	return b64(sum[:])
}

// beforeAndAfter are the key sets before and after the first key is revoked.
func beforeAndAfter() (both, rest string) {
	return jwks(firstKey(), secondKey()), encodeJSON(map[string]any{"keys": []any{publicJWK(&secondKey().PublicKey, "second")}})
}

// forAnHour serves a key set with the longest max-age, so that only a list makes the verifier read it again.
func forAnHour(jwks string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		io.WriteString(w, jwks)
	}
}

// TestARevokedKeyIsRefusedWithinFiveSecondsWhereListsAreFollowed is JWS-33, with replicas that are behind and one that
// can't be reached.
func TestARevokedKeyIsRefusedWithinFiveSecondsWhereListsAreFollowed(t *testing.T) {
	t.Parallel()
	both, rest := beforeAndAfter()
	for name, behind := range map[string]func(w http.ResponseWriter){
		"at once":             nil,
		"a replica is behind": func(w http.ResponseWriter) { io.WriteString(w, both) },
		"a replica is down":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer()
				i.answer(both)
				s := serveList(i)
				s.key, s.kid, s.keySet = secondKey(), "second", nameOf(both)
				v := i.verifier(t)
				raw := s.listed(1)
				mustVerify(t, v, raw)
				mustVerify(t, v, raw) // from the cache, too
				time.Sleep(time.Minute)
				for n := range 100 { // the cool-down is used up
					_, _ = v.Verify(t.Context(), unsigned(fmt.Sprint(n), time.Now()))
				}

				asked := 0
				i.handle(func(w http.ResponseWriter, r *http.Request) {
					if asked++; asked <= 2 && behind != nil {
						behind(w)
						return
					}
					if r.Header.Get("Cache-Control") != "no-cache" {
						t.Error("a cache in between may answer")
					}
					io.WriteString(w, rest)
				})
				revoked := time.Now()
				s.change(func() { s.keySet = nameOf(rest) })
				for {
					_, err := v.Verify(t.Context(), raw)
					if errors.Is(err, verifier.ErrInvalidToken) {
						break
					}
					if time.Since(revoked) > 5*time.Second {
						t.Fatalf("after %v: %v", time.Since(revoked), err)
					}
					time.Sleep(50 * time.Millisecond)
				}
				t.Logf("refused after %v, and %d readings of the keys", time.Since(revoked), asked)
				time.Sleep(time.Minute)
				if asked > 3 {
					t.Errorf("the keys were read %d times, want 3 at most", asked)
				}
			})
		})
	}
}

// TestKeysThatCannotBeReadAreAskedForUntilTheyCan: a revoked key must not live on for as long as old keys serve, only
// because the issuer was down when a list told of it.
func TestKeysThatCannotBeReadAreAskedForUntilTheyCan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		both, rest := beforeAndAfter()
		i := newIssuer()
		i.handle(forAnHour(both))
		s := serveList(i)
		s.key, s.kid, s.keySet = secondKey(), "second", nameOf(both)
		v := i.verifier(t)
		raw := s.listed(1)
		mustVerify(t, v, raw)
		i.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		s.change(func() { s.keySet = nameOf(rest) })
		time.Sleep(time.Minute)
		mustVerify(t, v, raw)
		if got := i.jwks.Load() - 1; got > 5+6 {
			t.Errorf("%d readings of the keys within a minute, want one per cool-down after the first five", got)
		}
		i.answer(rest)
		time.Sleep(15 * time.Second)
		mustRefuse(t, v, raw)
	})
}

// TestListsThatNameKeySetsInVainMakeFewReadings: one per change, five per name, and one per cool-down in the long run.
func TestListsThatNameKeySetsInVainMakeFewReadings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		another func(n int) string // the key set that list n names; a list a second
		most    int32              // readings in two minutes, besides those of the max-age
	}{
		"the right one":         {func(int) string { return nameOf(jwks(firstKey())) }, 0},
		"none":                  {func(int) string { return "" }, 0},
		"one that is not there": {func(int) string { return "nowhere" }, 5},
		"two by turns":          {func(n int) string { return fmt.Sprint(n % 2) }, 5 + 12},
		"always another":        {func(n int) string { return fmt.Sprint(n) }, 5 + 12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer()
				i.handle(forAnHour(jwks(firstKey())))
				s := serveList(i)
				v := i.verifier(t)
				raw := s.listed(1)
				mustVerify(t, v, raw)
				for n := range 120 {
					s.change(func() { s.keySet = c.another(n) })
					time.Sleep(time.Second)
					mustVerify(t, v, raw)
				}
				if got := i.jwks.Load() - 1; got > c.most {
					t.Errorf("%d readings of the keys, want %d at most", got, c.most)
				}
			})
		})
	}
}

// TestAListByAKeyThatIsNewIsReadWithinSeconds: in an emergency a key may sign that no verifier has seen.
func TestAListByAKeyThatIsNewIsReadWithinSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		v := i.verifier(t)
		raw := s.listed(1)
		mustVerify(t, v, raw)
		synctest.Wait()
		i.answer(jwks(firstKey(), secondKey()))
		s.change(func() { s.key, s.kid = secondKey(), "second" })
		s.revoke(1)
		time.Sleep(5 * time.Second)
		mustRefuse(t, v, raw)
	})
}
