package verifier_test

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// TestRefreshesBeginBetween75And90PercentOfTheMaxAge, and not all at one moment.
func TestRefreshesBeginBetween75And90PercentOfTheMaxAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 60 {
			i := newIssuer(firstKey())
			i.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=1000")
				says(jwks(firstKey()))(w, r)
			})
			v := i.verifier(t)
			if err := v.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			ready := func() (asked bool) {
				if err := v.Ready(); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				return i.jwks.Load() > 1
			}
			time.Sleep(750*time.Second - time.Nanosecond)
			if ready() {
				t.Fatal("a refresh before 75 %")
			}
			for time.Sleep(time.Nanosecond); !ready(); time.Sleep(10 * time.Second) {
				if time.Since(start) > 900*time.Second {
					t.Fatal("no refresh before 90 %")
				}
			}
			at := time.Since(start)
			seen[at] = true
		}
		if len(seen) < 5 {
			t.Errorf("sixty verifiers asked at %d moments: they go in step", len(seen))
		}
	})
}

// TestReadyAloneKeepsTheKeysFresh has a readiness probe and no token.
func TestReadyAloneKeepsTheKeysFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		for range 360 {
			v.Ready()
			time.Sleep(10 * time.Second)
		}
		if got := i.jwks.Load(); got < 13 || got > 17 {
			t.Errorf("%d fetches in an hour of a max-age of 5 min", got)
		}
	})
}

// TestReadySaysWhyItIsNot: with the error of the fetch, or that there is no answer yet.
func TestReadySaysWhyItIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		i.fail()
		v := i.verifier(t)
		if err := v.Ready(); err == nil || !strings.Contains(err.Error(), "has not answered yet") {
			t.Errorf("before the first answer: %v", err)
		}
		synctest.Wait()
		if err := v.Ready(); !errors.Is(err, verifier.ErrKeysUnavailable) || !strings.Contains(err.Error(), issuerURL+"/.well-known/jwks.json: the answer is 500") {
			t.Errorf("after it: %v", err)
		}
		i = newIssuer(firstKey())
		v = i.verifier(t, verifier.WithHTTPClient(&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("connection refused")
		})}))
		v.Ready()
		synctest.Wait()
		if err := v.Ready(); err == nil || !strings.Contains(err.Error(), "read metadata "+issuerURL+"/.well-known/oauth-authorization-server") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("without metadata: %v", err)
		}
	})
}

func TestKeysServeThroughFailuresForExactlyADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		i.fail()
		time.Sleep(24*time.Hour - time.Nanosecond)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		if err := v.Ready(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := v.Verify(t.Context(), good(firstKey(), "first", time.Now())); !errors.Is(err, verifier.ErrKeysUnavailable) {
			t.Errorf("after a day: %v", err)
		}
		if err := v.Ready(); !errors.Is(err, verifier.ErrKeysUnavailable) {
			t.Errorf("after a day: ready: %v", err)
		}
	})
}

// TestTheCooldownIsExact: a second until there are keys, then ten, after success and failure alike.
func TestTheCooldownIsExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		asked := func() int32 { return i.jwks.Load() }
		ask := func() { v.Verify(t.Context(), good(secondKey(), "second", time.Now())) }
		i.fail()
		ask()
		time.Sleep(time.Second - time.Nanosecond)
		ask()
		if asked() != 1 {
			t.Errorf("without keys, %d fetches before a second", asked())
		}
		time.Sleep(time.Nanosecond)
		i.answer(jwks(firstKey()))
		ask()
		if asked() != 2 {
			t.Errorf("without keys, %d fetches after a second, want 2", asked())
		}
		for n, healthy := range []bool{true, false, true} { // what comes at the end of this cool-down
			want := asked()
			time.Sleep(10*time.Second - time.Nanosecond)
			ask()
			if asked() != want {
				t.Errorf("cool-down %d: a fetch before it was over", n)
			}
			if i.fail(); healthy {
				i.answer(jwks(firstKey()))
			}
			time.Sleep(time.Nanosecond)
			ask()
			if asked() != want+1 {
				t.Errorf("cool-down %d: no fetch after it", n)
			}
		}
	})
}

// TestRetryAfterIsWhatIsLeftOfTheCooldown in whole seconds, rounded up.
func TestRetryAfterIsWhatIsLeftOfTheCooldown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		v := i.verifier(t)
		answer := func(v *verifier.Verifier) string {
			w := request(t, v, nil, "Bearer "+good(secondKey(), "second", time.Now()))
			if w.Code != 503 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			return w.Header().Get("Retry-After")
		}
		i.fail()
		if got := answer(v); got != "1" {
			t.Errorf("without keys: %s", got)
		}
		i.answer(jwks(firstKey()))
		for _, c := range []struct {
			after time.Duration
			want  string
		}{{0, "10"}, {2500 * time.Millisecond, "8"}, {8500 * time.Millisecond, "2"}, {9500 * time.Millisecond, "1"}, {9900 * time.Millisecond, "1"}} {
			v := i.verifier(t)
			mustVerify(t, v, good(firstKey(), "first", time.Now()))
			time.Sleep(c.after)
			if got := answer(v); got != c.want {
				t.Errorf("%v after the keys were read: %s, want %s", c.after, got, c.want)
			}
		}
		for _, err := range []error{verifier.ErrStatusUnavailable, verifier.ErrIntrospectionUnavailable, errors.New("x")} {
			if got := v.RetryAfter(err); got != time.Second {
				t.Errorf("%v: %v, want 1s", err, got)
			}
		}
	})
}

// entries remembers what was logged, with its attributes.
type entries struct {
	logged
	lines []string
}

func (e *entries) logger() *slog.Logger {
	text := slog.NewTextHandler(writing(func(p []byte) (int, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.lines = append(e.lines, string(p))
		return len(p), nil
	}), &slog.HandlerOptions{Level: slog.LevelDebug})
	return slog.New(text)
}

// with returns the lines that hold all of words.
func (e *entries) with(words ...string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.lines), func(line string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
	})
}

type writing func(p []byte) (int, error)

func (f writing) Write(p []byte) (int, error) { return f(p) }

// TestWhatFailsAtTheIssuerIsLogged: with what is left, and never with a token.
func TestWhatFailsAtTheIssuerIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := new(entries)
		i := newIssuer()
		s := serveList(i)
		odd := set{"use": "enc"}.onto(publicJWK(&secondKey().PublicKey, "second"))
		i.answer(encodeJSON(map[string]any{"keys": []any{publicJWK(&firstKey().PublicKey, "first"), odd}}))
		v := i.verifier(t, verifier.WithLogger(log.logger()))
		raw := s.listed(1)
		mustVerify(t, v, raw)
		if got := log.with("skip a key", "index=1", "not for signatures"); len(got) != 1 {
			t.Errorf("an odd key: %q", log.lines)
		}
		i.fail()
		s.cut(true)
		time.Sleep(10 * time.Second)
		mustRefuse(t, v, good(secondKey(), "second", time.Now()))
		if got := log.with("level=WARN", "keys could not be read", "issuer="+issuerURL, "the answer is 500", "keys_kept=1"); len(got) != 1 {
			t.Errorf("a fetch that failed: %q", log.lines)
		}
		if got := log.with("level=WARN", "a status list could not be read", "uri="+s.uri, "the answer is 502", "kept=true"); len(got) != 1 {
			t.Errorf("a list that failed: %q", log.lines)
		}
		mustVerify(t, v, sign(firstKey(), goodHeader, claims(time.Now(), set{"status": set{"status_list": set{"idx": 1, "uri": "https://evil.example.com/x"}}})))
		if got := log.with("level=WARN", "a status list is not followed", "evil.example.com", "not of the issuer's origin"); len(got) != 1 {
			t.Errorf("a list of another origin: %q", log.lines)
		}
		s.cut(false)
		time.Sleep(time.Minute)
		if got := log.with("level=INFO", "a status list is followed again", "uri="+s.uri); len(got) != 1 {
			t.Errorf("a list that is back: %q", log.lines)
		}
		if got := log.with(raw[len(raw)-20:]); len(got) != 0 {
			t.Errorf("a token was logged: %q", got)
		}
	})
}

// TestMetricsTellWhatAFetchWasForAndHowLongItTook in the verifier's own time.
func TestMetricsTellWhatAFetchWasForAndHowLongItTook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type fetch struct {
			What string
			Took time.Duration
			OK   bool
		}
		var mu sync.Mutex
		var got []fetch
		i := newIssuer(firstKey())
		s := serveList(i)
		i.handle(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(100 * time.Millisecond)
			says(jwks(firstKey()))(w, r)
		})
		s.says(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(200 * time.Millisecond)
			s.ServeHTTP(w, r)
		})
		askable(i, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(300 * time.Millisecond)
			says(encodeJSON(set{"active": r.PostFormValue("token") == "good", "aud": audience, "sub": "x", "client_id": "y"}))(w, r)
		})
		v := i.verifier(t, introspection(), verifier.WithMetrics(verifier.Metrics{Fetched: func(what string, took time.Duration, err error) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fetch{what, took, err == nil})
		}}))
		mustVerify(t, v, s.listed(1))
		mustVerify(t, v, "good")
		mustRefuse(t, v, "bad") // the issuer has answered as it should
		askable(i, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
		mustRefuse(t, v, "broken")
		v.Close()
		want := []fetch{
			{"keys", 100 * time.Millisecond, true}, {"status list", 200 * time.Millisecond, true},
			{"introspection", 300 * time.Millisecond, true}, {"introspection", 300 * time.Millisecond, true}, {"introspection", 0, false},
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("fetches (-got +want):\n%s", diff)
		}
	})
}
