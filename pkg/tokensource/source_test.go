package tokensource_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/mintmark-auth/mintmark/pkg/tokensource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs a test on a clock of its own.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// want asks for a token and checks which one comes.
func want(t *testing.T, source *tokensource.Source, access string) {
	t.Helper()
	token, err := source.TokenContext(t.Context())
	if err != nil || token.AccessToken != access {
		t.Fatalf("got %v, %v; want %s", token, err, access)
	}
	if token.RefreshToken != "" {
		t.Fatal("the refresh token was given out")
	}
}

func TestFiftyCallersCauseOneRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(slow(time.Second))
		source := a.source(t, dead)
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() { want(t, source, "a2") })
		}
		callers.Wait()
		if got := a.requests(); len(got) != 1 {
			t.Errorf("%d requests, want 1", len(got))
		}
	})
}

func TestARefreshBeginsInTheLast20To10PercentAndNobodyWaitsForIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 30 {
			a := newAuthority(slow(time.Second))
			source, begun := a.source(t), time.Now()
			for len(a.requests()) == 0 {
				want(t, source, "a1")
				time.Sleep(time.Second)
			}
			after := a.requests()[0].at.Sub(begun)
			if after < life*80/100 || after > life*90/100+time.Second {
				t.Fatalf("refreshed after %v of %v", after, life)
			}
			seen[after] = true
			time.Sleep(time.Second)
			want(t, source, "a2")
		}
		if len(seen) < 5 {
			t.Errorf("thirty sources began at only %d moments: they go in step", len(seen))
		}
	})
}

func TestACallerGoesWhenItsContextEndsAndTheRefreshGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(slow(5 * time.Second))
		source := a.source(t, dead)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := source.TokenContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(5 * time.Second)
		want(t, source, "a2")
		if got := a.requests(); len(got) != 1 {
			t.Errorf("%d requests, want 1", len(got))
		}
	})
}

func TestALostAnswerIsRepeatedWithTheSameTokenWithinTheGrace(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]fault{
		"cut": {cut}, "cut five times": {cut, cut, cut, cut, cut}, "hanging": {hang}, "hanging twice": {hang, hang}, "cut and hanging": {cut, hang, cut},
		"nobody, then cut": {nobody, cut}, "503": {says(503, `{"error":"temporarily_unavailable"}`, "Retry-After", "3")},
		"cut, then a long Retry-After": {cut, says(503, "", "Retry-After", "3600")}, "a page": {says(502, "<html>")},
		"half an answer": {cut, says(200, `{"access_token":"a`)}, "an empty answer": {cut, says(200, "")},
		"a wrong type, without a refresh token": {cut, says(200, `{"access_token":"a2","token_type":"mac"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newAuthority(faults...)
				source := a.source(t, dead)
				want(t, source, "a2")
				requests := a.requests()
				if len(requests) != len(faults)+1 {
					t.Errorf("%d requests, want %d", len(requests), len(faults)+1)
				}
				for _, r := range requests {
					if r.token != "r1" {
						t.Errorf("presented %s, want r1", r.token)
					}
				}
				if last := requests[len(requests)-1].at.Sub(requests[0].at); last > grace-9*time.Second {
					t.Errorf("the last attempt began %v after the first: it may be handled too late", last)
				}
			})
		})
	}
}

func TestALostAnswerIsRepeatedEvenIfNoCallerWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(cut, cut)
		saved := &saving{}
		source := a.source(t, saved.to)
		time.Sleep(life * 95 / 100)
		want(t, source, "a1") // and off it goes
		time.Sleep(grace)
		if got := saved.saved(); len(got) != 1 || got[0].RefreshToken != "r2" {
			t.Errorf("saved %d pairs, want that of generation 2", len(got))
		}
	})
}

func TestAfterTheGraceAttemptsAreFewAndOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		silent := make([]fault, 1000)
		for i := range silent {
			silent[i] = func(r *http.Request, _ func() *http.Response) (*http.Response, error) { // never handled
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
		}
		a := newAuthority(silent...)
		source := a.source(t, dead)
		for begun := time.Now(); time.Since(begun) < time.Hour; time.Sleep(time.Second) {
			if _, err := source.TokenContext(t.Context()); !errors.Is(err, tokensource.ErrUnavailable) {
				t.Fatalf("got %v, want ErrUnavailable", err)
			}
		}
		if got := len(a.requests()); got > 200 || a.parallel > 1 {
			t.Errorf("%d attempts in an hour, %d at once", got, a.parallel)
		}
	})
}

func TestAnAuthorityThatIsDownIsSurvived(t *testing.T) {
	bubble(t, func(t *testing.T) {
		down := make([]fault, 2000)
		for i := range down {
			down[i] = nobody
		}
		a := newAuthority(down...)
		source, begun := a.source(t), time.Now()
		for time.Since(begun) < life*94/100 { // the old token goes on as long as it lives
			want(t, source, "a1")
			time.Sleep(time.Second)
		}
		time.Sleep(life)
		for range 600 {
			if _, err := source.TokenContext(t.Context()); !errors.Is(err, tokensource.ErrUnavailable) || strings.Contains(err.Error(), "r1") {
				t.Fatalf("got %v, want ErrUnavailable", err)
			}
			time.Sleep(time.Second)
		}
		a.mu.Lock()
		a.faults = nil // it is back
		a.mu.Unlock()
		time.Sleep(time.Minute)
		want(t, source, "a2")
		if got := len(a.requests()); got > 300 {
			t.Errorf("%d attempts in twenty minutes", got)
		}
	})
}

func TestInvalidGrantStopsForGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority()
		a.ended = true
		source := a.source(t)
		time.Sleep(life * 95 / 100)
		want(t, source, "a1")
		synctest.Wait()
		for range 100 {
			if _, err := source.TokenContext(t.Context()); !errors.Is(err, tokensource.ErrEnded) {
				t.Fatalf("got %v, want ErrEnded", err)
			}
			time.Sleep(time.Minute)
		}
		if got := a.requests(); len(got) != 1 {
			t.Errorf("%d requests, want 1", len(got))
		}
	})
}

func TestAClientAtFaultIsNotTheEndOfTheSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(says(401, `{"error":"invalid_client","error_description":"client authentication failed"}`))
		source := a.source(t, dead)
		_, err := source.TokenContext(t.Context())
		if !errors.Is(err, tokensource.ErrUnavailable) || !strings.Contains(err.Error(), "invalid_client") || len(a.requests()) != 1 {
			t.Errorf("got %v after %d requests, want ErrUnavailable at once", err, len(a.requests()))
		}
		time.Sleep(time.Minute) // somebody mends it
		want(t, source, "a2")
	})
}

func TestRetryAfterIsHonouredWhileTheOldTokenServes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, status := range []int{429, 503} {
			a := newAuthority(says(status, `{"error":"temporarily_unavailable"}`, "Retry-After", "15"))
			source := a.source(t)
			time.Sleep(life * 91 / 100) // 27 s are left
			for len(a.requests()) < 2 {
				want(t, source, "a1")
				time.Sleep(100 * time.Millisecond)
			}
			synctest.Wait()
			want(t, source, "a2")
			requests := a.requests()
			if pause := requests[1].at.Sub(requests[0].at); pause < 15*time.Second || len(requests) != 2 {
				t.Errorf("%d: the next of %d attempts came after %v, want 15 s", status, len(requests), pause)
			}
		}
	})
}

func TestALongRetryAfterOf429IsHonouredAcrossFlights(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(says(429, "", "Retry-After", "120"))
		source, begun := a.source(t, dead), time.Now()
		for {
			if token, err := source.TokenContext(t.Context()); err == nil {
				if token.AccessToken != "a2" {
					t.Errorf("got %v", token)
				}
				break
			}
			time.Sleep(time.Second)
		}
		if got := time.Since(begun); got < 120*time.Second || len(a.requests()) != 2 {
			t.Errorf("got a token after %v and %d requests", got, len(a.requests()))
		}
	})
}

func TestAPairIsSavedBeforeItIsUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority()
		release := make(chan struct{})
		source := a.source(t, dead, func(cfg *tokensource.Config) {
			cfg.Save = func(_ context.Context, token *oauth2.Token) error {
				if token.AccessToken != "a2" || token.RefreshToken != "r2" || token.Expiry.IsZero() {
					t.Errorf("saved %+v", token)
				}
				<-release
				return nil
			}
		})
		got := make(chan string, 1)
		go func() {
			token, err := source.TokenContext(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- token.AccessToken
		}()
		synctest.Wait()
		select {
		case access := <-got:
			t.Errorf("%s was given out before it was saved", access)
		default:
		}
		close(release)
		if access := <-got; access != "a2" {
			t.Errorf("got %s", access)
		}
	})
}

func TestAPairThatCannotBeSavedIsOfferedAgainAndNeverAskedForTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority()
		saved := &saving{fails: 10}
		source, failed := a.source(t, dead, saved.to), 0
		for {
			token, err := source.TokenContext(t.Context())
			if err == nil {
				if token.AccessToken != "a2" {
					t.Errorf("got %v", token)
				}
				break
			}
			if failed++; !errors.Is(err, tokensource.ErrUnavailable) || !strings.Contains(err.Error(), "disk is full") {
				t.Fatalf("got %v", err)
			}
			time.Sleep(10 * time.Second)
		}
		if requests := a.requests(); len(requests) != 1 || failed == 0 {
			t.Errorf("%d requests, %d calls failed", len(requests), failed)
		}
		if got := saved.saved(); len(got) != 1 || got[0].RefreshToken != "r2" {
			t.Errorf("saved %v", got)
		}
	})
}

// TestNoRefreshBeginsWithANewerTokenWhileAnOlderAttemptMayBeUnderWay: the first attempt is handled long after it was
// given up. Had the successor been presented by then, it would look like a replay.
func TestNoRefreshBeginsWithANewerTokenWhileAnOlderAttemptMayBeUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(heldBack(18 * time.Second))
		a.life = 2 * time.Second
		source := a.source(t, dead)
		for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(100 * time.Millisecond) {
			if _, err := source.TokenContext(t.Context()); err != nil {
				t.Fatalf("after %v: %v", time.Since(begun), err)
			}
		}
		if a.over() {
			t.Error("the session ended")
		}
		for i, r := range a.requests() {
			if since := r.at.Sub(a.requests()[0].at); r.token != "r1" && since < 18*time.Second {
				t.Errorf("request %d presented %s %v after one with r1 that is still under way", i, r.token, since)
			}
		}
	})
}

func TestAnOrderlyClientIsNeverLoggedOutWhateverIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		// Every mixture of three in a row, one after another over the life of a session.
		const hanging = 2
		kinds := []fault{fine, cut, hang, nobody, says(503, "", "Retry-After", "2"), slow(3 * time.Second)}
		var faults []fault
		for n := range 6 * 6 * 6 {
			if n%6 == hanging && n/6%6 == hanging && n/36 == hanging {
				continue // three that hang outlast the grace: no retry is handled within it, which no client can help
			}
			faults = append(faults, kinds[n%6], kinds[n/6%6], kinds[n/36], fine)
		}
		a := newAuthority(faults...)
		source := a.source(t)
		for len(a.requests()) < len(faults) {
			if _, err := source.TokenContext(t.Context()); errors.Is(err, tokensource.ErrEnded) {
				t.Fatalf("logged out after %d requests: %v", len(a.requests()), err)
			}
			time.Sleep(7 * time.Second)
		}
		if a.parallel != 1 {
			t.Errorf("%d requests at once", a.parallel)
		}
	})
}

func TestCloseWaitsForTheRefreshUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(cut, slow(3*time.Second))
		saved := &saving{}
		source := a.source(t, saved.to)
		time.Sleep(life * 95 / 100)
		want(t, source, "a1")
		synctest.Wait()
		if err := source.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
		if got := saved.saved(); len(got) != 1 || got[0].RefreshToken != "r2" {
			t.Errorf("saved %d pairs", len(got))
		}
		if _, err := source.TokenContext(t.Context()); !errors.Is(err, tokensource.ErrClosed) {
			t.Errorf("after it: %v, want ErrClosed", err)
		}
		if err := source.Close(t.Context()); err != nil {
			t.Errorf("close again: %v", err)
		}
	})
}

func TestCloseGivesUpWhenItsContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(hang, hang, hang)
		source := a.source(t)
		time.Sleep(life * 95 / 100)
		want(t, source, "a1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := source.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		} // and the bubble sees to it that nothing goes on
	})
}

func TestCloseSavesWhatCouldNotBeSavedBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, c := range []struct {
			fails int // calls of Save
			want  string
		}{{3, ""}, {4, "disk is full"}} {
			a := newAuthority()
			saved := &saving{fails: c.fails}
			source := a.source(t, dead, saved.to)
			if _, err := source.TokenContext(t.Context()); !errors.Is(err, tokensource.ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
			err := source.Close(t.Context())
			if c.want == "" && (err != nil || len(saved.saved()) != 1 || saved.saved()[0].RefreshToken != "r2") {
				t.Errorf("close: %v, saved %d pairs", err, len(saved.saved()))
			}
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("close tells nothing of a lost pair: %v", err)
				}
				if err := source.Close(t.Context()); err != nil || len(saved.saved()) != 1 {
					t.Errorf("close again, where Save can: %v", err)
				}
			}
		}
	})
}

func TestCloseSavesThePairOfTheRefreshUnderWayThatSaveRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(slow(time.Second))
		saved := &saving{fails: 3}
		source := a.source(t, saved.to)
		time.Sleep(life * 95 / 100)
		want(t, source, "a1")
		synctest.Wait()
		if err := source.Close(t.Context()); err != nil || len(saved.saved()) != 1 {
			t.Errorf("close: %v, saved %d pairs", err, len(saved.saved()))
		}
	})
}

// TestCloseReturnsWhenItsContextEndsEvenIfSaveDoesNot: a program must be able to end when it
// is asked to.
func TestCloseReturnsWhenItsContextEndsEvenIfSaveDoesNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, fails := range map[string]int{"under way": 0, "the last one": 3} {
			a := newAuthority()
			release, calls := make(chan struct{}), 0
			source := a.source(t, dead, func(cfg *tokensource.Config) {
				cfg.Save = func(context.Context, *oauth2.Token) error {
					if calls++; calls <= fails {
						return errors.New("the disk is full")
					}
					<-release
					return nil
				}
			})
			asked, cancelAsk := context.WithTimeout(t.Context(), time.Minute)
			if _, err := source.TokenContext(asked); err == nil {
				t.Fatalf("%s: a token was given out before it was saved", name)
			}
			cancelAsk()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := source.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			cancel()
			close(release)
			synctest.Wait()
		}
	})
}

func TestCloseDoesNotWaitForAnAuthorityThatIsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(nobody, nobody, nobody, nobody, nobody, nobody, nobody, nobody)
		source := a.source(t)
		time.Sleep(life * 95 / 100)
		want(t, source, "a1")
		synctest.Wait()
		closed := time.Now()
		if err := source.Close(t.Context()); err != nil || time.Since(closed) > 0 {
			t.Errorf("close: %v after %v", err, time.Since(closed))
		}
	})
}

// TestTokensOfAnotherTypeEndTheCallsAndNotTheSession: its refresh token was rotated, so it must not be lost.
func TestTokensOfAnotherTypeEndTheCallsAndNotTheSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(says(200, `{"access_token":"a2","token_type":"DPoP","refresh_token":"r2"}`))
		saved := &saving{}
		source := a.source(t, dead, saved.to)
		for range 3 {
			if _, err := source.TokenContext(t.Context()); !errors.Is(err, tokensource.ErrTokenType) || !strings.Contains(err.Error(), "DPoP") {
				t.Errorf("got %v, want ErrTokenType", err)
			}
			time.Sleep(time.Minute)
		}
		if got := saved.saved(); len(got) != 1 || got[0].RefreshToken != "r2" || len(a.requests()) != 1 {
			t.Errorf("saved %d pairs after %d requests", len(got), len(a.requests()))
		}
	})
}

func TestAnExpiryIsReadAsAuthoritiesWriteIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for text, want := range map[string]time.Duration{
			`,"expires_in":300`: life, `,"expires_in":"300"`: life, `,"expires_in":300.0`: life, ``: 0, `,"expires_in":null`: 0,
			`,"expires_in":"soon"`: 0, `,"expires_in":0`: -1, `,"expires_in":-5`: 0,
		} {
			a := newAuthority(says(200, `{"access_token":"a2","token_type":"bearer","refresh_token":"r2"`+text+`}`))
			source, asked := a.source(t, dead), time.Now()
			token, err := source.TokenContext(t.Context())
			switch {
			case err != nil:
				t.Errorf("%s: %v", text, err)
			case want == 0 && !token.Expiry.IsZero(), want > 0 && !token.Expiry.Equal(asked.Add(want)), want < 0 && !token.Expiry.Equal(asked):
				t.Errorf("%s: expires at %v, want %v after %v", text, token.Expiry, want, asked)
			}
		}
	})
}

func TestATokenAgesFromWhenItWasAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(slow(8 * time.Second))
		source, asked := a.source(t, dead), time.Now()
		token, err := source.TokenContext(t.Context())
		if err != nil || !token.Expiry.Equal(asked.Add(life)) {
			t.Errorf("got %v, %v; want expiry %v", token, err, asked.Add(life))
		}
	})
}

// TestATokenAgesWhileTheMachineSleeps: the monotonic clock would stand still, so an expiry must not have its reading.
func TestATokenAgesWhileTheMachineSleeps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := newAuthority().source(t)
		for range 2 { // the one it began with, and a new one
			token, err := source.TokenContext(t.Context())
			if err != nil || strings.Contains(token.Expiry.String(), "m=") {
				t.Errorf("got %v, %v", token, err)
			}
			time.Sleep(life)
		}
	})
}

func TestAnswersAreReadByTheRFC(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body    string
		refresh string
		expires time.Duration // 0: never
	}{
		"no new refresh token":  {`{"access_token":"a2","token_type":"bearer","expires_in":60}`, "r1", time.Minute},
		"no expiry":             {`{"access_token":"a2","token_type":"Bearer","refresh_token":"r2"}`, "r2", 0},
		"a fraction":            {`{"access_token":"a2","token_type":"BEARER","expires_in":60.5,"refresh_token":"r2"}`, "r2", 60500 * time.Millisecond},
		"a ridiculous expiry":   {`{"access_token":"a2","token_type":"Bearer","expires_in":1e300,"refresh_token":"r2"}`, "r2", 87600 * time.Hour},
		"an expiry in the past": {`{"access_token":"a2","token_type":"Bearer","expires_in":-5,"refresh_token":"r2"}`, "r2", 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				saved := &saving{}
				a, begun := newAuthority(says(200, c.body)), time.Now()
				want(t, a.source(t, dead, saved.to), "a2")
				expiry := time.Time{}
				if c.expires != 0 {
					expiry = begun.Add(c.expires)
				}
				if got := saved.saved()[0]; got.RefreshToken != c.refresh || !got.Expiry.Equal(expiry) || got.TokenType != "Bearer" {
					t.Errorf("saved %+v", got)
				}
			})
		})
	}
}

func TestAPublicClientNamesItselfAndAConfidentialOneProvesIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority()
		want(t, a.source(t, dead), "a2")
		if r := a.requests()[0]; r.form.Get("client_id") != "first-party" || r.form.Get("grant_type") != "refresh_token" || r.header.Get("Authorization") != "" {
			t.Errorf("sent %v with %v", r.form, r.header)
		}
		a = newAuthority()
		want(t, a.source(t, dead, func(cfg *tokensource.Config) { cfg.ClientID, cfg.ClientSecret = "a:b", "s c+" }), "a2")
		if r := a.requests()[0]; r.form.Has("client_id") || r.header.Get("Authorization") != "Basic YSUzQWI6cytjJTJC" { // a%3Ab:s+c%2B
			t.Errorf("sent %v with %v", r.form, r.header)
		}
	})
}

func TestNewNamesEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := tokensource.New(tokensource.Config{TokenURL: "http://auth.example.com/oauth/token", Grace: time.Hour})
	for _, part := range []string{"loopback", "client id", "refresh token", "grace"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not speak of the %s", err, part)
		}
	}
	for _, address := range []string{"", "auth.example.com", "ftp://a/b", "https://u:p@a/b", "https://a/b?c=d", "https://a/b#c", "http://localhost.example.com/"} {
		if _, err := tokensource.New(tokensource.Config{TokenURL: address, ClientID: "c", Token: &oauth2.Token{RefreshToken: "r"}}); err == nil {
			t.Errorf("%q was accepted", address)
		}
	}
	for _, address := range []string{"https://auth.example.com/oauth/token", "http://localhost:8080/oauth/token", "http://[::1]:8080/oauth/token"} {
		if _, err := tokensource.New(tokensource.Config{TokenURL: address, ClientID: "c", Token: &oauth2.Token{RefreshToken: "r"}}); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestASourceDoesNotPrintItsTokens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := newAuthority().source(t)
		for _, printed := range []string{fmt.Sprint(source), fmt.Sprintf("%+v", source), fmt.Sprintf("%#v", source)} {
			if strings.Contains(printed, "r1") || strings.Contains(printed, "a1") {
				t.Errorf("printed %s", printed)
			}
		}
	})
}
