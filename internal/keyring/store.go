package keyring

import (
	"context"
	"crypto/rsa"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// Stored is a signing key as the durable store keeps it. Rows are never deleted:
// the public half identifies tokens of ours forever.
type Stored struct {
	Key
	Public []byte // DER, PKIX
	Sealed []byte // the private half, sealed; nil once destroyed
}

// PublicKey parses the public half.
func (s Stored) PublicKey() (*rsa.PublicKey, error) { return parsePublic(s.Public) }

// Change is what a decision on the stored keys comes to.
type Change struct {
	Add    []Stored      // new keys; a zero PublishedAt is set to the database's clock
	Update []Stored      // keys that are there, with the turn, revocation and sealed half they are to have
	Events []audit.Event // for the audit trail
}

// Store keeps signing keys. Times are the database's.
type Store interface {
	// SigningKeys returns every key ever stored, in order of activation, and the
	// database's clock.
	SigningKeys(ctx context.Context) ([]Stored, time.Time, error)
	// ChangeSigningKeys reads the keys under the lock that all replicas share, calls
	// decide on them, and carries the change out in one transaction; an error of
	// decide is returned and changes nothing. decide must not block: it runs inside
	// the lock. ErrUnknownKey for an update of a key that is not there.
	ChangeSigningKeys(ctx context.Context, decide func(keys []Stored, now time.Time) (Change, error)) error
	// AwaitSigningKeys returns nil when the keys were probably changed, by any process, or the
	// error of ctx. It is a hint that may never come: callers must also poll.
	AwaitSigningKeys(ctx context.Context) error
}
