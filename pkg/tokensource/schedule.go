package tokensource

import (
	"math/rand/v2"
	"time"

	"golang.org/x/oauth2"
)

const (
	// slow bounds one attempt: the authority gives up a refresh after the same time.
	slow = 10 * time.Second
	// settle is how long an attempt may still be under way after the source gave it up.
	settle = 10 * time.Second
	// margin bounds the end of an access token's life in which it is not used, because it may expire on the way.
	margin = 5 * time.Second
	// forceEvery is how often a resource can cause a refresh by calling valid tokens invalid.
	forceEvery = 30 * time.Second
	// Bounds of the pauses between failed attempts, and between failed flights.
	minPause   = 250 * time.Millisecond
	maxPause   = 5 * time.Second
	minBackoff = time.Second
	maxBackoff = time.Minute
	// maxRetryAfter bounds the wait that an authority can ask for.
	maxRetryAfter = 5 * time.Minute
)

// held is a pair and the times of its access token, which are zero if the expiry is not known.
//
// The times are of the wall clock: the monotonic clock stops while a machine sleeps, but tokens still age.
type held struct {
	token     oauth2.Token
	refreshAt time.Time // from then on, a call starts a refresh
	deadAt    time.Time // from then on, a call waits for it
}

func hold(token *oauth2.Token, now time.Time) held {
	h := held{token: *token}
	if token.Expiry.IsZero() {
		return h
	}
	expiry := token.Expiry.Round(0) // without its monotonic part
	life := max(0, expiry.Sub(now))
	// Jitter: sources that started together must not refresh together forever.
	early := life/10 + time.Duration(rand.Int64N(int64(life/10)+1)) //nolint:gosec // nothing depends on its being unknown
	h.token.Expiry, h.refreshAt, h.deadAt = expiry, expiry.Add(-early), expiry.Add(-min(life/20, margin))
	return h
}

// fresh reports whether the access token may be used and need not be refreshed yet.
func (h held) fresh(now time.Time) bool { return h.token.AccessToken != "" && before(now, h.refreshAt) }

// lives reports whether the access token may be used.
func (h held) lives(now time.Time) bool { return h.token.AccessToken != "" && before(now, h.deadAt) }

// lingers reports whether the access token is in its last moments: it may expire on the way, but is better than none.
func (h held) lingers(now time.Time) bool {
	return h.token.AccessToken != "" && before(now, h.token.Expiry)
}

// access is the token that callers get, without the refresh token.
func (h held) access() *oauth2.Token {
	return &oauth2.Token{AccessToken: h.token.AccessToken, TokenType: h.token.TokenType, Expiry: h.token.Expiry}
}

func before(now, limit time.Time) bool { return limit.IsZero() || now.Before(limit) }

// attempts describes the attempts of one flight.
type attempts struct {
	begun     time.Time     // of the first
	uncertain time.Time     // when the first attempt began that may have taken effect; zero if none may
	made      int           // number of attempts
	wait      time.Duration // what the last answer asked for
}

// timeout bounds an attempt so that three fit into the grace.
func timeout(grace time.Duration) time.Duration { return min(slow, grace*3/10) }

// next returns the pause before another attempt; ok is false if this flight must make no more.
//
// An attempt that may have taken effect must be repeated early enough that the authority handles the repeat within the
// grace: later, the repeat may look like a thief's. This takes precedence over the Retry-After of the last answer.
func (a attempts) next(now time.Time, grace time.Duration) (pause time.Duration, ok bool) {
	pause = max(jittered(doubled(minPause, a.made-1, maxPause)), a.wait)
	since := a.begun
	if !a.uncertain.IsZero() {
		since = a.uncertain
	}
	left := since.Add(grace - timeout(grace)).Sub(now)
	if left <= 0 {
		return 0, false
	}
	if pause <= left {
		return pause, true
	}
	return left, !a.uncertain.IsZero()
}

// backoff is how long after a number of failed flights in a row the next may begin.
func backoff(failures int, wait time.Duration) time.Duration {
	return max(jittered(doubled(minBackoff, failures-1, maxBackoff)), wait)
}

// doubled returns d, doubled n times, but at most limit.
func doubled(d time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 0 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}

// jittered returns a random duration between d/2 and d.
func jittered(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d/2)+1)) //nolint:gosec // nothing depends on its being unknown
}
