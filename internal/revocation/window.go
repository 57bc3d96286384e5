package revocation

import (
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

// Times of the lists. A list is signed again once per Epoch, and whenever it changes.
const (
	// Window is how long a revoked session stays in its list at least: the longest
	// lifetime of an access token, and a minute for the transaction that revokes and for
	// verifiers whose clock is behind. It leaves at the next turn of its list's epoch.
	Window = time.Hour + time.Minute
	// Epoch is how often a list is signed again even if nothing changed. The lifetime of a
	// list is two epochs plus the lifetime of access tokens, so that the list of a follower
	// always outlives the tokens that it has been checked for. That is never longer than a
	// signing key is kept in the JWKS after its last signature.
	Epoch = 3 * time.Minute
	// PollEvery is how often the owner calls Refresh, and MaxAge the age of a snapshot
	// at which "nothing has changed" is no longer said.
	PollEvery = 500 * time.Millisecond
	MaxAge    = 2 * time.Second
	// Apart is the time between two calls of Refresh at least, and so between two versions
	// of a list: each is sent to all that follow it.
	Apart = 250 * time.Millisecond
	// TTL is how often verifiers that poll without waiting should ask.
	TTL = 3 * time.Second
)

// stagger spreads the epochs of the lists, so that they don't all turn at once.
const stagger = 47 * time.Second

// epochOf is the number of the epoch that a list is in.
func epochOf(n int, now time.Time) int64 {
	return now.Add(offset(n)).Unix() / int64(Epoch/time.Second)
}

// beginOf is when an epoch of a list begins.
func beginOf(n int, epoch int64) time.Time {
	return time.Unix(epoch*int64(Epoch/time.Second), 0).Add(-offset(n)).UTC()
}

// isAhead reports whether a time of the database is ahead of the time of the lists by more
// than their clocks are apart when they agree.
func isAhead(at, now time.Time) bool { return at.Sub(now) > clock.Tolerance }

// issuedAt is the iat of a list: when it last changed, or when its epoch began. What is
// ahead of now does not count, or verifiers would refuse the list as one from the future.
// It does not fall behind the list before, unless that is ahead of now itself.
func issuedAt(begin, latest, now time.Time, before *list) time.Time {
	issued := begin
	if latest.After(issued) {
		issued = latest.Truncate(time.Second)
	}
	if before != nil && before.issued.After(issued) && !isAhead(before.issued, now) {
		return before.issued
	}
	return issued
}

func offset(n int) time.Duration { return time.Duration(n) * stagger % Epoch }
