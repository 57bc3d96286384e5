package user

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// Errors of a [Hasher].
var (
	// ErrBusy says that too many passwords are being hashed: answer 503 and ask
	// for another try later. It says nothing about the password.
	ErrBusy = errors.New("too many passwords are being checked")
	// ErrHash reports that a stored hash can't be used; its text says why. Treat it as a wrong
	// password and raise an alarm. Setting a new password for the user fixes it.
	ErrHash = errors.New("stored password hash is unusable, set a new password")
)

const (
	saltSize = 16 // octets, RFC 9106 §3.1
	keySize  = 32
)

// Hasher hashes and compares passwords with argon2id (RFC 9106), at most as many
// at once as it has slots: each takes Params.MemoryKiB and a core. The rest
// wait for a bounded time, and the networks that they come from take turns. Passwords must
// be prepared by [PreparePassword]. It is safe for concurrent use.
type Hasher struct {
	params Params
	wait   time.Duration
	nobody string // a hash that no password has, with params

	claim     Claim         // of those it hashes for
	spent     time.Duration // by finding the user, which refusals make up for
	turns     *turns
	metronome *metronome // when refusals are told

	// derive is argon2.IDKey; tests watch it.
	derive func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
}

// NewHasher makes a hasher that runs at most slots hashes at once and lets others
// wait up to wait. It refuses parameters that no stored hash may have either.
func NewHasher(params Params, slots int, wait time.Duration) (*Hasher, error) {
	if err := params.check(); err != nil {
		return nil, fmt.Errorf("use argon2id parameters: %w", err)
	}
	if slots < 1 {
		return nil, fmt.Errorf("hash %d passwords at once: at least 1 is needed", slots)
	}
	nobody := phc{params: params, salt: randomBytes(saltSize), key: randomBytes(keySize)}
	return &Hasher{
		params:    params,
		wait:      wait,
		nobody:    nobody.String(),
		turns:     newTurns(slots),
		metronome: &metronome{},
		derive:    argon2.IDKey,
	}, nil
}

// For returns the same hasher, with the same slots, for passwords of one caller. The hasher that NewHasher makes is for
// one stranger.
func (h *Hasher) For(claim Claim) *Hasher {
	its := *h
	its.claim = claim
	return &its
}

// Since returns the same hasher for a password whose check began then, by looking up the user: a refusal is told as long
// after that, so that it does not tell how long that took.
func (h *Hasher) Since(began time.Time) *Hasher {
	its := *h
	its.spent = time.Since(began)
	return &its
}

// Refuse waits as long as a comparison takes that refuses the password, without its work and without a slot. It returns
// the context's error.
func (h *Hasher) Refuse(ctx context.Context) error {
	return sleepUntil(ctx, time.Now().Add(h.metronome.told(h.params)-h.spent))
}

// Hash gives a PHC string to store. ErrBusy, and the context's error.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	made := phc{params: h.params, salt: randomBytes(saltSize)}
	key, _, err := h.run(ctx, made, password, keySize)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	made.key = key
	return made.String(), nil
}

// Verify compares a password with a stored hash. stale asks for a new hash of
// the same password, because today's parameters are others; it is only said of a
// password that is right.
//
// ErrHash comes with the same work as a wrong password, and so does an empty
// hash, which no password has. A refusal is told when the work would be done under the
// costliest parameters met so far; the wait until then takes no slot. ErrBusy, and the
// context's error.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (ok, stale bool, err error) {
	if stored == "" {
		return false, false, h.VerifyNobody(ctx, password)
	}
	hash, defect := parsePHC(stored)
	if defect != nil {
		if err := h.VerifyNobody(ctx, password); err != nil {
			return false, false, err
		}
		return false, false, fmt.Errorf("%w: %w", ErrHash, defect)
	}
	ok, err = h.compare(ctx, hash, password)
	return ok, ok && h.stale(hash), err
}

// VerifyNobody does the work of comparing a wrong password, for a user who does
// not exist or may not log in. ErrBusy, and the context's error.
func (h *Hasher) VerifyNobody(ctx context.Context, password string) error {
	hash, err := parsePHC(h.nobody)
	if err != nil {
		return err // cannot be: the constructor wrote it
	}
	_, err = h.compare(ctx, hash, password)
	return err
}

func (h *Hasher) compare(ctx context.Context, hash phc, password string) (bool, error) {
	key, told, err := h.run(ctx, hash, password, len(hash.key))
	if err == nil && secret.Equal(key, hash.key) {
		return true, nil
	}
	if err == nil {
		err = sleepUntil(ctx, told)
	}
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return false, nil
}

func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (h *Hasher) stale(hash phc) bool {
	return hash.params != h.params || len(hash.salt) != saltSize || len(hash.key) != keySize
}

// run derives the key in a slot of its own. If it is the wrong one, that is told at the time it returns.
func (h *Hasher) run(ctx context.Context, hash phc, password string, size int) ([]byte, time.Time, error) {
	if err := h.turns.acquire(ctx, h.claim, h.wait); err != nil {
		return nil, time.Time{}, err
	}
	defer h.turns.release()
	p, began := hash.params, time.Now()
	key := h.derive([]byte(password), hash.salt, p.Time, p.MemoryKiB, p.Threads, uint32(size))
	return key, h.metronome.note(p, began, time.Since(began)).Add(-h.spent), nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}
