package session

import (
	"cmp"
	"slices"
	"time"
)

// LimitSlack is how many sessions above the limit are looked at, and at most ended, after a login.
const LimitSlack = 8

// Surplus returns the sessions to end so that no more than limit are left of those given, which
// are of one user and client. The one with the id keep, which has just been started, always stays.
// Those that nobody can refresh any more go first, then those that were not seen for longest;
// LastSeenAt says that to the hour.
func Surplus(sessions []Session, keep string, limit int, now time.Time, idle time.Duration) []Session {
	others := slices.DeleteFunc(slices.Clone(sessions), func(s Session) bool { return s.ID == keep })
	slices.SortFunc(others, func(a, b Session) int {
		return cmp.Or(
			cmp.Compare(a.usable(now, idle), b.usable(now, idle)),
			a.LastSeenAt.Compare(b.LastSeenAt),
			cmp.Compare(a.ID, b.ID),
		)
	})
	return others[:max(0, len(others)-(limit-1))]
}

// usable is 0 of a session that is past its absolute or its idle lifetime, else 1.
func (s Session) usable(now time.Time, idle time.Duration) int {
	if !now.Before(s.AbsoluteExpiry) || s.Lapsed(now, idle) {
		return 0
	}
	return 1
}
