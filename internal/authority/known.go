package authority

import (
	"net/netip"
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/subscriber"
)

const (
	// knownFor is how long after a login its subscriber is known.
	knownFor = 30 * 24 * time.Hour
	// knownLogins is how many of the latest logins of a user are remembered for that.
	knownLogins = 100
	// nobody is a user without sessions, for whom they are read where there is no user.
	nobody = "00000000-0000-0000-0000-000000000000"
)

// knows reports whether one of these logins came lately from the subscriber that asks now.
func knows(logins []session.Session, from Origin, now time.Time) bool {
	asks, ok := subscriberOf(from.Address)
	if !ok {
		return false
	}
	for _, l := range logins {
		if at, ok := subscriberOf(l.Address); ok && at == asks && now.Sub(l.CreatedAt) < knownFor {
			return true
		}
	}
	return false
}

func subscriberOf(address string) (netip.Prefix, bool) {
	parsed, err := netip.ParseAddr(address)
	return subscriber.Of(parsed), err == nil
}
