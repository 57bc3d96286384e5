package verifier_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// TestAStrangerGetsOneUnavailableAnswerPerCooldown is JWS-32: a balancer takes a replica out of service after a few 5xx in
// a row, so nobody may have them for the asking, whatever iat an unsigned token claims and however the issuer fares.
func TestAStrangerGetsOneUnavailableAnswerPerCooldown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ahead   time.Duration // of the iat
		trouble func(*issuer) // nil: each reply takes a second
	}{
		"a healthy issuer":                  {0, func(*issuer) {}},
		"an iat as far ahead as the leeway": {30 * time.Second, func(*issuer) {}},
		"an issuer that is down":            {0, (*issuer).fail},
		"an issuer that hangs":              {0, (*issuer).hang},
		"one that serves each reply slowly": {29 * time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(firstKey())
				v := i.verifier(t)
				mustVerify(t, v, good(firstKey(), "first", time.Now()))
				if c.trouble == nil {
					c.trouble = func(i *issuer) {
						i.handle(func(w http.ResponseWriter, _ *http.Request) {
							time.Sleep(time.Second)
							fmt.Fprint(w, jwks(firstKey()))
						})
					}
				}
				c.trouble(i)
				known := good(firstKey(), "first", time.Now())
				answers, began := map[int]int{}, time.Now()
				for n := range 3000 {
					raw := unsigned(fmt.Sprintf("invented-%d", n), time.Now().Add(c.ahead))
					answers[request(t, v, nil, "Bearer "+raw).Code]++
					if got := request(t, v, nil, "Bearer "+known).Code; got != http.StatusOK {
						t.Fatalf("a good token got %d", got)
					}
					time.Sleep(10 * time.Millisecond)
				}
				most := 1 + int(time.Since(began)/(10*time.Second))
				if answers[503] > most || answers[503] < most-1 || answers[401]+answers[503] != 3000 {
					t.Errorf("in %v: %v, want %d × 503, or one fewer, and 401", time.Since(began), answers, most)
				}
			})
		})
	}
}

// TestATokenOfAFreshKeyWorksOnceTheKeysAreReadThoughAStrangerAsksAllTheTime: he can spend the one 503, and nothing else.
func TestATokenOfAFreshKeyWorksOnceTheKeysAreReadThoughAStrangerAsksAllTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		i.answer(jwks(firstKey(), secondKey()))
		fresh, began := good(secondKey(), "second", time.Now()), time.Now()
		for n := 0; request(t, v, nil, "Bearer "+fresh).Code != http.StatusOK; n++ {
			if time.Since(began) > 10*time.Second {
				t.Fatal("the token of a fresh key is still refused")
			}
			request(t, v, nil, "Bearer "+unsigned(fmt.Sprint(n), time.Now()))
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// TestWithoutKeysEveryTokenIsUnavailable: a 401 would log honest users out because their issuer is down.
func TestWithoutKeysEveryTokenIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t, verifier.WithStatus(verifier.StatusOff))
		i.fail()
		for range 5 {
			if got := request(t, v, nil, "Bearer "+good(firstKey(), "first", time.Now())).Code; got != http.StatusServiceUnavailable {
				t.Errorf("without keys: %d", got)
			}
		}
		i.answer(jwks(firstKey()))
		time.Sleep(10 * time.Second)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		i.fail()
		time.Sleep(25 * time.Hour)
		for range 5 {
			if got := request(t, v, nil, "Bearer "+good(firstKey(), "first", time.Now())).Code; got != http.StatusServiceUnavailable {
				t.Errorf("with keys of yesterday: %d", got)
			}
		}
	})
}
