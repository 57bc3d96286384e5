package keyring

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// Maintain carries out the plan: it makes the keys that are due, replaces a standby
// that does not open, destroys the private halves that never sign again, and
// refreshes. One goroutine calls it.
func (k *Keyring) Maintain(ctx context.Context) error {
	changed, err := k.tend(ctx)
	if err != nil || !changed {
		return err
	}
	return k.Refresh(ctx)
}

// tend is Maintain for whoever has no snapshot to refresh.
func (k *Keyring) tend(ctx context.Context) (changed bool, err error) {
	nothing := func([]Key, time.Time) (Switch, error) { return Switch{}, nil }
	changed, _, err = k.change(ctx, nothing, nil)
	return changed, err
}

// Order is what an operator wants of the keys, and why.
type Order struct {
	Why string // for the audit trail
	// Confirm is asked before anything is done; its error ends the order.
	Confirm func(s Switch) error
	// Waiting is told before a wait for a standby that was published a moment ago.
	Waiting func(s Switch, wait time.Duration)
}

// Rotate lets the ripe standby sign from RotateLead on. The errors of [Rotate].
func (k *Keyring) Rotate(ctx context.Context, order Order) (Switch, error) {
	return k.order(ctx, order, audit.KeyRotated, func(keys []Key, now time.Time) (Switch, error) {
		return Rotate(keys, now, k.policy)
	})
}

// RotateNow lets the standby sign at once, as soon as every replica has published it.
// The errors of [RotateNow].
func (k *Keyring) RotateNow(ctx context.Context, order Order) (Switch, error) {
	return k.order(ctx, order, audit.KeyRotatedNow, RotateNow)
}

// Revoke takes a key out of the JWKS for ever, see [Revoke] and its errors.
func (k *Keyring) Revoke(ctx context.Context, kid string, flushAfter time.Duration, order Order) (Switch, error) {
	return k.order(ctx, order, audit.KeyRevoked, func(keys []Key, now time.Time) (Switch, error) {
		return Revoke(keys, kid, now, flushAfter)
	})
}

// decision is one of the pure functions of switch.go.
type decision func(keys []Key, now time.Time) (Switch, error)

// order carries out an operator's decision, however long it must wait for a standby.
func (k *Keyring) order(ctx context.Context, order Order, kind audit.Kind, decide decision) (Switch, error) {
	if err := k.consider(ctx, order, decide); err != nil {
		return Switch{}, err
	}
	for {
		_, done, err := k.change(ctx, decide, func(s Switch) audit.Event { return ordered(kind, order, s) })
		if err != nil || done.wait == 0 {
			return done.Switch, err
		}
		order.Waiting(done.Switch, done.wait)
		select {
		case <-time.After(done.wait):
		case <-ctx.Done():
			return Switch{}, ctx.Err()
		}
	}
}

// consider has the order confirmed, once it is known what it comes to. Serve may not
// have been up for long enough to make a standby, or to replace a damaged one.
func (k *Keyring) consider(ctx context.Context, order Order, decide decision) error {
	if _, err := k.tend(ctx); err != nil {
		return err
	}
	stored, now, err := k.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("read signing keys: %w", err)
	}
	done, err := decideAt(decide, stored, now)
	if err != nil {
		return err
	}
	return order.Confirm(done.Switch)
}

func ordered(kind audit.Kind, order Order, s Switch) audit.Event {
	event := audit.New(kind, "operator")
	event.Detail = map[string]string{"why": order.Why}
	add := func(name, value string) {
		if value != "" {
			event.Detail[name] = value
		}
	}
	add("kid", s.Revoked.KID)
	add("from", s.From.KID)
	add("to", s.To.KID)
	if s.To.KID != "" {
		add("at", stamp(s.At))
		add("published_for", short(s.StandbyAge))
	}
	if !s.FreshAt.IsZero() {
		add("fresh_key_at", stamp(s.FreshAt))
	}
	return event
}

// made is a switch that was carried out, or that has to wait first.
type made struct {
	Switch
	wait time.Duration
}

// change makes a decision and carries it out, with what the plan asks for after it.
// The slow part, drawing primes, happens outside the lock; inside it the decision is
// made again on what is really there. Keys that were drawn and not needed, or came
// too late, wait for the next time. It reports whether there was anything to do.
func (k *Keyring) change(ctx context.Context, decide decision, tell func(Switch) audit.Event) (changed bool, done made, err error) {
	stored, now, err := k.store.SigningKeys(ctx)
	if err != nil {
		return false, made{}, fmt.Errorf("read signing keys: %w", err)
	}
	broken := k.broken(stored, now)
	mended := merge(stored, broken)
	if done, err = decideAt(decide, mended, now); err != nil || done.wait > 0 {
		return false, done, err
	}
	due := len(done.Steps(publicSides(mended), now, k.policy))
	if due == 0 && tell == nil && len(broken) == 0 && len(k.spent(stored, now)) == 0 {
		return false, done, nil
	}
	if err := k.usable(stored, done.Switch); err != nil {
		return false, made{}, err
	}
	if err := k.draw(due); err != nil {
		return false, made{}, err
	}
	used, refused := 0, error(nil)
	err = k.store.ChangeSigningKeys(ctx, func(stored []Stored, now time.Time) (change Change, err error) {
		if done, refused = decideAt(decide, merge(stored, k.broken(stored, now)), now); refused != nil || done.wait > 0 {
			return Change{}, refused
		}
		change, used = k.carryOut(done.Switch, stored, now)
		if tell != nil {
			change.Events = append(change.Events, tell(done.Switch))
		}
		return change, nil
	})
	switch {
	case refused != nil: // by the time of the lock
		return false, made{}, refused
	case err != nil:
		return false, made{}, err
	}
	k.spare = k.spare[used:]
	return true, done, nil
}

// usable makes sure that what is stored can be worked with: a standby that takes over
// must open, and before keys are added, another root secret or issuer must not be the
// reason that none does.
func (k *Keyring) usable(stored []Stored, s Switch) error {
	var failed error
	for _, key := range stored {
		asked := key.Sealed != nil
		if s.To.KID != "" {
			asked = key.KID == s.To.KID
		}
		if !asked {
			continue
		}
		err := k.opens(key)
		if err == nil {
			return nil
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// broken returns the standbys that would not sign when their turn comes, as revoked:
// their rows were damaged, since the key that signs opens with the same secrets. What
// another root secret sealed is not broken: other replicas may have it.
func (k *Keyring) broken(stored []Stored, now time.Time) []Stored {
	var broken []Stored
	signing, _ := SigningAt(publicSides(stored), now)
	sound := false
	for _, key := range stored {
		if key.KID == signing.KID {
			sound = k.opens(key) == nil
		}
		_, known := k.sealer.roots.Find(key.SealedBy())
		waits := key.RevokedAt.IsZero() && key.ActivatesAt.After(now)
		if waits && (known || key.SealedBy() == 0) && k.opens(key) != nil {
			key.RevokedAt = now
			broken = append(broken, key)
		}
	}
	if !sound {
		return nil
	}
	return broken
}

// opens tells whether the private half opens, as the snapshot knows it or as it is.
func (k *Keyring) opens(key Stored) error {
	_, err := k.open(key)
	return err
}

func decideAt(decide decision, stored []Stored, now time.Time) (made, error) {
	s, err := decide(publicSides(stored), now)
	return made{s, max(0, s.NotBefore.Sub(now))}, err
}

// carryOut puts a switch into a change: the turn and the revocation, the keys that are
// due as far as spare ones are there, and the private halves that are spent after it.
func (k *Keyring) carryOut(s Switch, stored []Stored, now time.Time) (change Change, used int) {
	change.Update = k.broken(stored, now)
	for _, b := range change.Update {
		event := keyEvent(audit.KeyRevoked, b.KID, "why", "it does not open, so it could not have signed")
		change.Events = append(change.Events, event)
	}
	stored = merge(stored, change.Update)
	keys := publicSides(stored)
	for i, after := range s.Apply(keys, now)[:len(stored)] {
		if after != keys[i] {
			moved := stored[i]
			moved.Key = after
			change.Update = append(without(change.Update, moved.KID), moved)
		}
	}
	steps := s.Steps(keys, now, k.policy)
	used = min(len(steps), len(k.spare))
	after := merge(stored, change.Update)
	for i, step := range steps[:used] {
		fresh := k.spare[i]
		fresh.Alg, fresh.PublishedAt, fresh.ActivatesAt = step.Alg, now, step.ActivatesAt
		change.Add, after = append(change.Add, fresh), append(after, fresh)
		change.Events = append(change.Events, keyEvent(audit.KeyPublished, fresh.KID, "activates_at", stamp(fresh.ActivatesAt)))
	}
	for _, spent := range k.spent(after, now) {
		change.Update = append(without(change.Update, spent.KID), spent)
		change.Events = append(change.Events, keyEvent(audit.KeyDestroyed, spent.KID))
	}
	return change, used
}

// spent returns the keys whose private half will never sign again, without it.
func (k *Keyring) spent(stored []Stored, now time.Time) []Stored {
	var spent []Stored
	keys := publicSides(stored)
	for _, key := range stored {
		if key.Sealed != nil && !StateAt(key.Key, keys, now, k.policy).Signs() {
			key.Sealed = nil
			spent = append(spent, key)
		}
	}
	return spent
}

func merge(stored, updated []Stored) []Stored {
	merged := append([]Stored(nil), stored...)
	for i := range merged {
		for _, u := range updated {
			if u.KID == merged[i].KID {
				merged[i] = u
			}
		}
	}
	return merged
}

func without(keys []Stored, kid string) []Stored {
	var left []Stored
	for _, k := range keys {
		if k.KID != kid {
			left = append(left, k)
		}
	}
	return left
}

func keyEvent(kind audit.Kind, kid string, detail ...string) audit.Event {
	event := audit.New(kind, "system")
	event.Detail = map[string]string{"kid": kid}
	for i := 0; i+1 < len(detail); i += 2 {
		event.Detail[detail[i]] = detail[i+1]
	}
	return event
}

// draw makes spare keys until there are so many.
func (k *Keyring) draw(n int) error {
	for len(k.spare) < n {
		fresh, err := k.generate()
		if err != nil {
			return err
		}
		k.spare = append(k.spare, fresh)
	}
	return nil
}

// generate draws a key pair and seals it; when it activates is decided later.
func (k *Keyring) generate() (Stored, error) {
	bits := k.policy.Bits
	if bits == 0 {
		bits = defaultBits
	}
	var private *rsa.PrivateKey
	kid := "-"
	for strings.HasPrefix(kid, "-") { // which would read as a flag wherever an operator types it
		var err error
		if private, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
			return Stored{}, fmt.Errorf("generate signing key: %w", err)
		}
		if kid, err = thumbprint(&private.PublicKey); err != nil {
			return Stored{}, err
		}
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return Stored{}, fmt.Errorf("encode public key %s: %w", kid, err)
	}
	sealed, err := k.sealer.Seal(kid, RS256, private)
	if err != nil {
		return Stored{}, err
	}
	return Stored{Key: Key{KID: kid, Alg: RS256}, Public: public, Sealed: sealed}, nil
}
