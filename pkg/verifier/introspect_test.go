package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// askable makes i answer introspection as f says.
func askable(i *issuer, f http.HandlerFunc) {
	h := http.Handler(f)
	i.asked.Store(&h)
}

// active answers that every token is good, and counts.
func active(asked *atomic.Int32, change set) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		io.WriteString(w, encodeJSON(change.onto(map[string]any{
			"active": true, "sub": "0192d3a0-user", "client_id": "first-party", "aud": audience, "scope": "orders:read",
			"exp": time.Now().Add(time.Hour).Unix(),
		})))
	}
}

func introspection() verifier.Option { return verifier.WithIntrospection("orders:api", "s%cret") }

func TestAnOpaqueTokenIsLookedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		var form, id, secret, method string
		askable(i, func(w http.ResponseWriter, r *http.Request) {
			id, secret, _ = r.BasicAuth()
			method = r.Method
			form = r.PostFormValue("token") + " " + r.PostFormValue("token_type_hint")
			active(new(atomic.Int32), nil)(w, r)
		})
		v := i.verifier(t, introspection())
		token, err := v.Verify(t.Context(), "opaque-token")
		if err != nil {
			t.Fatal(err)
		}
		if token.Subject != "0192d3a0-user" || token.ClientID != "first-party" || !token.Has("orders:read") || token.Issuer != issuerURL {
			t.Errorf("got %+v", token)
		}
		if method != "POST" || form != "opaque-token access_token" || id != "orders%3Aapi" || secret != "s%25cret" { // RFC 6749 §2.3.1
			t.Errorf("asked by %s with %q as %s:%s", method, form, id, secret)
		}
	})
}

func TestAnOpaqueTokenIsRefusedWithoutTheOption(t *testing.T) {
	t.Parallel()
	i := newIssuer(firstKey())
	var asked atomic.Int32
	askable(i, active(&asked, nil))
	if _, err := i.verifier(t).Verify(t.Context(), "opaque-token"); !errors.Is(err, verifier.ErrInvalidToken) || asked.Load() != 0 {
		t.Errorf("got %v, asked %d times", err, asked.Load())
	}
}

func TestNothingButAnOpaqueTokenIsSentToTheIssuer(t *testing.T) {
	t.Parallel()
	i := newIssuer(firstKey())
	var asked atomic.Int32
	askable(i, active(&asked, nil))
	v := i.ready(t, atEpoch(), introspection())
	for _, h := range hostileTokens() {
		if strings.Count(h.raw, ".") != 2 && !strings.HasPrefix(h.raw, "eyJ") {
			continue // an opaque token for all we know
		}
		if _, err := v.Verify(t.Context(), h.raw); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("%s: got %v", h.name, err)
		}
	}
	for _, raw := range []string{"", " ", "a b", "a\n", "é", "a\x00", `a"b`, strings.Repeat("a", 4<<10+1), strings.Repeat("a", 16<<10+1), "a&token=b", "mrt_AAAA", "mrt_"} {
		if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("%q: got %v", raw, err)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("%d were sent", asked.Load())
	}
}

func TestWhatTheIssuerSaysOfAnOpaqueTokenIsChecked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		unix := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
		for name, c := range map[string]struct {
			change set
			want   error
		}{
			"good": {nil, nil}, "with iss": {set{"iss": issuerURL}, nil}, "aud list": {set{"aud": []string{"x", audience}}, nil}, "no exp": {set{"exp": nil}, nil},
			"unknown members": {set{"username": "x", "token_type": "Bearer", "active_since": 1}, nil},
			"inactive":        {set{"active": false}, verifier.ErrInvalidToken}, "active a string": {set{"active": "true"}, verifier.ErrInvalidToken},
			"active missing": {set{"active": nil}, verifier.ErrInvalidToken}, "active 1": {set{"active": 1}, verifier.ErrInvalidToken},
			"another aud": {set{"aud": "https://other.example.com"}, verifier.ErrInvalidToken}, "no aud": {set{"aud": nil}, verifier.ErrInvalidToken},
			"another iss": {set{"iss": "https://evil.example.com"}, verifier.ErrInvalidToken}, "expired": {set{"exp": unix(0)}, verifier.ErrInvalidToken},
			"not yet": {set{"nbf": unix(time.Minute)}, verifier.ErrInvalidToken}, "exp a string": {set{"exp": "1"}, verifier.ErrInvalidToken},
			"bearer": {set{"token_type": "BEARER"}, nil}, "refresh token": {set{"token_type": "refresh_token"}, verifier.ErrInvalidToken},
			"no type": {set{"token_type": ""}, verifier.ErrInvalidToken}, "type null": {set{"token_type": []any(nil)}, verifier.ErrInvalidToken},
			"MAC": {set{"token_type": "mac"}, verifier.ErrInvalidToken}, "DPoP, but not bound": {set{"token_type": "DPoP"}, verifier.ErrInvalidToken},
			"bound": {set{"cnf": set{"jkt": strings.Repeat("a", 43)}}, verifier.ErrInvalidToken},
		} {
			i := newIssuer(firstKey())
			askable(i, active(new(atomic.Int32), c.change))
			v := i.verifier(t, introspection())
			for range 2 { // the second time from memory
				if _, err := v.Verify(t.Context(), "opaque-token"); !errors.Is(err, c.want) {
					t.Errorf("%s: got %v, want %v", name, err, c.want)
				}
			}
		}
	})
}

func TestAnUnreachableIssuerDoesNotMakeATokenInvalid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, f := range map[string]http.HandlerFunc{
			"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "401": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
			"HTML": says("<html>"), "nothing": says(""), "two": says(`{"active":true}{}`), "twice": says(`{"active":false,"active":true}`), "array": says(`[]`),
			"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, "huge": says(`{"active":true,"x":"` + strings.Repeat("x", 1<<20) + `"}`),
			"panic": func(http.ResponseWriter, *http.Request) { panic("broken") }, "hanging": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		} {
			i := newIssuer(firstKey())
			askable(i, f)
			v := i.verifier(t, introspection())
			start := time.Now()
			if _, err := v.Verify(t.Context(), "opaque-token"); !errors.Is(err, verifier.ErrIntrospectionUnavailable) || errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("%s: got %v", name, err)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s: waited %v", name, took)
			}
			askable(i, active(new(atomic.Int32), nil))
			time.Sleep(time.Second)
			mustVerify(t, v, "opaque-token")
		}
		i := newIssuer(firstKey())
		i.fail()
		if _, err := i.verifier(t, introspection()).Verify(t.Context(), "opaque-token"); !errors.Is(err, verifier.ErrIntrospectionUnavailable) {
			t.Errorf("without metadata: got %v", err)
		}
	})
}

// TestEveryOpaqueTokenIsUnavailableDuringAnOutage, however many are sent: the issuer knows which are invented, and it does
// not answer. A 401 would log honest users out.
func TestEveryOpaqueTokenIsUnavailableDuringAnOutage(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]http.HandlerFunc{
		"failing": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"hanging": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer(firstKey())
			askable(i, active(new(atomic.Int32), nil))
			v := i.verifier(t, introspection())
			mustVerify(t, v, "good-before")
			time.Sleep(5 * time.Second) // its answer is old
			askable(i, outage)
			_, _ = v.Verify(t.Context(), "good-before") // from here on the outage is known
			for round := range 3 {
				time.Sleep(time.Second)
				var callers sync.WaitGroup
				for n := range 200 {
					callers.Go(func() {
						if _, err := v.Verify(t.Context(), fmt.Sprintf("new-%d-%d", round, n)); !errors.Is(err, verifier.ErrIntrospectionUnavailable) || errors.Is(err, verifier.ErrInvalidToken) {
							t.Errorf("%s: %v", name, err)
						}
					})
				}
				callers.Wait()
			}
		})
	}
}

func TestTheIssuersWordIsBelievedForFourSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		var asked atomic.Int32
		askable(i, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			active(&asked, nil)(w, r)
		})
		v := i.verifier(t, introspection())
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { mustVerify(t, v, "opaque-token") })
		}
		wg.Wait()
		if asked.Load() != 1 {
			t.Errorf("asked %d times for a crowd", asked.Load())
		}
		askable(i, active(&asked, set{"active": false}))
		time.Sleep(3*time.Second - time.Nanosecond) // it is as old as the question
		mustVerify(t, v, "opaque-token")
		time.Sleep(time.Nanosecond)
		mustRefuse(t, v, "opaque-token")
		mustRefuse(t, v, "opaque-token") // from memory
		if asked.Load() != 2 {
			t.Errorf("asked %d times", asked.Load())
		}
		mustRefuse(t, v, "opaque-tokem")
		if asked.Load() != 3 {
			t.Error("one token was taken for another")
		}
	})
}

func TestALongAnswerIsNotRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		var asked atomic.Int32
		askable(i, active(&asked, set{"x": strings.Repeat("x", 4<<10)}))
		v := i.verifier(t, introspection())
		for range 3 {
			mustVerify(t, v, "opaque-token")
		}
		if asked.Load() != 3 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

func TestQuestionsUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		var at, most atomic.Int32
		askable(i, func(_ http.ResponseWriter, r *http.Request) {
			most.Store(max(most.Load(), at.Add(1)))
			<-r.Context().Done()
			at.Add(-1)
		})
		v := i.verifier(t, introspection())
		if err := v.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for n := range 500 {
			wg.Go(func() {
				if _, err := v.Verify(t.Context(), fmt.Sprint("opaque-", n)); !errors.Is(err, verifier.ErrIntrospectionUnavailable) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if most.Load() > 64 {
			t.Errorf("%d questions at once", most.Load())
		}
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := v.Verify(ctx, "opaque"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
	})
}

func TestIntrospectionNeedsCredentials(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"", "x"}, {"x", ""}} {
		if _, err := verifier.New(issuerURL, audience, verifier.WithIntrospection(c[0], c[1])); err == nil {
			t.Errorf("New accepted %q", c)
		}
	}
}

// TestAFloodOfGarbageAtOnceStarvesNoTokenThatWasGood: it makes no more questions than the budget, and one 503.
func TestAFloodOfGarbageAtOnceStarvesNoTokenThatWasGood(t *testing.T) {
	t.Parallel()
	for name, kinds := range map[string]int{"all different": 20_000, "a few": 3} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer(firstKey())
			var asked atomic.Int32
			askable(i, func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(100 * time.Millisecond)
				good := strings.HasPrefix(r.PostFormValue("token"), "good")
				if !good {
					asked.Add(1)
				}
				active(new(atomic.Int32), set{"active": good})(w, r)
			})
			v := i.verifier(t, introspection())
			mustVerify(t, v, "good-token")
			time.Sleep(5 * time.Second) // its answer is old
			var flood sync.WaitGroup
			var unavailable atomic.Int32
			for n := range 20_000 {
				flood.Go(func() {
					switch code := request(t, v, nil, fmt.Sprint("Bearer garbage-", n%kinds)).Code; code {
					case http.StatusUnauthorized:
					case http.StatusServiceUnavailable:
						unavailable.Add(1)
					default:
						t.Errorf("got %d", code)
					}
				})
			}
			for range 5 { // while it lasts
				mustVerify(t, v, "good-token")
				time.Sleep(time.Millisecond)
			}
			flood.Wait()
			if asked.Load() > 110 || unavailable.Load() > 1 {
				t.Errorf("%s: %d questions, %d × 503; want 110 and one at most", name, asked.Load(), unavailable.Load())
			}
			time.Sleep(time.Minute)
			mustVerify(t, v, "good-and-new")
		})
	}
}

// TestAFloodOfGarbageAtOnceGetsOneUnavailableAnswer even where nothing was asked before, and where the issuer is so slow
// that most callers don't wait for its answer.
func TestAFloodOfGarbageAtOnceGetsOneUnavailableAnswer(t *testing.T) {
	t.Parallel()
	for _, slow := range []time.Duration{0, 1500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer(firstKey())
			askable(i, func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(slow)
				active(new(atomic.Int32), set{"active": false})(w, r)
			})
			v := i.verifier(t, introspection())
			if err := v.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			var flood sync.WaitGroup
			var unavailable atomic.Int32
			for n := range 5000 {
				flood.Go(func() {
					if request(t, v, nil, fmt.Sprint("Bearer garbage-", n)).Code == http.StatusServiceUnavailable {
						unavailable.Add(1)
					}
				})
			}
			if flood.Wait(); unavailable.Load() > 1 {
				t.Errorf("answers after %v: %d × 503", slow, unavailable.Load())
			}
		})
	}
}

// TestManyNewTokensAtOnceAreAllAskedAbout, as after a start of the service: what may be invented is not refused for it.
func TestManyNewTokensAtOnceAreAllAskedAbout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		var asked atomic.Int32
		askable(i, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(100 * time.Millisecond)
			active(&asked, nil)(w, r)
		})
		v := i.verifier(t, introspection())
		if err := v.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		var users sync.WaitGroup
		for n := range 500 {
			users.Go(func() { mustVerify(t, v, fmt.Sprint("good-", n)) })
		}
		if users.Wait(); asked.Load() != 500 {
			t.Errorf("%d questions", asked.Load())
		}
	})
}

// TestAnIssuerThatIsNotReachedIsLeftAloneForASecond, and a run of failures is reported once.
func TestAnIssuerThatIsNotReachedIsLeftAloneForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		var cut atomic.Bool
		var asked atomic.Int32
		askable(i, active(&asked, nil))
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/oauth/introspect" && cut.Load() {
				asked.Add(1)
				return nil, errors.New("connection refused")
			}
			return i.RoundTrip(r)
		})
		log := new(logged)
		v := i.verifier(t, introspection(), verifier.WithHTTPClient(&http.Client{Transport: transport}), verifier.WithLogger(slog.New(log)))
		for range 2 {
			cut.Store(true)
			for n := range 1000 {
				if _, err := v.Verify(t.Context(), fmt.Sprint("opaque-", n)); !errors.Is(err, verifier.ErrIntrospectionUnavailable) {
					t.Fatalf("got %v", err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if got := asked.Swap(0); got != 10 {
				t.Errorf("asked %d times in 10 s", got)
			}
			cut.Store(false)
			time.Sleep(time.Second)
			mustVerify(t, v, "opaque-token")
			time.Sleep(4 * time.Second)
			asked.Store(0)
		}
		want := []string{"the issuer could not be asked about a token", "the issuer answers about tokens again"}
		if got := log.messages(); !slices.Equal(got, slices.Repeat(want, 2)) {
			t.Errorf("logged %q", got)
		}
	})
}

// logged remembers the messages that were logged.
type logged struct {
	slog.Handler
	mu  sync.Mutex
	all []string // guarded by mu
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, r.Message)
	return nil
}

// messages returns what was logged since it was last asked.
func (l *logged) messages() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.all
	l.all = nil
	return all
}
