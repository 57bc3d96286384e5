package keyring

import (
	"errors"
	"time"
)

// table is what there is to decide on.
type table struct {
	stored []Stored
	halves map[string]half // of every stored key, by kid
	spare  []Stored        // keys that were drawn and have no turn yet
}

// half is what is known of the private half of a key.
type half struct {
	fault   error // why it does not open; nil when it does
	foreign bool  // it was sealed with a root secret that this process lacks
}

// verdict is what a verb comes to, together with all that is due after it.
type verdict struct {
	Switch
	wait   time.Duration // until the switch may be made; until then nothing is changed
	due    int           // keys to make
	add    []Stored      // those of them that spare ones are there for
	update []Stored      // stored keys as they are to be
	broken []string      // kids of standbys that are revoked because they don't open
	spent  []string      // kids of keys whose private half is destroyed
}

// idle reports whether there is nothing to do.
func (v verdict) idle() bool { return v.due == 0 && len(v.update) == 0 }

// decide takes out the standbys that are broken, has the verb decide on what is left,
// and finds what follows: the keys to make, and the private halves to destroy. It returns
// the errors of the verb, and the faults of the private halves when none can be worked with.
func decide(t table, give verb, m moment, policy Policy) (verdict, error) {
	now := m.now
	broken, keys := t.broken(now), publicSides(t.stored)
	for _, kid := range broken {
		keys = Switch{Revoked: Key{KID: kid}}.Apply(keys, now)
	}
	s, err := give(keys, m)
	if err != nil {
		return verdict{}, err
	}
	if s.NotBefore.After(now) {
		return verdict{Switch: s, wait: s.NotBefore.Sub(now)}, nil
	}
	v := verdict{Switch: s, broken: broken}
	v.publish(s.Steps(keys, now, policy), t.spare, now)
	v.settle(t.stored, s.Apply(keys, now)[:len(keys)], m, policy)
	if err := t.usable(s, m.now, policy); err != nil && !v.idle() {
		return verdict{}, err
	}
	return v, nil
}

// broken returns the kids of the standbys that would not sign when their turn comes:
// their rows were damaged, since the key that signs opens with the same secrets. What
// another root secret sealed is not broken: other replicas may have it.
func (t table) broken(now time.Time) []string {
	signing, signs := SigningAt(publicSides(t.stored), now)
	if !signs || t.halves[signing.KID].fault != nil {
		return nil
	}
	var broken []string
	for _, key := range t.stored {
		half := t.halves[key.KID]
		if key.RevokedAt.IsZero() && key.ActivatesAt.After(now) && half.fault != nil && !half.foreign {
			broken = append(broken, key.KID)
		}
	}
	return broken
}

// usable makes sure that what is stored can be worked with: a standby that takes over
// must open, and before anything else is changed, another root secret or issuer must
// not be the reason that no key does.
func (t table) usable(s Switch, now time.Time, policy Policy) error {
	var faults error
	keys := publicSides(t.stored)
	for _, key := range t.stored {
		asked := key.Sealed != nil && StateAt(key.Key, keys, now, policy).Signs()
		if s.To.KID != "" {
			asked = key.KID == s.To.KID
		}
		if !asked {
			continue
		}
		fault := t.halves[key.KID].fault
		if fault == nil {
			return nil
		}
		faults = errors.Join(faults, fault)
	}
	return faults
}

// publish gives the spare keys to the steps, as far as both go.
func (v *verdict) publish(steps []Step, spare []Stored, now time.Time) {
	v.due = len(steps)
	for i, fresh := range spare[:min(len(steps), len(spare))] {
		fresh.Alg, fresh.PublishedAt, fresh.ActivatesAt = steps[i].Alg, now, steps[i].ActivatesAt
		v.add = append(v.add, fresh)
	}
}

// settle finds which of the stored keys are to be others: those whose public side is,
// and those whose private half is to be destroyed. Keys that are made now retire none of
// them yet.
func (v *verdict) settle(stored []Stored, keys []Key, m moment, policy Policy) {
	for i, key := range stored {
		spent := key.Sealed != nil && m.destroys(StateAt(keys[i], keys, m.now, policy))
		if !spent && key.Key == keys[i] {
			continue
		}
		key.Key = keys[i]
		if spent {
			key.Sealed = nil
			v.spent = append(v.spent, key.KID)
		}
		v.update = append(v.update, key)
	}
}
