package revocation

import (
	"context"
	"time"
)

// Store is what the lists are derived from.
type Store interface {
	// Revoked reads, in one round trip, the sessions that hold a status index and were
	// revoked later than within ago, by whomever and for whatever reason.
	Revoked(ctx context.Context, within time.Duration) (Reading, error)
}

// Reading is what the durable store said at one instant.
type Reading struct {
	Now     time.Time // the database's clock
	Highest int64     // the highest status index that any session holds; 0 if none does
	Revoked []Revoked // in no order
}

// Revoked is one session that was revoked.
type Revoked struct {
	Index int64
	At    time.Time // database time, at most one transaction before it could be seen
}
