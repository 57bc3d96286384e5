// Package grant keeps short-lived records for one use: authorization codes, pushed requests, device codes, the
// identifiers of assertions and proofs, and finished login flows.
//
// It protects two invariants. A record is used only once, even if several replicas are asked at the same moment: every
// step is a compare-and-swap on the clock of the store. And an attacker who can read or write the store learns no
// secret and forges no record: a key is the digest of a secret, and a value is sealed under a root secret for its key,
// so that no record can be read as another.
//
// Records may be lost at any moment, together with their store. The durable store therefore makes the final decision
// about anything that must never happen twice.
package grant

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

var (
	// ErrNotFound says that there is no record: it never was, or is forgotten, or does
	// not open.
	ErrNotFound = errors.New("no such record")
	// ErrExists refuses to put a record where one is.
	ErrExists = errors.New("a record with this key exists")
	// ErrFull says that a store holds as many records as it may. Nothing was stored, and
	// none was forgotten for it.
	ErrFull = errors.New("too many records at once")
	// ErrContended says that other requests won the race for a record too often.
	ErrContended = errors.New("record is contended")
)

// Kind is what a record is for. It is part of the key and of its digest.
type Kind byte

// The kinds of records.
const (
	Code     Kind = 'c' // authorization code (RFC 6749 §4.1.2)
	Pushed   Kind = 'p' // pushed authorization request (RFC 9126)
	Device   Kind = 'd' // device code (RFC 8628)
	UserCode Kind = 'u' // user code, which leads to a device code
	Seen     Kind = 'j' // jti of an assertion or proof (RFC 7523 §3, RFC 9449 §11.1)
	Flow     Kind = 'f' // login flow that is finished
)

// Key is the key of a record: the letter of its kind, a colon, and 128 bits in base64url.
type Key string

// keyDomain is followed by the kind and the length and octets of each part.
const keyDomain = "mintmark record key v1"

// KeyOf is the key of the record that the parts identify: a secret, or names that
// together belong to one record.
func KeyOf(kind Kind, parts ...string) Key {
	h := sha256.New()
	h.Write([]byte(keyDomain))
	h.Write([]byte{byte(kind)})
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	return Key(kind) + ":" + Key(base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16]))
}

// Store holds octets for a while, under keys of [KeyOf].
type Store interface {
	// UpdateRecord reads what is stored under the key, nil if nothing is, and calls decide
	// on it with the store's clock. It stores what decide returns for the time keep if the
	// record is still the one read; otherwise it decides again on the stored one. A keep
	// of zero or less stores nothing. ErrContended after a bounded number of losses;
	// ErrFull.
	UpdateRecord(ctx context.Context, key Key, decide Decider) error
}

// Decider computes what is to be stored in the place of stored. It is called again when
// another request won the race, so it must be pure.
type Decider func(stored []byte, now time.Time) (next []byte, keep time.Duration)

// Records puts sealed records into a store.
type Records struct {
	store  Store
	sealer sealer
}

// NewRecords returns the records of an authority with these root secrets.
func NewRecords(store Store, roots secret.Roots) *Records {
	return &Records{store: store, sealer: sealer{roots: roots}}
}

// Put stores a new record for the time keep. ErrExists, ErrFull.
func (r *Records) Put(ctx context.Context, key Key, value []byte, keep time.Duration) error {
	first, err := r.create(ctx, key, value, keep)
	if err == nil && !first {
		err = ErrExists
	}
	if err != nil {
		return fmt.Errorf("put record: %w", err)
	}
	return nil
}

// Look returns a record and the store's clock. It changes nothing. ErrNotFound.
func (r *Records) Look(ctx context.Context, key Key) (value []byte, now time.Time, err error) {
	err = r.Swap(ctx, key, func(stored []byte, at time.Time) ([]byte, time.Duration) {
		value, now = stored, at
		return nil, 0
	})
	if err != nil {
		return nil, now, err
	}
	return value, now, nil
}

// Swap calls decide on a record and stores what it returns, once, if the record is still
// the same; otherwise it decides again. ErrNotFound, and decide is not called.
func (r *Records) Swap(ctx context.Context, key Key, decide Decider) error {
	found := false
	var failed error
	err := r.store.UpdateRecord(ctx, key, func(stored []byte, now time.Time) ([]byte, time.Duration) {
		var value []byte
		if value, found = r.sealer.open(key, stored); !found {
			return nil, 0
		}
		next, keep := decide(value, now)
		if keep <= 0 {
			return nil, 0
		}
		sealed, err := r.sealer.seal(key, next)
		if failed = err; err != nil {
			return nil, 0
		}
		return sealed, keep
	})
	if err = errors.Join(err, failed); err == nil && !found {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("swap record: %w", err)
	}
	return nil
}

// Once remembers a key for the time keep, and returns whether it is the first to do so.
// What is there counts, also when it does not open. ErrFull.
func (r *Records) Once(ctx context.Context, key Key, keep time.Duration) (first bool, err error) {
	if first, err = r.create(ctx, key, nil, keep); err != nil {
		return false, fmt.Errorf("remember record: %w", err)
	}
	return first, nil
}

// create stores a sealed value where nothing is.
func (r *Records) create(ctx context.Context, key Key, value []byte, keep time.Duration) (first bool, err error) {
	if keep <= 0 {
		return false, errors.New("a record must be kept for longer than no time")
	}
	sealed, err := r.sealer.seal(key, value)
	if err != nil {
		return false, err
	}
	err = r.store.UpdateRecord(ctx, key, func(stored []byte, _ time.Time) ([]byte, time.Duration) {
		if first = stored == nil; !first {
			return nil, 0
		}
		return sealed, keep
	})
	return first && err == nil, err
}
