package tokensource

import (
	"math/rand/v2"
	"time"

	"golang.org/x/oauth2"
)

const (
	// slow bounds one attempt: the authority gives up a refresh after as long.
	slow = 10 * time.Second
	// settle is how long an attempt that was given up may still be under way.
	settle = 10 * time.Second
	// margin is the most of its life that an access token is not used for, as it has to travel.
	margin = 5 * time.Second
	// forceEvery is how often a resource can make us refresh by calling good tokens invalid.
	forceEvery = 30 * time.Second
	// Bounds of what passes between failed attempts, and between failed flights.
	minPause   = 250 * time.Millisecond
	maxPause   = 5 * time.Second
	minBackoff = time.Second
	maxBackoff = time.Minute
	// maxRetryAfter bounds what an authority can ask for.
	maxRetryAfter = 5 * time.Minute
)

// held is a pair and the times of its access token, which are zero where its expiry is not known.
//
// They are times of the wall clock: the monotonic one stands still while a machine sleeps, and tokens age all the same.
type held struct {
	token     oauth2.Token
	refreshAt time.Time // from here on a call starts a refresh
	deadAt    time.Time // from here on a call waits for it
}

func hold(token *oauth2.Token, now time.Time) held {
	h := held{token: *token}
	if token.Expiry.IsZero() {
		return h
	}
	expiry := token.Expiry.Round(0) // without its monotonic part
	life := max(0, expiry.Sub(now))
	// Jitter: what started together must not refresh together for ever.
	early := life/10 + time.Duration(rand.Int64N(int64(life/10)+1)) //nolint:gosec // nothing depends on its being unknown
	h.token.Expiry, h.refreshAt, h.deadAt = expiry, expiry.Add(-early), expiry.Add(-min(life/20, margin))
	return h
}

// fresh says whether the access token may be used without a thought of the next.
func (h held) fresh(now time.Time) bool { return h.token.AccessToken != "" && before(now, h.refreshAt) }

// lives says whether the access token may be used.
func (h held) lives(now time.Time) bool { return h.token.AccessToken != "" && before(now, h.deadAt) }

// lingers says whether the access token is in its last moments: too short for a journey, but better than none.
func (h held) lingers(now time.Time) bool {
	return h.token.AccessToken != "" && before(now, h.token.Expiry)
}

// access is what callers may have of it: not the refresh token.
func (h held) access() *oauth2.Token {
	return &oauth2.Token{AccessToken: h.token.AccessToken, TokenType: h.token.TokenType, Expiry: h.token.Expiry}
}

func before(now, limit time.Time) bool { return limit.IsZero() || now.Before(limit) }

// attempts is what is known of the attempts of one flight.
type attempts struct {
	begun     time.Time     // of the first
	uncertain time.Time     // when the first began that may have had its effect; zero if none may
	made      int           // how many
	wait      time.Duration // what the last answer asked for
}

// timeout bounds an attempt so that three fit into the grace.
func timeout(grace time.Duration) time.Duration { return min(slow, grace*3/10) }

// next says how long to pause before another attempt; ok is false when this flight must make no more.
//
// An attempt that may have had its effect must be repeated within the grace, so early that the repeat is handled
// within it, too: later, it may look like a thief's. That goes before what the last answer asked for.
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

// doubled is d, doubled n times, and at most limit.
func doubled(d time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 0 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}

// jittered is between half of d and d.
func jittered(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d/2)+1)) //nolint:gosec // nothing depends on its being unknown
}
