package revocation

import (
	"context"
	"time"
)

// Store is what the lists are derived from.
type Store interface {
	// Revoked reads, in one round trip, a page of the sessions that hold a status index and
	// were revoked, for any reason.
	Revoked(ctx context.Context, page Page) (Reading, error)
}

// Page selects revoked sessions. They are in order of their time and their index, the
// latest first.
type Page struct {
	Within time.Duration // revoked later than that ago
	Before Revoked       // behind this one in order; the zero Revoked: from the first on
	Rows   int           // no more than that
}

// Reading is what the durable store said at one instant.
type Reading struct {
	Now     time.Time // the database's clock
	Highest int64     // the highest status index that any session holds; 0 if none does
	Keys    string    // names the state of the signing keys: it is another after each change of them
	Revoked []Revoked // the latest first
}

// last is the one that the next page follows on.
func (r Reading) last() Revoked {
	if len(r.Revoked) == 0 {
		return Revoked{}
	}
	return r.Revoked[len(r.Revoked)-1]
}

// Revoked is one session that was revoked.
type Revoked struct {
	Index int64
	At    time.Time // database time, at most one transaction before it could be seen
}
