package tokensource

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// TestATokenIsUsedUntilTheTimesOfTheTable: refreshed in the last 20 to 10 % of its life, dead before its end by 5 % of it or
// 5 s, and better than nothing until then.
func TestATokenIsUsedUntilTheTimesOfTheTable(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct{ life, early, late, dead time.Duration }{
		"five minutes": {300 * time.Second, 240 * time.Second, 270 * time.Second, 295 * time.Second},
		"forty s":      {40 * time.Second, 32 * time.Second, 36 * time.Second, 38 * time.Second},
		"a hundred s":  {100 * time.Second, 80 * time.Second, 90 * time.Second, 95 * time.Second},
		"none":         {0, 0, 0, 0},
		"less":         {-time.Hour, -time.Hour, -time.Hour, -time.Hour},
	} {
		least, most := time.Duration(1<<62), time.Duration(-1<<62)
		for range 200 {
			h := hold(&oauth2.Token{AccessToken: "a", Expiry: now.Add(c.life)}, now.Round(0))
			after := h.refreshAt.Sub(now.Round(0))
			least, most = min(least, after), max(most, after)
			if got := h.deadAt.Sub(now.Round(0)); got != c.dead || h.token.Expiry != now.Add(c.life).Round(0) {
				t.Fatalf("%s: dead after %v, want %v; expires at %v", name, got, c.dead, h.token.Expiry)
			}
			for at, want := range map[time.Duration][3]bool{
				after - 1: {true, true, true}, h.deadAt.Sub(now.Round(0)) - 1: {false, true, true}, c.dead: {false, false, c.life > c.dead},
				c.life - 1: {false, false, c.life > c.dead}, c.life: {false, false, false},
			} {
				if c.life <= 0 {
					want = [3]bool{at < c.life, at < c.life, at < c.life}
				}
				when := now.Round(0).Add(at)
				if got := [3]bool{h.fresh(when), h.lives(when), h.lingers(when)}; got != want {
					t.Fatalf("%s: after %v it is fresh, lives, lingers %v, want %v", name, at, got, want)
				}
			}
		}
		if least < c.early || most > c.late || c.life > 0 && (least > c.early+c.life/50 || most < c.late-c.life/50) {
			t.Errorf("%s: refreshed after %v to %v, want %v to %v", name, least, most, c.early, c.late)
		}
	}
	for token, want := range map[string]bool{"a": true, "": false} { // of no known expiry: for ever, if there is one
		h := hold(&oauth2.Token{AccessToken: token}, now)
		if later := now.Add(87600 * time.Hour); h.fresh(later) != want || h.lives(later) != want || h.lingers(later) != want {
			t.Errorf("%q, without expiry: %+v", token, h)
		}
	}
	given := held{token: oauth2.Token{AccessToken: "a", RefreshToken: "r", TokenType: "Bearer", Expiry: now}}.access()
	if given.AccessToken != "a" || given.RefreshToken != "" || given.TokenType != "Bearer" || !given.Expiry.Equal(now) {
		t.Errorf("given out: %+v", given)
	}
}

// TestPausesDoubleUpToTheirLimit, with half of each for jitter.
func TestPausesDoubleUpToTheirLimit(t *testing.T) {
	t.Parallel()
	between := func(name string, f func() time.Duration, least, most time.Duration) {
		t.Helper()
		low, high := time.Duration(1<<62), time.Duration(0)
		for range 200 {
			d := f()
			low, high = min(low, d), max(high, d)
		}
		if low < least || high > most || high-low < (most-least)/2 {
			t.Errorf("%s: %v to %v, want %v to %v", name, low, high, least, most)
		}
	}
	for failures, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 99: time.Minute} {
		between("flights", func() time.Duration { return backoff(failures, 0) }, want/2, want)
	}
	between("flights, told to wait", func() time.Duration { return backoff(9, 2*time.Minute) }, 2*time.Minute, 2*time.Minute)
	begun := time.Now()
	for made, want := range map[int]time.Duration{1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 5: 4 * time.Second, 6: 5 * time.Second, 50: 5 * time.Second} {
		between("attempts", func() time.Duration {
			pause, ok := attempts{begun: begun, made: made}.next(begun, time.Minute)
			if !ok {
				t.Errorf("no attempt after %d", made)
			}
			return pause
		}, want/2, want)
	}
}

// TestAnAttemptThatMayHaveHadItsEffectIsRepeatedWithinTheGrace, and so early that the repeat is handled within it; another
// is made again only if it fits.
func TestAnAttemptThatMayHaveHadItsEffectIsRepeatedWithinTheGrace(t *testing.T) {
	t.Parallel()
	const grace = 30 * time.Second // of which an attempt takes 9 s
	begun := time.Now()
	at := func(d time.Duration) time.Time { return begun.Add(d) }
	for name, c := range map[string]struct {
		a     attempts
		now   time.Duration
		pause time.Duration // at least
		most  time.Duration
		ok    bool
	}{
		"it fits":                              {attempts{begun: begun, made: 1, wait: 5 * time.Second}, 0, 5 * time.Second, 5 * time.Second, true},
		"it fits just":                         {attempts{begun: begun, made: 1, wait: 21 * time.Second}, 0, 21 * time.Second, 21 * time.Second, true},
		"it does not fit":                      {attempts{begun: begun, made: 1, wait: 21*time.Second + 1}, 0, 0, time.Minute, false},
		"uncertain, it fits":                   {attempts{begun: begun, uncertain: begun, made: 1, wait: 5 * time.Second}, 0, 5 * time.Second, 5 * time.Second, true},
		"uncertain, told to wait for too long": {attempts{begun: begun, uncertain: begun, made: 1, wait: time.Minute}, time.Second, 20 * time.Second, 20 * time.Second, true},
		"uncertain from later on":              {attempts{begun: begun, uncertain: at(10 * time.Second), made: 1, wait: time.Minute}, 11 * time.Second, 20 * time.Second, 20 * time.Second, true},
		"the last moment":                      {attempts{begun: begun, uncertain: begun, made: 9}, 21*time.Second - 1, 1, 1, true},
		"too late":                             {attempts{begun: begun, uncertain: begun, made: 9}, 21 * time.Second, 0, 0, false},
	} {
		pause, ok := c.a.next(at(c.now), grace)
		if ok != c.ok || ok && (pause < c.pause || pause > c.most) {
			t.Errorf("%s: %v, %t; want %v to %v, %t", name, pause, ok, c.pause, c.most, c.ok)
		}
	}
	for grace, want := range map[time.Duration]time.Duration{5 * time.Second: 1500 * time.Millisecond, 30 * time.Second: 9 * time.Second, time.Minute: 10 * time.Second} {
		if got := timeout(grace); got != want {
			t.Errorf("an attempt within %v takes %v, want %v", grace, got, want)
		}
	}
}

// TestWhatBecameOfAnAttempt by what was answered.
func TestWhatBecameOfAnAttempt(t *testing.T) {
	t.Parallel()
	const pair = `{"access_token":"a2","token_type":"Bearer","refresh_token":"r2"}`
	for name, c := range map[string]struct {
		status int
		body   string
		want   kind
	}{
		"a pair": {200, pair, granted}, "a pair with 201": {201, pair, unknown}, "a pair with 500": {500, pair, unknown}, "a pair with 302": {302, pair, unknown},
		"no access token": {200, `{"token_type":"Bearer","refresh_token":"r2"}`, unknown}, "no JSON": {200, pair[1:], unknown}, "no type": {200, `{"access_token":"a2"}`, granted},
		"another type": {200, `{"access_token":"a2","token_type":"DPoP","refresh_token":"r2"}`, granted}, "another type alone": {200, `{"access_token":"a2","token_type":"DPoP"}`, unknown},
		"invalid_grant": {400, `{"error":"invalid_grant"}`, ended}, "with 401": {401, `{"error":"invalid_grant"}`, ended}, "with 499": {499, `{"error":"invalid_grant"}`, ended},
		"with 500": {500, `{"error":"invalid_grant"}`, unknown}, "with 399": {399, `{"error":"invalid_grant"}`, unknown}, "with 200": {200, `{"error":"invalid_grant"}`, unknown},
		"another error": {400, `{"error":"invalid_client"}`, refused}, "with 503": {503, `{"error":"invalid_client"}`, unknown}, "without one": {400, `{}`, unknown}, "with 399, another": {399, `{"error":"x"}`, unknown},
		"429": {429, `{"error":"invalid_grant"}`, untouched}, "429 without a word": {429, ``, untouched},
	} {
		a := read(&http.Response{StatusCode: c.status, Header: http.Header{"Retry-After": {"7"}}}, []byte(c.body), oauth2.Token{RefreshToken: "r1"}, time.Now())
		if a.kind != c.want || (a.kind == granted) != (a.err == nil) || a.kind != granted && a.retryAfter != 7*time.Second {
			t.Errorf("%s: %+v, want %d", name, a, c.want)
		}
	}
	dial, late := &net.OpError{Op: "dial", Err: errors.New("refused")}, &net.OpError{Op: "read", Err: errors.New("reset")}
	for err, want := range map[error]kind{&url.Error{Err: dial}: untouched, &url.Error{Err: late}: unknown, errors.New("x"): unknown} {
		if got := fate(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

// TestRetryAfterIsSecondsOrADate, and five minutes at most.
func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, "300": 5 * time.Minute, "301": 5 * time.Minute, "-1": 0, "1.5": 0, "soon": 0, "99999999999": 0,
		"Thu, 26 Nov 2026 12:00:09 GMT": 9 * time.Second, "Thu, 26 Nov 2026 11:59:59 GMT": 0, "Thu, 26 Nov 2026 13:00:00 GMT": 5 * time.Minute,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
