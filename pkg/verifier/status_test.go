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
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

func TestARevokedSessionDiesWithItsList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		s.revoke(7)
		v := i.verifier(t)
		_, err := v.Verify(t.Context(), s.listed(7))
		if !errors.Is(err, verifier.ErrInvalidToken) || err.Error() != "invalid token: its session has ended" {
			t.Errorf("the very first token, revoked before: %v", err)
		}
		raw := s.listed(8)
		mustVerify(t, v, raw) // and remembered
		mustVerify(t, v, raw)
		time.Sleep(12 * time.Second)
		s.revoke(8)
		synctest.Wait()
		if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("a remembered token, without the clock having moved: %v", err)
		}
		mustVerify(t, v, s.listed(9))
	})
}

func TestAListIsFollowedByOneWaitingRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		// A client's own time limit is for answers that come at once.
		v := i.verifier(t, verifier.WithHTTPClient(&http.Client{Transport: i, Timeout: time.Second}))
		var wg sync.WaitGroup
		for n := range 50 {
			wg.Go(func() { mustVerify(t, v, s.listed(n)) })
		}
		wg.Wait()
		synctest.Wait()
		if s.waiting.Load() != 1 {
			t.Errorf("%d requests wait", s.waiting.Load())
		}
		before := s.requests.Load()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := s.requests.Load() - before; got != 100 {
			t.Errorf("%d requests in 5 min, want one every 3 s", got)
		}
	})
}

// TestAListIsRenewedBeforeItExpires has a server whose ETag stands only for the statuses: it
// signs the list again for each answer, and answers 304 as long as no session is revoked.
func TestAListIsRenewedBeforeItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		s.lifetime = 2 * time.Minute
		v := i.verifier(t, failClosed())
		for range 600 {
			mustVerify(t, v, s.listed(1))
			time.Sleep(time.Second)
		}
		if got := s.requests.Load(); got > 250 {
			t.Errorf("%d requests in 10 min", got)
		}
		s.revoke(1)
		time.Sleep(2 * time.Second)
		mustRefuse(t, v, s.listed(1))
	})
}

func TestAnIdleListIsDroppedAndFoundAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		v := i.verifier(t)
		mustVerify(t, v, s.listedFor(1, time.Hour))
		time.Sleep(62 * time.Minute)
		synctest.Wait()
		before := s.requests.Load()
		time.Sleep(time.Hour)
		if s.requests.Load() != before || s.waiting.Load() != 0 {
			t.Error("a list is followed that nobody asks about")
		}
		s.revoke(1)
		mustRefuse(t, v, s.listed(1))
	})
}

// TestAListIsFollowedUntilItsLastTokenIsDead: a revoked session stays revoked, even if no
// token has needed the list for hours and it is unavailable now. The token that lives longest
// is neither the first nor the last to come.
func TestAListIsFollowedUntilItsLastTokenIsDead(t *testing.T) {
	t.Parallel()
	const long = 70 * time.Minute // longer than a list is followed for having been asked
	for name, c := range map[string]struct {
		first, second, third time.Duration // how long the tokens live
		dead                 time.Duration // when the last is dead
	}{
		"the longest is the first":  {long, time.Minute, time.Minute, long + time.Minute},
		"the longest is the second": {time.Minute, long, time.Minute, long + time.Minute},
		"none lives an hour":        {time.Minute, time.Minute, time.Minute, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(firstKey())
				s := serveList(i)
				v := i.verifier(t, verifier.WithLeeway(time.Minute))
				start := time.Now()
				for idx, life := range []time.Duration{c.first, c.second, c.third} {
					mustVerify(t, v, s.listedFor(idx, life))
				}
				s.revoke(1)
				time.Sleep(c.dead - time.Second)
				synctest.Wait()
				if s.waiting.Load() != 1 {
					t.Errorf("after %v, a second before the last token is dead, the list is not followed", time.Since(start))
				}
				s.cut(true)
				i.fail()
				if _, err := v.Verify(t.Context(), s.listedFor(1, time.Second)); err == nil || !strings.Contains(err.Error(), "session has ended") {
					t.Errorf("after %v, without its issuer: the token of a revoked session gets %v", time.Since(start), err)
				}
			})
		})
	}
}

// TestAListIsLeftWhenItsLastTokenIsDead has nobody ask for longer than a list is followed for that alone.
func TestAListIsLeftWhenItsLastTokenIsDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		v := i.verifier(t)
		mustVerify(t, v, s.listedFor(1, 70*time.Minute))
		time.Sleep(70*time.Minute + 5*time.Second) // one more request waits its time
		synctest.Wait()
		if s.waiting.Load() != 0 {
			t.Error("the list is followed for a token that is dead")
		}
	})
}

func TestCloseEndsWhatFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		i := newIssuer(firstKey())
		s := serveList(i)
		v := i.verifier(t)
		raw := s.listed(1)
		mustVerify(t, v, raw)
		v.Close()
		if s.waiting.Load() != 0 {
			t.Error("a request waits after Close")
		}
		v.Close()
		mustVerify(t, v, raw)
		if _, err := v.Verify(t.Context(), good(firstKey(), "unknown", time.Now())); err == nil || i.jwks.Load() != 1 {
			t.Errorf("after Close: %v, %d fetches", err, i.jwks.Load())
		}
		time.Sleep(time.Minute)
		if _, err := v.Verify(t.Context(), good(firstKey(), "unknown", time.Now())); !errors.Is(err, verifier.ErrKeysUnavailable) || i.jwks.Load() != 1 {
			t.Errorf("after Close: %v, %d fetches", err, i.jwks.Load())
		}
	})
}

func TestACutConnectionDelaysARevocationByLessThanFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		v := i.verifier(t)
		raw := s.listed(1)
		mustVerify(t, v, raw)
		for outage := range 6 {
			s.cut(true)
			time.Sleep(time.Duration(outage*outage) * time.Second)
			s.cut(false)
			s.revoke(10 + outage)
			time.Sleep(2 * time.Second) // the longest pause; an answer takes no time here
			synctest.Wait()
			mustRefuse(t, v, s.listed(10+outage))
			mustVerify(t, v, raw)
		}
	})
}

// TestAnOutageOfTheListRefusesNoGoodToken is R4, and what it costs who would rather refuse.
func TestAnOutageOfTheListRefusesNoGoodToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opts []verifier.Option
		want error
	}{
		"default":     {nil, nil},
		"fail closed": {[]verifier.Option{failClosed()}, verifier.ErrStatusUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(firstKey())
				s := serveList(i)
				s.lifetime = 10 * time.Minute
				s.revoke(2)
				s.cut(true)
				v := i.verifier(t, c.opts...)
				start := time.Now()
				if _, err := v.Verify(t.Context(), s.listed(1)); !errors.Is(err, c.want) || errors.Is(err, verifier.ErrInvalidToken) {
					t.Errorf("before the first list: got %v, want %v", err, c.want)
				}
				if time.Since(start) != 0 {
					t.Errorf("waited %v for an answer that had come", time.Since(start))
				}
				s.cut(false)
				time.Sleep(2 * time.Second)
				mustVerify(t, v, s.listed(1))
				mustRefuse(t, v, s.listed(2))
				s.cut(true)
				for range 9 {
					time.Sleep(time.Minute)
					mustVerify(t, v, s.listed(1))
					mustRefuse(t, v, s.listed(2))
				}
				time.Sleep(time.Minute) // the list has expired
				if _, err := v.Verify(t.Context(), s.listed(1)); !errors.Is(err, c.want) || errors.Is(err, verifier.ErrInvalidToken) {
					t.Errorf("after its exp: got %v, want %v", err, c.want)
				}
				if _, err := v.Verify(t.Context(), s.listed(2)); !errors.Is(err, verifier.ErrInvalidToken) {
					t.Errorf("a revoked session came back with the end of the list: %v", err)
				}
				s.cut(false)
				time.Sleep(2 * time.Second)
				mustVerify(t, v, s.listed(1))
			})
		})
	}
}

// TestAnIssuerThatIsDownRefusesNoGoodToken takes everything away for longer than a token lives: tokens that were seen, and
// others that were issued just before.
func TestAnIssuerThatIsDownRefusesNoGoodToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		v := i.verifier(t)
		seen := s.listed(1)
		mustVerify(t, v, seen)
		i.fail()
		s.cut(true)
		for range 59 {
			time.Sleep(time.Minute)
			mustVerify(t, v, seen)
			mustVerify(t, v, s.listed(2))
			if err := v.Ready(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAHangingListDelaysTheFirstTokensByTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		hanging := http.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		i.lists.Store(&hanging)
		v, closed := i.verifier(t), i.verifier(t, failClosed())
		defer v.Close()
		defer closed.Close()
		start := time.Now()
		mustVerify(t, v, s.listed(1))
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("the first token waited %v", took)
		}
		mustVerify(t, v, s.listed(2))
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("the second token waited too, until %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := closed.Verify(ctx, s.listed(1)); !errors.Is(err, verifier.ErrStatusUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("fail closed: got %v", err)
		}
	})
}

func TestAListIsReadFromTheIssuersOriginAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		var mu sync.Mutex
		i := newIssuer(firstKey())
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			asked = append(asked, r.URL.Host)
			mu.Unlock()
			return i.RoundTrip(r)
		})
		v := i.verifier(t, verifier.WithHTTPClient(&http.Client{Transport: transport}))
		closed := i.verifier(t, verifier.WithHTTPClient(&http.Client{Transport: transport}), failClosed())
		for _, uri := range []string{
			"https://evil.example.com/oauth/status-lists/3", "http://auth.example.com/oauth/status-lists/3", "https://auth.example.com:444/x",
			"https://auth.example.com.evil.example.com/x", "https://auth.example.com@evil.example.com/x", "file:///etc/passwd", "/oauth/status-lists/3",
			"//evil.example.com/x", "https://auth.example.com/x?y=1", "https://auth.example.com/x#y", "not a URL", "https://",
		} {
			raw := sign(firstKey(), goodHeader, claims(time.Now(), set{"status": set{"status_list": set{"idx": 1, "uri": uri}}}))
			mustVerify(t, v, raw)
			if _, err := closed.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrStatusUnavailable) {
				t.Errorf("%s: got %v", uri, err)
			}
		}
		for _, host := range asked {
			if host != "auth.example.com" {
				t.Errorf("%s was asked", host)
			}
		}
		if len(asked) != 4 { // metadata and keys, for each
			t.Errorf("asked %d times", len(asked))
		}
	})
}

func TestTheNumberOfListsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		serveList(i)
		v := i.verifier(t, verifier.WithStatus(verifier.StatusFailClosed))
		refused := 0
		for n := range 300 {
			s := &listServer{issuer: i, uri: fmt.Sprintf("%s/oauth/status-lists/%d", issuerURL, n)}
			_, err := v.Verify(t.Context(), s.listed(1))
			if !errors.Is(err, verifier.ErrStatusUnavailable) && n != 3 {
				t.Errorf("list %d: got %v", n, err) // only list 3 is there
			}
			if err != nil && strings.Contains(err.Error(), "not followed") {
				refused++
			}
		}
		if refused != 300-256 {
			t.Errorf("%d lists are followed, want 256", 300-refused)
		}
	})
}

func TestStatusOffAsksForNoList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		s.revoke(1)
		mustVerify(t, i.verifier(t, verifier.WithStatus(verifier.StatusOff)), s.listed(1))
		if s.requests.Load() != 0 {
			t.Error("it asked")
		}
	})
}

func TestATokenWithoutStatusNeedsNoList(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch(), failClosed())
	mustVerify(t, v, good(firstKey(), "first", epoch))
	mustVerify(t, v, sign(firstKey(), goodHeader, claims(epoch, set{"status": set{"other": 1}})))
}

// TestAnOlderListBringsNobodyBack is R2 where replicas differ: one that is behind answers the next request.
func TestAnOlderListBringsNobodyBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		old := s.token(make([]byte, 8), nil, nil)
		time.Sleep(3 * time.Second)
		s.revoke(1)
		v := i.verifier(t)
		mustRefuse(t, v, s.listed(1))
		same := s.token(make([]byte, 8), nil, nil) // signed within the same second
		for name, answer := range map[string]string{"older": old, "of the same second": same} {
			behind := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("ETag", `"behind"`)
				w.Header().Set("Content-Type", "application/statuslist+jwt")
				io.WriteString(w, answer)
			}))
			i.lists.Store(&behind)
			s.cut(false)
			time.Sleep(30 * time.Second)
			synctest.Wait()
			if _, err := v.Verify(t.Context(), s.listed(1)); !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAnIndexPastTheEndOfAListIsInvalid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		v, closed := i.verifier(t), i.verifier(t, failClosed())
		defer v.Close()
		defer closed.Close()
		near, far := s.listed(64), s.listed(1<<40)
		time.Sleep(time.Second)
		mustVerify(t, v, s.listed(63))
		for _, v := range []*verifier.Verifier{v, closed} {
			for _, raw := range []string{near, far} {
				if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
					t.Errorf("got %v", err)
				}
			}
		}
		// A token as young as the list, and a younger one: the list has grown since, perhaps.
		for range 2 {
			mustVerify(t, v, s.listed(64))
			if _, err := closed.Verify(t.Context(), s.listed(64)); !errors.Is(err, verifier.ErrStatusUnavailable) {
				t.Errorf("fail closed: got %v", err)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestWhatPassesWithoutAListIsCountedAndReported: fail open must not mean silence.
func TestWhatPassesWithoutAListIsCountedAndReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var count counted
		log := new(logged)
		i := newIssuer(firstKey())
		s := serveList(i)
		s.lifetime = 10 * time.Minute
		s.cut(true)
		v := i.verifier(t, count.option(), verifier.WithLogger(slog.New(log)))
		raw := s.listed(1)
		hold := func(when string, want verifier.Outcome) {
			t.Helper()
			mustVerify(t, v, raw)
			if got := count.take(); len(got) != 1 || got[want] != 1 {
				t.Errorf("%s: %v, want one %s", when, got, want)
			}
		}
		hold("before the first list", verifier.Unlisted)
		hold("remembered, before the first list", verifier.Unlisted)
		time.Sleep(5*time.Minute + 10*time.Second)
		if got := log.messages(); len(got) != 6 || got[0] != "a status list could not be read" {
			t.Errorf("in 5 min and 10 s without a list it logged %q", got)
		}
		s.cut(false)
		time.Sleep(30 * time.Second)
		hold("with a list", verifier.Cached)
		if got := log.messages(); !slices.Equal(got, []string{"a status list is followed again"}) {
			t.Errorf("with a list it logged %q", got)
		}
		s.cut(true)
		time.Sleep(9 * time.Minute)
		hold("with an old list", verifier.Cached)
		time.Sleep(time.Minute)
		hold("with one that has expired", verifier.Unlisted)
	})
}

// TestEachReasonNotToFollowAListIsReported, once a minute, whatever the number of tokens.
func TestEachReasonNotToFollowAListIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		i := newIssuer(firstKey())
		v := i.verifier(t, verifier.WithLogger(slog.New(log)))
		tokens := []string{}
		for n := range 3 {
			for _, uri := range []string{"https://%d.example.com/x", "http://" + "auth.example.com/%d", "https://auth.example.com/x?%d"} {
				tokens = append(tokens, sign(firstKey(), goodHeader, claims(time.Now(), set{"status": set{"status_list": set{"idx": 1, "uri": fmt.Sprintf(uri, n)}}})))
			}
		}
		for range 100 {
			for _, raw := range tokens {
				mustVerify(t, v, raw)
			}
			time.Sleep(time.Second)
		}
		if got := log.messages(); len(got) != 4 || got[0] != "a status list is not followed" { // a foreign origin, and a query, twice
			t.Errorf("logged %q", got)
		}
	})
}
