package keyring

import (
	"context"
	"crypto/rsa"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// Stored is a signing key as the durable store keeps it. Rows are never deleted:
// the public half identifies tokens of ours for ever.
type Stored struct {
	Key
	Public []byte // DER, PKIX
	Sealed []byte // the private half, sealed; nil once destroyed
}

// PublicKey parses the public half.
func (s Stored) PublicKey() (*rsa.PublicKey, error) { return parsePublic(s.Public) }

// Store keeps signing keys. Times are the database's.
type Store interface {
	// SigningKeys returns every key ever stored, in order of activation, and the
	// database's clock.
	SigningKeys(ctx context.Context) ([]Stored, time.Time, error)
	// AddSigningKeys reads the keys under the lock that all replicas share, calls
	// choose on them, and adds what it returns with the event of each, all in one
	// transaction. choose must not block: it runs inside the lock. A key's
	// PublishedAt is set to the database's clock when it is zero.
	AddSigningKeys(ctx context.Context, choose func(keys []Stored, now time.Time) ([]Stored, []audit.Event)) error
}
