package revocation_test

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

const (
	issuer = "https://auth.example.com"
	ttl    = 5 * time.Minute
)

var errDown = errors.New("database is down")

// rows is what a database holds. It is not one: the stores' own contract holds them
// to what is assumed of it here.
type rows struct {
	mu      sync.Mutex
	revoked []revocation.Revoked
	highest int64
	keys    string        // the state of the signing keys
	ahead   time.Duration // of this process's clock
	down    bool
	read    int       // rows, since the test set it to 0
	asked   time.Time // what the clock said at the first page
	failing func()    // is called before each page
}

func (r *rows) Revoked(ctx context.Context, page revocation.Page) (revocation.Reading, error) {
	if r.failing != nil {
		r.failing()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return revocation.Reading{}, errDown
	}
	if err := ctx.Err(); err != nil {
		return revocation.Reading{}, err
	}
	reading := revocation.Reading{Now: r.now(), Highest: r.highest, Keys: r.keys}
	if page.Before.At.IsZero() {
		r.asked = reading.Now
	}
	slices.SortFunc(r.revoked, latestFirst)
	first := 0
	if !page.Before.At.IsZero() {
		first, _ = slices.BinarySearchFunc(r.revoked, page.Before, latestFirst)
		first++
	}
	for _, x := range r.revoked[first:] {
		if len(reading.Revoked) == page.Rows || !x.At.After(reading.Now.Add(-page.Within)) {
			break
		}
		reading.Revoked = append(reading.Revoked, x)
	}
	r.read += len(reading.Revoked)
	return reading, nil
}

func latestFirst(a, b revocation.Revoked) int {
	return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Index, a.Index))
}

func (r *rows) revoke(index int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked = append(r.revoked, revocation.Revoked{Index: index, At: r.now()})
	r.highest = max(r.highest, index)
}

// key is drawn once: it takes long.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return private
})

func signer(tb testing.TB, kid string) func(time.Time) (*token.Signer, error) {
	tb.Helper()
	s, err := token.NewSigner(kid, key())
	if err != nil {
		tb.Fatal(err)
	}
	return func(time.Time) (*token.Signer, error) { return s, nil }
}

func newLists(tb testing.TB, store revocation.Store) *revocation.Lists {
	tb.Helper()
	sign := signer(tb, "k1")
	return revocation.New(revocation.Config{Issuer: issuer, AccessTTL: ttl, Store: store, Signer: func(now time.Time) (*token.Signer, error) {
		if r, ok := store.(*rows); ok && !now.Equal(r.asked) {
			tb.Errorf("the key of %s is asked for, it was %s by the database", now, r.asked)
		}
		return sign(now)
	}})
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

// now is the database's clock.
func (r *rows) now() time.Time { return time.Now().Add(r.ahead).UTC() }

func refresh(tb testing.TB, lists *revocation.Lists) {
	tb.Helper()
	if err := lists.Refresh(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func fetch(tb testing.TB, lists *revocation.Lists, n int) revocation.List {
	tb.Helper()
	list, fresh, err := lists.Newer(tb.Context(), n, revocation.Held{}, 0)
	if err != nil || !fresh {
		tb.Fatalf("list %d: fresh %v, %v", n, fresh, err)
	}
	return list
}

// held is what a caller has who names these tags.
func held(tags ...string) revocation.Held { return revocation.ParseHeld(strings.Join(tags, ", ")) }

// claims are what a list says, read by nothing of the code under test.
type claims struct {
	Sub        string
	Iat, Exp   int64
	TTL        int64
	StatusList struct {
		Bits int
		Lst  string
	} `json:"status_list"`
}

func decode(tb testing.TB, list revocation.List) (claims, []int) {
	tb.Helper()
	payload, err := jws.Verify([]byte(list.Token), jws.WithKey(jwa.RS256, &key().PublicKey))
	if err != nil {
		tb.Fatalf("a JOSE library refuses the list: %v", err)
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		tb.Fatal(err)
	}
	compressed, err := base64.RawURLEncoding.Strict().DecodeString(c.StatusList.Lst)
	if err != nil {
		tb.Fatal(err)
	}
	return c, inflate(tb, compressed)
}

// inflate gives the indexes whose bit is set.
func inflate(tb testing.TB, compressed []byte) []int {
	tb.Helper()
	r, err := zlib.NewReader(bytes.NewReader(compressed))
	if err != nil {
		tb.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		tb.Fatal(err)
	}
	if len(raw) != session.StatusListSize/8 {
		tb.Fatalf("the list has %d bytes", len(raw))
	}
	var set []int
	for i := range len(raw) * 8 {
		if raw[i/8]>>(i%8)&1 == 1 {
			set = append(set, i)
		}
	}
	return set
}

func wantIndexes(tb testing.TB, list revocation.List, want ...int) {
	tb.Helper()
	if _, got := decode(tb, list); !slices.Equal(got, want) {
		tb.Errorf("revoked in the list: %v, want %v", got, want)
	}
}
