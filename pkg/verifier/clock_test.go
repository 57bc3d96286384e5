package verifier_test

import (
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// skewed is a clock far from that of the machine, which moves by itself and by hand.
type skewed struct{ ahead atomic.Int64 }

func newSkewed() *skewed {
	c := new(skewed)
	c.pass(1000 * time.Hour)
	return c
}

func (c *skewed) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *skewed) pass(d time.Duration)    { c.ahead.Add(int64(d)) }
func (c *skewed) option() verifier.Option { return verifier.WithClock(c.now) }

// The tests of this file move the clock of the verifier and leave that of the machine where it is: whatever looks at the
// wrong one sees no time pass.

func TestKeysAgeByTheVerifiersClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, i := newSkewed(), newIssuer(firstKey())
		var took []time.Duration
		v := i.verifier(t, c.option(), verifier.WithMetrics(verifier.Metrics{Fetched: func(_ string, d time.Duration, _ error) { took = append(took, d) }}))
		i.handle(func(w http.ResponseWriter, r *http.Request) {
			c.pass(3 * time.Second)
			says(jwks(firstKey()))(w, r)
		})
		known := func() string { return good(firstKey(), "first", c.now()) }
		unknown := func() error {
			_, err := v.Verify(t.Context(), good(secondKey(), "second", c.now()))
			return err
		}
		mustVerify(t, v, known())
		if len(took) != 1 || took[0] != 3*time.Second {
			t.Errorf("the fetch took %v, want 3s", took)
		}
		i.fail()
		for after, want := range []int32{1, 1, 2, 2} { // the cool-down
			if unknown(); i.jwks.Load() != want {
				t.Errorf("after %d times 5 s: %d fetches, want %d", after, i.jwks.Load(), want)
			}
			if after == 3 {
				if got := v.RetryAfter(verifier.ErrKeysUnavailable); got != 5*time.Second {
					t.Errorf("try again after %v, want 5s", got)
				}
			}
			c.pass(5 * time.Second)
		}
		i.answer(jwks(firstKey()))
		c.pass(10 * time.Second)
		unknown()
		i.answer(jwks(secondKey())) // the first is gone
		c.pass(5 * time.Minute)
		mustRefuseAs(t, v, known(), verifier.ErrInvalidToken)
		i.answer(jwks(firstKey()))
		before := i.metadata.Load()
		c.pass(time.Hour + time.Second)
		mustVerify(t, v, known())
		if i.metadata.Load() != before+1 {
			t.Errorf("after an hour the metadata were read %d times more", i.metadata.Load()-before)
		}
		i.fail()
		c.pass(24*time.Hour - time.Nanosecond)
		mustVerify(t, v, known())
		c.pass(time.Nanosecond)
		mustRefuseAs(t, v, known(), verifier.ErrKeysUnavailable)
		if v.Ready() == nil {
			t.Error("ready with keys of a day ago")
		}
	})
}

// mustRefuseAs wants an error that is want.
func mustRefuseAs(t *testing.T, v *verifier.Verifier, raw string, want error) {
	t.Helper()
	if _, err := v.Verify(t.Context(), raw); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestListsAgeByTheVerifiersClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, i, log := newSkewed(), newIssuer(firstKey()), new(logged)
		s := serveList(i)
		signed := func() string {
			return s.token(make([]byte, 8), nil, set{"iat": c.now().Unix(), "exp": c.now().Add(10 * time.Minute).Unix()})
		}
		s.answer(signed())
		v := i.verifier(t, c.option(), failClosed(), verifier.WithLogger(slog.New(log)))
		token := func(uri string) string {
			return sign(firstKey(), goodHeader, claims(c.now(), set{"exp": c.now().Add(time.Hour).Unix(), "status": set{"status_list": set{"idx": 1, "uri": uri}}}))
		}
		raw := token(s.uri)
		mustVerify(t, v, raw)
		c.pass(10*time.Minute - time.Second)
		mustVerify(t, v, raw)
		c.pass(time.Second)
		mustRefuseAs(t, v, raw, verifier.ErrStatusUnavailable)
		c.pass(45 * time.Minute) // 55 min since it came: it asks once more
		s.answer(signed())
		time.Sleep(5 * time.Second)
		mustVerify(t, v, raw)
		c.pass(10 * time.Minute)
		s.answer(signed())
		time.Sleep(5 * time.Second)
		mustVerify(t, v, token(s.uri)) // from the list that is followed, or a new one

		log.messages()
		for range 2 {
			for range 3 {
				mustRefuseAs(t, v, token("https://evil.example.com/x"), verifier.ErrStatusUnavailable)
			}
			if got := log.messages(); len(got) != 1 {
				t.Errorf("within a minute it logged %q", got)
			}
			c.pass(time.Minute)
		}
	})
}

// TestAListIsAskedAboutByTheVerifiersClock: its last token is dead, and it was asked about a moment before.
func TestAListIsAskedAboutByTheVerifiersClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, i := new(skewed), newIssuer(firstKey())
		c.pass(2 * time.Hour)
		s := serveList(i)
		s.lifetime = 24 * time.Hour
		v := i.verifier(t, c.option())
		raw := s.listedFor(1, 3*time.Hour) // by the verifier's clock, one hour
		mustVerify(t, v, raw)
		time.Sleep(55 * time.Minute)
		mustVerify(t, v, raw)
		time.Sleep(10 * time.Minute)
		if synctest.Wait(); s.waiting.Load() != 1 {
			t.Error("it is followed no more, ten minutes after it was asked about")
		}
		time.Sleep(52 * time.Minute)
		if synctest.Wait(); s.waiting.Load() != 0 {
			t.Error("it is still followed")
		}
	})
}

func TestAnswersAboutOpaqueTokensAgeByTheVerifiersClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, i := newSkewed(), newIssuer(firstKey())
		var asked atomic.Int32
		var cut atomic.Bool
		askable(i, active(&asked, set{"exp": nil}))
		v := i.verifier(t, c.option(), introspection(), verifier.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if cut.Load() {
				asked.Add(1)
				return nil, errors.New("connection refused")
			}
			return i.RoundTrip(r)
		})}))
		for n, want := range []int32{1, 1, 2} {
			token, err := v.Verify(t.Context(), "opaque-token")
			if err != nil || asked.Load() != want {
				t.Fatalf("after %d times 2 s: %v, asked %d times, want %d", n, err, asked.Load(), want)
			}
			if n == 0 && !token.Expiry.Equal(c.now().Add(4*time.Second)) {
				t.Errorf("it expires %v from now, want 4s", token.Expiry.Sub(c.now()))
			}
			c.pass(2 * time.Second)
		}
		cut.Store(true)
		asked.Store(0)
		for n, want := range []int32{1, 1, 2} { // the respite
			mustRefuseAs(t, v, "another", verifier.ErrIntrospectionUnavailable)
			if asked.Load() != want {
				t.Errorf("after %d times 0.5 s: asked %d times, want %d", n, asked.Load(), want)
			}
			c.pass(500 * time.Millisecond)
		}
	})
}

func TestPoliciesGoByTheVerifiersClock(t *testing.T) {
	t.Parallel()
	now := epoch
	v := newIssuer(firstKey()).ready(t, verifier.WithClock(func() time.Time { return now }))
	raw := sign(firstKey(), goodHeader, claims(epoch, set{"auth_time": epoch.Unix()}))
	for after, want := range map[time.Duration]int{time.Minute: 200, time.Minute + time.Nanosecond: 401} {
		now = epoch.Add(after)
		if w := enforce(v, verifier.Policy{MaxAge: time.Minute}, raw); w.Code != want {
			t.Errorf("after %v: %d, want %d", after, w.Code, want)
		}
	}
}
