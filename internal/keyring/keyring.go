// Package keyring owns the signing keys: when each is published, signs, retires
// and leaves the JWKS.
//
// It protects three invariants: exactly one key signs at any instant; verifiers can learn a key before it signs; and no
// replica signs with an outdated snapshot of the keys. The time is that of the database, which all replicas share, unless
// its clock is wrong; while the clocks disagree, only an operator's emergency changes keys. plan.go (the schedule), switch.go (the
// orders of operators) and decide.go (what to write for both) are pure; keyring.go has the live snapshot that signs;
// change.go carries out decisions; inspect.go reports what is stored; seal.go keeps the private halves secret at rest.
package keyring

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/token"
)

// RS256 is the one algorithm keys are made for (RFC 7518 §3.3).
const RS256 = "RS256"

// defaultBits is the size of new keys unless the policy says otherwise.
const defaultBits = 2048

// PollEvery is how often the owner calls Refresh, and MaxAge the age at which a
// snapshot no longer signs.
const (
	PollEvery = 5 * time.Second
	MaxAge    = 60 * time.Second
)

// ErrStale says that the keys were not read for longer than [MaxAge]: the
// database is out of reach, and another replica may have rotated meanwhile.
var ErrStale = errors.New("signing keys were not refreshed in time")

// ErrClocks says that the clocks disagree, so that nothing is done that can't be undone.
var ErrClocks = errors.New("keys are changed only while the clocks agree")

// Clocks say what time it is, and whether that can be relied on.
type Clocks interface {
	// At returns what the clocks say now, given what the database's has just said.
	At(database time.Time) clock.Clocks
	// Agree reports whether they agree, and have for a while.
	Agree() bool
}

// DatabaseClock is a database's clock that there is no other to compare with: it is this
// machine's.
type DatabaseClock struct{}

// At implements [Clocks].
func (DatabaseClock) At(database time.Time) clock.Clocks { return clock.Clocks{Database: database} }

// Agree implements [Clocks].
func (DatabaseClock) Agree() bool { return true }

// Keyring is the live view of the signing keys. Refresh replaces the snapshot;
// readers never wait.
type Keyring struct {
	store    Store
	sealer   *Sealer
	policy   Policy
	clocks   Clocks
	snapshot atomic.Pointer[snapshot]
	spare    []Stored // drawn, not yet stored; of the one goroutine that changes keys
}

// snapshot is immutable once stored.
type snapshot struct {
	keys    []Key
	public  map[string]*rsa.PublicKey // every key ever used, by kid
	members map[string]*rsa.PublicKey // those in the JWKS, by kid
	signers map[string]opened         // of keys that sign now or later, by kid
	jwks    JWKS
	damage  error     // keys that are of no use, though not the one that signs
	at      time.Time // the reliable time of the read
	read    time.Time // this process's clock at the read, for the age alone
}

// opened is the signer of a key, and the sealed form that it came from.
type opened struct {
	*token.Signer
	sealed []byte
}

// New returns a keyring that knows no keys yet.
func New(store Store, sealer *Sealer, policy Policy, clocks Clocks) *Keyring {
	return &Keyring{store: store, sealer: sealer, policy: policy, clocks: clocks}
}

// moment is now, given what the database's clock has just said.
func (k *Keyring) moment(database time.Time) moment {
	return judge(k.clocks.At(database), k.clocks.Agree())
}

// Start makes the keyring ready: it reads the keys, and makes the very first one
// when there is none, for which ErrClocks stands. Standbys are left to Maintain, after the
// start.
func (k *Keyring) Start(ctx context.Context) error {
	err := k.Refresh(ctx)
	if errors.Is(err, errNoKeys) {
		return k.found(ctx)
	}
	return err
}

// Refresh rereads the keys. If it returns an error, the old snapshot stays, and ages.
// ErrUnsealable when a private key that is still needed can't be opened.
func (k *Keyring) Refresh(ctx context.Context) error {
	before := time.Now()
	stored, now, err := k.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("refresh signing keys: %w", err)
	}
	next, err := k.picture(stored, k.moment(now).now)
	if err != nil {
		return err
	}
	next.read = before
	k.snapshot.Store(next)
	return nil
}

// Damage reports keys that can't be used although nothing depends on them yet, such as a
// standby that the root secrets don't open; nil if there are none.
func (k *Keyring) Damage() error {
	if s := k.snapshot.Load(); s != nil {
		return s.damage
	}
	return nil
}

// Signer returns the signer that is due at now, the reliable time ([clock.Clocks]). ErrStale.
func (k *Keyring) Signer(now time.Time) (*token.Signer, error) {
	s := k.snapshot.Load()
	// A machine that slept has a clock that stood still; the others went on.
	if s == nil || time.Since(s.read) > MaxAge || now.Sub(s.at) > MaxAge {
		return nil, ErrStale
	}
	if now.Before(s.at) { // the keys were reread since: a key that has retired by then has no signer
		now = s.at
	}
	key, ok := SigningAt(s.keys, now)
	if !ok {
		return nil, fmt.Errorf("no signing key is active: %w", ErrStale)
	}
	signer, ok := s.signers[key.KID]
	if !ok {
		return nil, fmt.Errorf("signing key %s: %w", key.KID, ErrUnsealable)
	}
	return signer.Signer, nil
}

// Public returns the public half of any key ever used, published or not.
func (k *Keyring) Public(kid string) (*rsa.PublicKey, bool) {
	s := k.snapshot.Load()
	if s == nil {
		return nil, false
	}
	key, ok := s.public[kid]
	return key, ok
}

// Member returns the public half of a key that is in the JWKS now: what a verifier
// would accept a live token with.
func (k *Keyring) Member(kid string) (*rsa.PublicKey, bool) {
	s := k.snapshot.Load()
	if s == nil {
		return nil, false
	}
	key, ok := s.members[kid]
	return key, ok
}

// JWKS returns the published set, and false before the first refresh.
func (k *Keyring) JWKS() (JWKS, bool) {
	s := k.snapshot.Load()
	if s == nil {
		return JWKS{}, false
	}
	return s.jwks, true
}

// Outlook is what the snapshot says of the present and of what comes.
type Outlook struct {
	Signing    string        // the kid that signs
	NextSwitch time.Time     // when the standby takes over; zero while there is none
	Published  int           // keys in the JWKS
	Damaged    int           // keys that should be in it and are not whole, or are to sign and don't open
	Age        time.Duration // since the keys were read
}

// Outlook is the state of the keys for metrics and the log; zero before the first read.
func (k *Keyring) Outlook() Outlook {
	s := k.snapshot.Load()
	if s == nil {
		return Outlook{}
	}
	age := time.Since(s.read)
	now := s.at.Add(age)
	signing, _ := SigningAt(s.keys, now)
	standby, _ := StandbyAt(s.keys, now)
	o := Outlook{Signing: signing.KID, NextSwitch: standby.ActivatesAt, Published: len(s.members), Age: age}
	for _, key := range s.keys {
		state := StateAt(key, s.keys, now, k.policy)
		_, opens := s.signers[key.KID]
		_, published := s.members[key.KID]
		if state.Signs() && !opens || state.Member() && !published {
			o.Damaged++
		}
	}
	return o
}

// Ready reports nil when there is a snapshot young enough to sign with. ErrStale.
func (k *Keyring) Ready() error {
	s := k.snapshot.Load()
	if s == nil || time.Since(s.read) > MaxAge {
		return ErrStale
	}
	return nil
}

// picture builds the snapshot of what the store holds at now. The key that signs must be
// whole; damaged others are left out, and Damage reports them.
func (k *Keyring) picture(stored []Stored, now time.Time) (*snapshot, error) {
	s := &snapshot{
		at:      now,
		keys:    publicSides(stored),
		public:  make(map[string]*rsa.PublicKey, len(stored)),
		members: make(map[string]*rsa.PublicKey),
		signers: make(map[string]opened),
	}
	var published []jwk.Key
	for _, key := range stored {
		state := StateAt(key.Key, s.keys, now, k.policy)
		member, err := k.add(s, key, state)
		switch {
		case err != nil && state == Signing:
			return nil, err
		case err != nil:
			s.damage = errors.Join(s.damage, err)
		}
		if member != nil {
			published = append(published, member)
		}
	}
	var err error
	s.jwks, err = renderJWKS(published)
	return s, err
}

// add puts a key into the snapshot and returns it as a member of the JWKS, if it is
// one.
func (k *Keyring) add(s *snapshot, key Stored, state State) (jwk.Key, error) {
	public, err := key.whole()
	if err != nil {
		return nil, err
	}
	s.public[key.KID] = public
	if !state.Member() {
		return nil, nil
	}
	member, err := publicMember(key.Key, public)
	if err != nil {
		return nil, err
	}
	s.members[key.KID] = public
	if state.Signs() {
		signer, err := k.open(key)
		if err != nil {
			return member, err
		}
		s.signers[key.KID] = signer
	}
	return member, nil
}

// open makes the signer of a key. A key that is open already stays open, unless its
// row was edited: unsealing at every poll would be waste.
func (k *Keyring) open(key Stored) (opened, error) {
	if old := k.snapshot.Load(); old != nil {
		if o, ok := old.signers[key.KID]; ok && secret.Equal(o.sealed, key.Sealed) {
			return o, nil
		}
	}
	private, err := k.unseal(key)
	if err != nil {
		return opened{}, err
	}
	signer, err := token.NewSigner(key.KID, private)
	return opened{signer, key.Sealed}, err
}

// unseal opens a private half and checks that it is the one of its kid.
func (k *Keyring) unseal(key Stored) (*rsa.PrivateKey, error) {
	private, err := k.sealer.Open(key.KID, key.Alg, key.Sealed)
	if err != nil {
		return nil, err
	}
	kid, err := thumbprint(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	if kid != key.KID {
		return nil, fmt.Errorf("signing key %s holds the key %s: %w", key.KID, kid, ErrUnsealable)
	}
	return private, nil
}

// thumbprint is the kid of a key (RFC 7638, SHA-256).
func thumbprint(public *rsa.PublicKey) (string, error) {
	key, err := jwk.FromRaw(public)
	if err != nil {
		return "", fmt.Errorf("thumbprint of key: %w", err)
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("thumbprint of key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

func publicSides(stored []Stored) []Key {
	keys := make([]Key, len(stored))
	for i, s := range stored {
		keys[i] = s.Key
	}
	return keys
}
