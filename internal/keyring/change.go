package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// Maintain carries out the plan: it makes the keys that are due, replaces a standby
// that does not open, destroys the private halves of keys that left the JWKS, and
// refreshes. While the clocks disagree it does nothing. One goroutine calls it.
func (k *Keyring) Maintain(ctx context.Context) error {
	changed, err := k.tend(ctx)
	if err != nil || !changed {
		return err
	}
	return k.Refresh(ctx)
}

// tend is Maintain for callers that have no snapshot to refresh.
func (k *Keyring) tend(ctx context.Context) (changed bool, err error) {
	changed, _, err = k.change(ctx, nothing, nil)
	if errors.Is(err, ErrClocks) { // all that is due can wait
		return false, nil
	}
	return changed, err
}

// found makes the very first key. ErrClocks: by a clock that is ahead it would sign in the
// future, and until then none would.
func (k *Keyring) found(ctx context.Context) error {
	if _, _, err := k.change(ctx, nothing, nil); err != nil {
		return err
	}
	return k.Refresh(ctx)
}

// Order is what an operator wants of the keys, and why.
type Order struct {
	By  audit.Actor
	Why string // for the audit trail
	// Confirm is asked before anything is done; its error ends the order.
	Confirm func(s Switch) error
	// Waiting is called before a wait for a standby that has just been published.
	Waiting func(s Switch, wait time.Duration)
}

// Rotate lets the ripe standby sign from RotateLead on. The errors of [Rotate], and
// ErrClocks.
func (k *Keyring) Rotate(ctx context.Context, order Order) (Switch, error) {
	return k.order(ctx, order, audit.KeyRotated, rotating(k.policy))
}

// RotateNow lets the standby sign at once, as soon as every replica has published it, also
// while the clocks disagree. The errors of [RotateNow]; ErrClocks if what they say can't be.
func (k *Keyring) RotateNow(ctx context.Context, order Order) (Switch, error) {
	return k.order(ctx, order, audit.KeyRotatedNow, rotatingNow)
}

// Revoke takes a key out of the JWKS forever, see [Revoke] and its errors, also while the
// clocks disagree; ErrClocks if what they say can't be.
func (k *Keyring) Revoke(ctx context.Context, kid string, flushAfter time.Duration, order Order) (Switch, error) {
	return k.order(ctx, order, audit.KeyRevoked, revoking(kid, flushAfter))
}

// order carries out an operator's decision, however long it must wait for a standby.
func (k *Keyring) order(ctx context.Context, order Order, kind audit.Kind, give verb) (Switch, error) {
	if err := k.consider(ctx, order, give); err != nil {
		return Switch{}, err
	}
	for {
		_, done, err := k.change(ctx, give, func(s Switch) audit.Event { return ordered(kind, order, s) })
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
func (k *Keyring) consider(ctx context.Context, order Order, give verb) error {
	if _, err := k.tend(ctx); err != nil {
		return err
	}
	stored, now, err := k.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("read signing keys: %w", err)
	}
	s, err := give(publicSides(stored), k.moment(now))
	if err != nil {
		return err
	}
	return order.Confirm(s)
}

func ordered(kind audit.Kind, order Order, s Switch) audit.Event {
	event := audit.New(kind, order.By)
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

// change has the keys decided on and writes what comes of it, at least where tell has
// an event of it. The slow part, drawing primes, happens outside the lock; inside it
// the decision is made again on what is really there. Keys that were drawn and not
// needed, or came too late, wait for the next time. It reports whether there was
// anything to do.
func (k *Keyring) change(ctx context.Context, give verb, tell func(Switch) audit.Event) (changed bool, done verdict, err error) {
	stored, now, err := k.store.SigningKeys(ctx)
	if err != nil {
		return false, verdict{}, fmt.Errorf("read signing keys: %w", err)
	}
	done, err = decide(k.table(stored), give, k.moment(now), k.policy)
	if err != nil || done.wait > 0 || tell == nil && done.idle() {
		return false, done, err
	}
	if err := k.draw(done.due); err != nil {
		return false, verdict{}, err
	}
	var refused error
	err = k.store.ChangeSigningKeys(ctx, func(stored []Stored, now time.Time) (Change, error) {
		done, refused = decide(k.table(stored), give, k.moment(now), k.policy)
		if refused != nil || done.wait > 0 {
			return Change{}, refused
		}
		return done.change(tell), nil
	})
	switch {
	case refused != nil: // by the time of the lock
		return false, verdict{}, refused
	case err != nil:
		return false, verdict{}, err
	}
	k.spare = k.spare[len(done.add):]
	return true, done, nil
}

// table is what there is to decide on: the stored keys, what is known of their private
// halves, and the keys that were drawn.
func (k *Keyring) table(stored []Stored) table {
	t := table{stored: stored, halves: make(map[string]half, len(stored)), spare: k.spare}
	for _, key := range stored {
		_, known := k.sealer.roots.Find(key.SealedBy())
		_, fault := k.open(key)
		t.halves[key.KID] = half{fault: fault, foreign: !known && key.SealedBy() != 0}
	}
	return t
}

// change is what is written of a verdict, and told in the audit trail.
func (v verdict) change(tell func(Switch) audit.Event) Change {
	change := Change{Add: v.add, Update: v.update}
	for _, kid := range v.broken {
		event := keyEvent(audit.KeyRevoked, kid, "why", "it does not open, so it could not have signed")
		change.Events = append(change.Events, event)
	}
	for _, fresh := range v.add {
		change.Events = append(change.Events, keyEvent(audit.KeyPublished, fresh.KID, "activates_at", stamp(fresh.ActivatesAt)))
	}
	for _, kid := range v.spent {
		change.Events = append(change.Events, keyEvent(audit.KeyDestroyed, kid))
	}
	if tell != nil {
		change.Events = append(change.Events, tell(v.Switch))
	}
	return change
}

func keyEvent(kind audit.Kind, kid string, detail ...string) audit.Event {
	event := audit.New(kind, audit.BySystem())
	event.Detail = map[string]string{"kid": kid}
	for i := 0; i+1 < len(detail); i += 2 {
		event.Detail[detail[i]] = detail[i+1]
	}
	return event
}
