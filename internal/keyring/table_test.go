package keyring_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/secret"
)

const issuer = "https://auth.example.com"

// table is what a database holds. It is not one: the stores' own contract holds them
// to what is assumed of it here. Its clock is that of the bubble it lives in.
type table struct {
	mu     sync.Mutex
	keys   []keyring.Stored
	events []audit.Event
	ahead  time.Duration // of this process's clock
	reads  int
	writes []keyring.Change // that decide asked for, carried out or not

	reading func() error // before each read
	locking func() error // before the lock is had
	commit  error        // of every change
}

func (x *table) now() time.Time { return time.Now().Add(x.ahead).UTC().Truncate(time.Microsecond) }

func (x *table) read() []keyring.Stored {
	keys := slices.Clone(x.keys)
	for i := range keys {
		keys[i].Sealed = slices.Clone(keys[i].Sealed)
	}
	slices.SortFunc(keys, func(a, b keyring.Stored) int { return a.ActivatesAt.Compare(b.ActivatesAt) })
	return keys
}

func (x *table) SigningKeys(ctx context.Context) ([]keyring.Stored, time.Time, error) {
	if x.reading != nil {
		if err := x.reading(); err != nil {
			return nil, time.Time{}, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.reads++
	return x.read(), x.now(), ctx.Err()
}

func (x *table) ChangeSigningKeys(ctx context.Context, decide func([]keyring.Stored, time.Time) (keyring.Change, error)) error {
	if x.locking != nil {
		if err := x.locking(); err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	change, err := decide(x.read(), x.now())
	if err := cmp.Or(err, ctx.Err()); err != nil {
		return fmt.Errorf("change signing keys: %w", err)
	}
	x.writes = append(x.writes, change)
	if x.commit != nil {
		return x.commit
	}
	after := slices.Clone(x.keys)
	for _, key := range change.Update {
		i := slices.IndexFunc(after, func(k keyring.Stored) bool { return k.KID == key.KID })
		if i < 0 {
			return keyring.ErrUnknownKey
		}
		after[i].ActivatesAt, after[i].RevokedAt, after[i].Sealed = key.ActivatesAt, key.RevokedAt, key.Sealed
	}
	after = append(after, change.Add...)
	kids, turns := make(map[string]bool), make(map[int64]bool)
	for _, key := range after {
		if kids[key.KID] || turns[key.ActivatesAt.UnixMicro()] {
			return fmt.Errorf("key %s clashes with another", key.KID)
		}
		kids[key.KID], turns[key.ActivatesAt.UnixMicro()] = true, true
	}
	x.keys, x.events = after, append(x.events, change.Events...)
	return nil
}

func (x *table) AwaitSigningKeys(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// pairs are drawn once: it takes long. They are short for the same reason.
var pairs = sync.OnceValue(func() []*rsa.PrivateKey {
	drawn := make([]*rsa.PrivateKey, 8)
	for i := range drawn {
		var err error
		if drawn[i], err = rsa.GenerateKey(rand.Reader, quick.Bits); err != nil {
			panic(err)
		}
	}
	return drawn
})

// given is a key as a test puts it into the table; times are from now on.
type given struct {
	name      string
	published time.Duration
	signs     time.Duration
	revoked   time.Duration // 0: it is not
	half      state
}

// state is what became of a private half.
type state string

const (
	sound     state = ""          // it opens
	destroyed state = "destroyed" // it is not there
	damaged   state = "damaged"   // its row was edited
	stump     state = "stump"     // nothing is left of its row that says who sealed it
	foreign   state = "foreign"   // a root secret sealed it that is not there
)

// ring is a keyring over a table, in which keys have names. It lives in a bubble.
type ring struct {
	*keyring.Keyring
	*table
	roots secret.Roots
	began time.Time // when the keys were put there, by the database's clock
	names map[string]string
	first map[string]keyring.Stored // the keys as they were put there
	told  []string                  // what Confirm and Waiting heard
}

// quick is the policy of keys that are drawn quickly.
var quick = keyring.Policy{RotateEvery: policy.RotateEvery, PublishAhead: policy.PublishAhead, Retain: policy.Retain, Bits: 1024}

// skew is how far this process's clock is ahead of the database's: nothing but the age of
// a snapshot is told by it, and so far ahead every key would be another.
const skew = 365 * day

func newRing(tb testing.TB, keys ...given) *ring {
	tb.Helper()
	roots, err := secret.ParseRoots(rootText(1, strings.Repeat("a", 32)) + "," + rootText(2, strings.Repeat("b", 32)))
	if err != nil {
		tb.Fatal(err)
	}
	r := &ring{
		table: &table{ahead: -skew}, roots: roots,
		names: make(map[string]string), first: make(map[string]keyring.Stored),
	}
	r.began = r.now()
	for i, g := range keys {
		key := r.seal(tb, pairs()[i], g.half)
		key.PublishedAt, key.ActivatesAt = r.began.Add(g.published), r.began.Add(g.signs)
		if g.revoked != 0 {
			key.RevokedAt = r.began.Add(g.revoked)
		}
		r.keys = append(r.keys, key)
		r.names[key.KID], r.first[key.KID] = g.name, key
	}
	r.Keyring = r.replica()
	return r
}

// replica is another keyring over the same table.
func (r *ring) replica() *keyring.Keyring {
	return keyring.New(r.table, keyring.NewSealer(issuer, r.roots), quick, keyring.DatabaseClock{})
}

func rootText(id int, octets string) string {
	return fmt.Sprintf("%d:%s", id, base64.StdEncoding.EncodeToString([]byte(octets)))
}

func (r *ring) seal(tb testing.TB, private *rsa.PrivateKey, state state) keyring.Stored {
	tb.Helper()
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		tb.Fatal(err)
	}
	key := keyring.Stored{Key: keyring.Key{KID: thumbprint(&private.PublicKey), Alg: keyring.RS256}, Public: public}
	if key.Sealed, err = keyring.NewSealer(issuer, r.roots).Seal(key.KID, key.Alg, private); err != nil {
		tb.Fatal(err)
	}
	switch state {
	case destroyed:
		key.Sealed = nil
	case damaged:
		key.Sealed[len(key.Sealed)-1] ^= 1
	case stump:
		key.Sealed = key.Sealed[:1]
	case foreign:
		key.Sealed[1] = 9
	}
	return key
}

// thumbprint is RFC 7638 §3 for an RSA key, by nothing of the code under test.
func thumbprint(public *rsa.PublicKey) string {
	exponent := binary.BigEndian.AppendUint32(nil, uint32(public.E))[1:]
	sum := sha256.Sum256([]byte(`{"e":"` + base64url(exponent) + `","kty":"RSA","n":"` + base64url(public.N.Bytes()) + `"}`))
	return base64url(sum[:])
}

func base64url(octets []byte) string { return base64.RawURLEncoding.EncodeToString(octets) }

// kid finds a key by its name.
func (r *ring) kid(name string) string {
	for kid, n := range r.names {
		if n == name {
			return kid
		}
	}
	return name // of no key
}

// order hears what there is to hear, and agrees.
func (r *ring) order() keyring.Order {
	return keyring.Order{
		By:      audit.ByOperator("root"),
		Why:     "a test",
		Confirm: func(s keyring.Switch) error { r.hear("confirm " + r.tell(s)); return nil },
		Waiting: func(s keyring.Switch, wait time.Duration) { r.hear(fmt.Sprintf("wait %s, %s", wait, r.tell(s))) },
	}
}

func (r *ring) hear(what string) {
	r.told = append(r.told, fmt.Sprintf("after %s: %s", r.now().Sub(r.began), what))
}

// tell says a switch in the names of the keys.
func (r *ring) tell(s keyring.Switch) string {
	r.name()
	var parts []string
	add := func(what, value string) {
		if value != "" {
			parts = append(parts, what+" "+value)
		}
	}
	add("revoked", r.names[s.Revoked.KID])
	add("from", r.names[s.From.KID])
	add("to", r.names[s.To.KID])
	for _, at := range []struct {
		what string
		time time.Time
	}{{"at", s.At}, {"fresh", s.FreshAt}, {"not before", s.NotBefore}} {
		if !at.time.IsZero() {
			add(at.what, at.time.Sub(r.began).String())
		}
	}
	if s.StandbyAge != 0 {
		add("age", s.StandbyAge.String())
	}
	return strings.Join(parts, ", ")
}

// name gives the keys names that the test did not put there, in order of activation.
func (r *ring) name() {
	for _, key := range r.read() {
		if r.names[key.KID] == "" {
			r.names[key.KID] = fmt.Sprintf("new%d", len(r.names)-len(r.first)+1)
		}
	}
}

// changes are the keys that are not as the test put them there, in order of activation,
// each with what of it is another, and the new ones, which must be whole.
func (r *ring) changes(tb testing.TB) []string {
	tb.Helper()
	r.name()
	if len(r.keys) < len(r.first) {
		tb.Errorf("%d keys are left of %d", len(r.keys), len(r.first))
	}
	var lines []string
	for _, key := range r.read() {
		before, known := r.first[key.KID]
		if !known {
			r.wantWhole(tb, key)
		}
		if differs := r.differences(before, key); len(differs) > 0 {
			lines = append(lines, r.names[key.KID]+": "+strings.Join(differs, ", "))
		}
	}
	return lines
}

func (r *ring) differences(before, after keyring.Stored) []string {
	var differs []string
	add := func(what string, was, is time.Time) {
		if !was.Equal(is) {
			differs = append(differs, what+" "+is.Sub(r.began).String())
		}
	}
	add("published", before.PublishedAt, after.PublishedAt)
	add("signs", before.ActivatesAt, after.ActivatesAt)
	add("revoked", before.RevokedAt, after.RevokedAt)
	if before.KID != "" && !slices.Equal(before.Sealed, after.Sealed) {
		if after.Sealed == nil {
			return append(differs, "destroyed")
		}
		return append(differs, fmt.Sprintf("sealed anew by %d", after.SealedBy()))
	}
	return differs
}

func (r *ring) wantWhole(tb testing.TB, key keyring.Stored) {
	tb.Helper()
	if key.Sealed == nil {
		return
	}
	private, err := keyring.NewSealer(issuer, r.roots).Open(key.KID, keyring.RS256, key.Sealed)
	if err != nil {
		tb.Errorf("%s: %v", r.names[key.KID], err)
		return
	}
	public, err := key.PublicKey()
	if err != nil || key.Alg != keyring.RS256 || !private.PublicKey.Equal(public) || thumbprint(public) != key.KID {
		tb.Errorf("%s is not whole: %v", r.names[key.KID], err)
	}
}

// happened are the events, oldest first, in the names of the keys.
func (r *ring) happened() []string {
	r.name()
	var lines []string
	for _, event := range r.events {
		line := string(event.Kind) + " by " + string(event.Actor.Kind)
		for _, name := range slices.Sorted(maps.Keys(event.Detail)) {
			value := event.Detail[name]
			if at, err := time.Parse(time.RFC3339, value); err == nil {
				value = at.Sub(r.began).String()
			}
			if known := r.names[value]; known != "" {
				value = known
			}
			line += ", " + name + " " + value
		}
		lines = append(lines, line)
	}
	return lines
}

// edit changes a stored key by hand, as an attacker with the database could.
func edit(t *testing.T, store keyring.Store, i int, hand func(*keyring.Stored)) {
	t.Helper()
	err := store.ChangeSigningKeys(t.Context(), func(keys []keyring.Stored, _ time.Time) (keyring.Change, error) {
		hand(&keys[i])
		return keyring.Change{Update: keys[i : i+1]}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// bubble runs a test in virtual time. What goes round in circles, without any time going
// by, ends by the real one, with the stacks of all goroutines.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	watch := time.AfterFunc(50*time.Second, func() {
		debug.SetTraceback("all")
		panic(t.Name() + ": after 50 s its bubble has not ended: some goroutine below goes round in circles, or waits outside of the bubble")
	})
	defer watch.Stop()
	synctest.Test(t, test)
}

// bound is a context that ends, so that what never would fails.
func bound(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeoutCause(tb.Context(), 50*time.Second, errors.New("it takes too long"))
	tb.Cleanup(cancel)
	return ctx
}
