//go:build !race

package keyring_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// ninetyDays is the life of an authority: its table of keys, and replicas that read it.
type ninetyDays struct {
	r        *rapid.T
	policy   keyring.Policy
	now      time.Time
	keys     []keyring.Key
	made     int             // keys so far, for a kid
	excepted map[string]bool // K2: may sign before it is ripe
	orders   []time.Time     // of emergencies and revocations: replicas may differ after one
	replicas [3]reader
	live     []struck      // tokens that have not expired
	jump     time.Duration // how far one of the clocks is wrong
	wrong    clock.Name    // which
}

// reader is a replica as its snapshot makes it: it signs by what it read, in database time.
type reader struct {
	keys []keyring.Key
	read time.Time // zero: it has just been started
}

// struck is a token.
type struck struct {
	kid     string
	expires time.Time
}

// TestNinetyDaysOfOrdersKeepK1ToK8 lets three replicas live through random rotations,
// emergencies, revocations, restarts, polls that come late or not at all, and clocks that
// are set wrong for a while. The invariants hold in true time.
func TestNinetyDaysOfOrdersKeepK1ToK8(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		d := &ninetyDays{r: r, now: t0, excepted: make(map[string]bool)}
		d.policy = keyring.Policy{PublishAhead: time.Duration(rapid.IntRange(24, 72).Draw(r, "ahead")) * time.Hour}
		d.policy.RotateEvery = d.policy.PublishAhead * time.Duration(rapid.IntRange(2, 20).Draw(r, "rotate"))
		d.policy.Retain = time.Hour + 6*time.Minute
		for i := range d.replicas {
			d.poll(i)
		}
		for d.now.Before(t0.Add(90 * 24 * time.Hour)) {
			d.live = slices.DeleteFunc(d.live, func(s struck) bool { return !d.now.Before(s.expires) })
			d.act(rapid.IntRange(0, 21).Draw(r, "act"))
			d.check()
			d.forget()
			d.wait()
		}
	})
}

// wait lets time pass: seconds while something happens, days while nothing does.
func (d *ninetyDays) wait() {
	spans := []time.Duration{time.Second, 20 * time.Second, 2 * time.Minute, time.Hour, d.policy.PublishAhead, d.policy.RotateEvery}
	span := spans[rapid.IntRange(0, len(spans)-1).Draw(d.r, "span")]
	d.now = d.now.Add(time.Duration(rapid.Int64Range(1, int64(span/time.Microsecond)).Draw(d.r, "wait")) * time.Microsecond)
}

func (d *ninetyDays) act(what int) {
	replica := rapid.IntRange(0, 2).Draw(d.r, "replica")
	switch what {
	case 0, 1:
		d.poll(replica) // the others are cut off, or slow
	case 2:
		d.replicas[replica] = reader{} // killed, and not yet started
	case 3:
		d.decide(keyring.Rotating(d.policy), false)
	case 4:
		d.decide(keyring.RotatingNow, true)
	case 5:
		i := rapid.IntRange(0, len(d.keys)-1).Draw(d.r, "key")
		flush := time.Duration(rapid.Int64Range(0, int64(d.policy.PublishAhead)).Draw(d.r, "flush")).Truncate(time.Microsecond)
		d.decide(keyring.Revoking(d.keys[i].KID, flush), true)
	case 6:
		d.jump = rapid.SampledFrom(jumps).Draw(d.r, "jump")
		d.wrong = rapid.SampledFrom([]clock.Name{clock.Database, clock.Database, clock.Redis, clock.Machine}).Draw(d.r, "wrong")
	case 7, 8:
		d.jump = 0
	default:
		for i := range d.replicas {
			d.poll(i)
		}
	}
}

// clocks is what they say.
func (d *ninetyDays) clocks() clock.Clocks {
	said := clock.Clocks{Redis: d.now, Database: d.now, Machine: d.now}
	switch d.wrong {
	case clock.Redis:
		said.Redis = d.now.Add(d.jump)
	case clock.Machine:
		said.Machine = d.now.Add(d.jump)
	default:
		said.Database = d.now.Add(d.jump)
	}
	return said
}

// decide has the keyring decide, and carries out what it says, if the order is granted.
func (d *ninetyDays) decide(give keyring.Verb, atOnce bool) {
	stored := make([]keyring.Stored, len(d.keys))
	for i, k := range d.keys {
		stored[i] = keyring.Stored{Key: k, Sealed: []byte("sealed")}
	}
	spare := []keyring.Stored{drawn(d.made), drawn(d.made + 1)}
	done, err := keyring.Decide(stored, spare, func(int) bool { return false }, give, d.clocks(), d.policy)
	if err != nil || done.Waits {
		return
	}
	if atOnce {
		d.orders = append(d.orders, d.now)
		d.excepted[done.To.KID] = true
	}
	d.mayChange(done, atOnce)
	for _, update := range done.Update {
		i := slices.IndexFunc(d.keys, func(k keyring.Key) bool { return k.KID == update.KID })
		d.keys[i] = update.Key
	}
	for _, key := range done.Add {
		d.excepted[key.KID] = d.made == 0 || key.ActivatesAt.Equal(done.FreshAt)
		d.keys = append(d.keys, key.Key)
		d.made++
	}
}

// mayChange checks that nothing irreversible is done too early: while a clock is wrong, by
// anything but an emergency; and no private half is destroyed that was not revoked, or has
// not been out of the JWKS.
func (d *ninetyDays) mayChange(done keyring.Decided, emergency bool) {
	if d.jump != 0 && !emergency && len(done.Add)+len(done.Update) > 0 {
		d.r.Fatalf("the clock of %s is wrong by %s, and keys are changed: %v, %v", d.wrong, d.jump, done.Add, done.Update)
	}
	for _, update := range done.Update {
		if update.Sealed != nil || !update.RevokedAt.IsZero() {
			continue
		}
		if state := keyring.StateAt(update.Key, d.keys, d.now, d.policy); state != keyring.Removed || d.jump != 0 {
			d.r.Fatalf("the private half of %s is destroyed, which is %s, while a clock is wrong by %s", update.KID, state, d.jump)
		}
	}
}

// forget drops what decides nothing any more: removed for longer than a token lives,
// or revoked and past all that it made retire. It keeps the table small.
func (d *ninetyDays) forget() {
	const tokenLives = time.Hour
	keys := slices.Clone(d.keys)
	d.keys = slices.DeleteFunc(d.keys, func(k keyring.Key) bool {
		switch keyring.StateAt(k, keys, d.now, d.policy) {
		case keyring.Removed:
			return keyring.StateAt(k, keys, d.now.Add(-tokenLives), d.policy) == keyring.Removed
		case keyring.Revoked:
			return d.now.Sub(k.ActivatesAt) > d.policy.Retain+2*tokenLives && d.now.Sub(k.RevokedAt) > 2*tokenLives
		}
		return false
	})
}

func (d *ninetyDays) find(kid string) (keyring.Key, bool) {
	i := slices.IndexFunc(d.keys, func(k keyring.Key) bool { return k.KID == kid })
	if i < 0 {
		return keyring.Key{}, false
	}
	return d.keys[i], true
}

// poll makes a replica do what is due, and reread the table.
func (d *ninetyDays) poll(i int) {
	d.decide(keyring.Nothing, false)
	d.replicas[i] = reader{slices.Clone(d.keys), d.now}
}

// signs is the kid that the replica signs with now, if it may sign at all (K5).
func (d *ninetyDays) signs(i int) (string, bool) {
	replica := d.replicas[i]
	if replica.read.IsZero() || d.now.Sub(replica.read) > keyring.MaxAge {
		return "", false
	}
	key, ok := keyring.SigningAt(replica.keys, d.now)
	return key.KID, ok
}

// check asserts the invariants, and strikes a token with every replica that may.
func (d *ninetyDays) check() {
	signing, ok := keyring.SigningAt(d.keys, d.now)
	if n := d.inState(keyring.Signing); !ok || n != 1 {
		d.r.Fatalf("K1: %d keys sign", n)
	}
	if ahead := signing.ActivatesAt.Sub(signing.PublishedAt); signing.KID != "0" &&
		(ahead < keyring.Settled || ahead < d.policy.PublishAhead && !d.excepted[signing.KID]) {
		d.r.Fatalf("K2: %s signs %s after it was published", signing.KID, ahead)
	}
	recent := slices.ContainsFunc(d.orders, func(at time.Time) bool { return d.now.Sub(at) <= keyring.MaxAge })
	for i := range d.replicas {
		kid, able := d.signs(i)
		switch {
		case !able:
			continue
		case kid != signing.KID && !recent:
			d.r.Fatalf("K4: replica %d signs with %s, the database says %s", i, kid, signing.KID)
		}
		d.live = append(d.live, struck{kid, d.now.Add(time.Hour)})
	}
	for _, token := range d.live {
		key, ok := d.find(token.kid)
		if !ok {
			d.r.Fatalf("K3: a live token is signed by %s, which is forgotten", token.kid)
		}
		if state := keyring.StateAt(key, d.keys, d.now, d.policy); !state.Member() && state != keyring.Revoked {
			d.r.Fatalf("K3: a live token is signed by %s, which is %s", token.kid, state)
		}
	}
	if _, ok := keyring.StandbyAt(d.keys, d.now); !ok && d.jump == 0 && len(keyring.Plan(d.keys, d.now, d.policy)) == 0 {
		d.r.Fatal("K8: there is no standby, and none is planned")
	}
	d.checkRevoked()
}

// checkRevoked is K6: a revoked key is in no other state, in the table and in what replicas
// read from it.
func (d *ninetyDays) checkRevoked() {
	for _, replica := range d.replicas {
		for _, read := range replica.keys {
			if now, ok := d.find(read.KID); ok && !read.RevokedAt.IsZero() && !now.RevokedAt.Equal(read.RevokedAt) {
				d.r.Fatalf("K6: %s was revoked at %s and now %s", read.KID, read.RevokedAt, now.RevokedAt)
			}
		}
	}
}

func (d *ninetyDays) inState(state keyring.State) int {
	n := 0
	for _, k := range d.keys {
		if keyring.StateAt(k, d.keys, d.now, d.policy) == state {
			n++
		}
	}
	return n
}

func (s struck) String() string { return fmt.Sprintf("%s until %s", s.kid, s.expires) }
