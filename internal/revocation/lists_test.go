package revocation_test

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
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
	ahead   time.Duration // of this process's clock
	down    bool
	read    int    // rows, since the test set it to 0
	failing func() // is called before each page
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
	reading := revocation.Reading{Now: time.Now().Add(r.ahead).UTC(), Highest: r.highest}
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
	r.revoked = append(r.revoked, revocation.Revoked{Index: index, At: time.Now().Add(r.ahead).UTC()})
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
	return revocation.New(revocation.Config{Issuer: issuer, AccessTTL: ttl, Store: store, Signer: signer(tb, "k1")})
}

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

func TestAListIsAStatusListToken(t *testing.T) {
	t.Parallel()
	store := &rows{}
	for _, index := range []int64{0, 9, session.StatusListSize - 1, session.StatusListSize + 3} {
		store.revoke(index)
	}
	lists := newLists(t, store)
	refresh(t, lists)
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(fetch(t, lists, 0).Token, ".")[0])
	if want := `{"alg":"RS256","typ":"statuslist+jwt","kid":"k1"}`; err != nil || string(header) != want {
		t.Errorf("header %s, want %s", header, want)
	}
	wantIndexes(t, fetch(t, lists, 0), 0, 9, session.StatusListSize-1)
	wantIndexes(t, fetch(t, lists, 1), 3)
	wantIndexes(t, fetch(t, lists, 2))
	c, _ := decode(t, fetch(t, lists, 1))
	now := time.Now().Unix()
	if c.Sub != issuer+"/oauth/status-lists/1" || c.StatusList.Bits != 1 || c.TTL != 3 {
		t.Errorf("claims %+v", c)
	}
	if least, most := now+int64(ttl.Seconds()), now+int64((ttl+2*revocation.Epoch).Seconds()); c.Iat > now || c.Exp < least || c.Exp > most {
		t.Errorf("iat %d, exp %d; want at most %d, and between %d and %d", c.Iat, c.Exp, now, least, most)
	}
	for _, n := range []int{-1, 3} {
		if _, _, err := lists.Newer(t.Context(), n, revocation.Held{}, 0); !errors.Is(err, revocation.ErrUnknown) {
			t.Errorf("list %d: %v, want %v", n, err, revocation.ErrUnknown)
		}
	}
}

func TestATokenRefersToItsPlace(t *testing.T) {
	t.Parallel()
	lists := newLists(t, &rows{})
	for index, want := range map[int64]token.Status{
		0:                               {Index: 0, URI: issuer + "/oauth/status-lists/0"},
		session.StatusListSize - 1:      {Index: session.StatusListSize - 1, URI: issuer + "/oauth/status-lists/0"},
		12*session.StatusListSize + 345: {Index: 345, URI: issuer + "/oauth/status-lists/12"},
	} {
		if got := lists.Reference(&index); got == nil || *got != want {
			t.Errorf("index %d: %v, want %v", index, got, want)
		}
	}
	if got := lists.Reference(nil); got != nil {
		t.Errorf("a session without an index refers to %v", got)
	}
}

// TestReplicasSignTheSameBytes: whoever asks two of them never sees a difference.
func TestReplicasSignTheSameBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &rows{}
		early, late := newLists(t, store), newLists(t, store)
		store.revoke(1)
		refresh(t, early)
		time.Sleep(700 * time.Millisecond)
		store.revoke(2)
		time.Sleep(time.Second)
		refresh(t, late)
		refresh(t, early)
		if a, b := fetch(t, early, 0), fetch(t, late, 0); a != b {
			t.Errorf("one says %+v, the other %+v", a, b)
		}
	})
}

// counting is a key that counts its signatures.
type counting struct {
	crypto.Signer
	signed int
}

func (c *counting) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	c.signed++
	return c.Signer.Sign(r, digest, opts)
}

func TestAListIsSignedWhenItChangesAndOncePerEpochAndNeverForARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		counted := &counting{Signer: key()}
		sign, err := token.NewSigner("k1", counted)
		if err != nil {
			t.Fatal(err)
		}
		store := &rows{}
		lists := revocation.New(revocation.Config{
			Issuer: issuer, AccessTTL: ttl, Store: store, Signer: func(time.Time) (*token.Signer, error) { return sign, nil },
		})
		const epochs, changes = 4, 3
		begin := time.Now()
		for i := 0; time.Since(begin) < epochs*revocation.Epoch; i++ {
			if i < changes {
				store.revoke(int64(i))
			}
			refresh(t, lists)
			for range 10 {
				fetch(t, lists, 0)
				fetch(t, lists, 1)
			}
			time.Sleep(revocation.PollEvery)
		}
		if least, most := 2*epochs+changes-1, 2*(epochs+1)+changes-1; counted.signed < least || counted.signed > most {
			t.Errorf("%d signatures, want %d to %d", counted.signed, least, most)
		}
	})
}

// TestWhoFollowsAListHoldsOneThatOutlivesEveryToken is what an outage is survived by.
func TestWhoFollowsAListHoldsOneThatOutlivesEveryToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lists := newLists(t, &rows{})
		begin := time.Now()
		for time.Since(begin) < 3*revocation.Epoch {
			refresh(t, lists)
			for n := range 2 {
				if left := time.Until(fetch(t, lists, n).Expiry); left < ttl+revocation.Epoch-time.Second {
					t.Fatalf("list %d expires in %s", n, left)
				}
			}
			time.Sleep(revocation.PollEvery)
		}
	})
}

// TestARevokedSessionStaysUntilNoTokenLives walks one revocation to its end.
func TestARevokedSessionStaysUntilNoTokenLives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &rows{}
		lists := newLists(t, store)
		refresh(t, lists)
		store.revoke(42)
		begin := time.Now()
		const longestToken = time.Hour
		for time.Since(begin) < longestToken+time.Minute {
			refresh(t, lists)
			wantIndexes(t, fetch(t, lists, 0), 42)
			if lists.Revoked() != 1 {
				t.Fatalf("%d are revoked", lists.Revoked())
			}
			time.Sleep(7 * time.Second)
		}
		for time.Since(begin) < revocation.Window+revocation.Epoch+time.Second {
			refresh(t, lists)
			time.Sleep(7 * time.Second)
		}
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 0))
		if lists.Revoked() != 0 {
			t.Errorf("%d are still revoked", lists.Revoked())
		}
	})
}

// TestAnIndexIsFreeOnlyWhenNoListShowsItsBit holds the wait before an index is used
// again against how long a set bit can be seen.
func TestAnIndexIsFreeOnlyWhenNoListShowsItsBit(t *testing.T) {
	t.Parallel()
	const longestToken = time.Hour
	seen := revocation.Window + revocation.Epoch + longestToken + 2*revocation.Epoch
	if session.StatusReuseAfter < seen+time.Minute {
		t.Errorf("an index is free after %s, its bit may be seen for %s", session.StatusReuseAfter, seen)
	}
}

func TestAWaitEndsWithTheChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &rows{}
		lists := newLists(t, store)
		refresh(t, lists)
		before := fetch(t, lists, 0)
		got := make(chan revocation.List)
		begin := time.Now()
		go func() {
			list, fresh, err := lists.Newer(t.Context(), 0, held(`"other"`, before.ETag), 25*time.Second)
			if err != nil || !fresh {
				t.Errorf("fresh %v, %v", fresh, err)
			}
			got <- list
		}()
		for range 10 {
			time.Sleep(revocation.PollEvery)
			refresh(t, lists)
		}
		store.revoke(3)
		refresh(t, lists)
		wantIndexes(t, <-got, 3)
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAWaitWithoutAChangeEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lists := newLists(t, &rows{})
		refresh(t, lists)
		list := fetch(t, lists, 0)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var owner sync.WaitGroup
		owner.Go(func() {
			for ctx.Err() == nil {
				time.Sleep(revocation.PollEvery)
				refresh(t, lists)
			}
		})
		begin := time.Now()
		got, fresh, err := lists.Newer(t.Context(), 0, held(list.ETag), 25*time.Second)
		if err != nil || fresh || got.ETag != list.ETag || time.Since(begin).Round(time.Second) != 25*time.Second {
			t.Errorf("%+v, fresh %v, %v after %s", got, fresh, err, time.Since(begin))
		}
		cancel()
		owner.Wait()
	})
}

func TestAWaitEndsWithTheCallerOrTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lists := newLists(t, &rows{})
		refresh(t, lists)
		has := held(fetch(t, lists, 0).ETag)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := lists.Newer(ctx, 0, has, 25*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller who left: %v", err)
		}
		refresh(t, lists)
		go func() {
			time.Sleep(time.Second)
			lists.Stop()
			lists.Stop()
		}()
		begin := time.Now()
		for range 2 { // the second finds it stopped
			if _, fresh, err := lists.Newer(t.Context(), 0, has, 25*time.Second); fresh || err != nil {
				t.Errorf("at the end: fresh %v, %v", fresh, err)
			}
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("waits ended after %s", took)
		}
	})
}

// TestAReplicaBehindTakesNothingBack: the caller comes from a replica that has read
// more than this one.
func TestAReplicaBehindTakesNothingBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &rows{}
		behind, ahead := newLists(t, store), newLists(t, store)
		refresh(t, behind)
		store.revoke(3)
		refresh(t, ahead)
		tag := fetch(t, ahead, 0).ETag
		for _, wait := range []time.Duration{0, time.Second} {
			if got, fresh, err := behind.Newer(t.Context(), 0, held(tag), wait); fresh || err != nil || got.ETag != tag {
				t.Errorf("wait %s: %+v, fresh %v, %v; want the caller's own tag", wait, got, fresh, err)
			}
		}
		store.revoke(4)
		refresh(t, behind)
		list, fresh, err := behind.Newer(t.Context(), 0, held(tag), 0)
		if err != nil || !fresh {
			t.Fatalf("after it caught up: fresh %v, %v", fresh, err)
		}
		wantIndexes(t, list, 3, 4)

		time.Sleep(revocation.Epoch)
		refresh(t, ahead) // its epoch has turned first
		tag = fetch(t, ahead, 0).ETag
		if _, _, err := behind.Newer(t.Context(), 0, held(tag), 0); !errors.Is(err, revocation.ErrStale) {
			t.Errorf("a replica that has not read for an epoch: %v, want %v", err, revocation.ErrStale)
		}
	})
}

// TestWithoutTheDatabaseTheLastListsAreServedUntilTheyExpire, but nothing is said to
// be unchanged, which nobody knows.
func TestWithoutTheDatabaseTheLastListsAreServedUntilTheyExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &rows{down: true}
		lists := newLists(t, store)
		if err := lists.Refresh(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("refresh: %v, want %v", err, errDown)
		}
		if _, _, err := lists.Newer(t.Context(), 0, revocation.Held{}, 0); !errors.Is(err, revocation.ErrStale) {
			t.Errorf("before anything was read: %v, want %v", err, revocation.ErrStale)
		}
		store.down = false
		store.revoke(3)
		refresh(t, lists)
		list := fetch(t, lists, 0)
		store.down = true
		for time.Until(list.Expiry) > time.Second {
			if err := lists.Refresh(t.Context()); !errors.Is(err, errDown) {
				t.Fatalf("refresh: %v, want %v", err, errDown)
			}
			if got := fetch(t, lists, 0); got != list {
				t.Fatal("the list has changed")
			}
			_, _, err := lists.Newer(t.Context(), 0, held(list.ETag), time.Minute)
			if !errors.Is(err, revocation.ErrStale) {
				t.Fatalf("unchanged? %v, want %v", err, revocation.ErrStale)
			}
			time.Sleep(5 * time.Second)
		}
		time.Sleep(time.Second)
		if _, _, err := lists.Newer(t.Context(), 0, revocation.Held{}, 0); !errors.Is(err, revocation.ErrStale) {
			t.Errorf("an expired list: %v, want %v", err, revocation.ErrStale)
		}
		store.down = false
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 0), 3)
	})
}

// TestWhatWasRevokedMeanwhileIsReadAfterAnOutage, and after a pause of the process.
func TestWhatWasRevokedMeanwhileIsReadAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &rows{}
		lists := newLists(t, store)
		refresh(t, lists)
		store.revoke(3) // by another replica
		time.Sleep(revocation.Epoch - 10*time.Second)
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 0), 3)
	})
}

func TestAClockThatIsSetBackTakesNothingBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &rows{ahead: revocation.Epoch + time.Second} // an epoch has just turned
		sign := signer(t, "k1")
		lists := revocation.New(revocation.Config{Issuer: issuer, AccessTTL: ttl, Store: store, Signer: func(now time.Time) (*token.Signer, error) {
			if want := time.Now().Add(store.ahead); !now.Equal(want) {
				t.Errorf("the key of %s is asked for, it is %s by the database", now, want)
			}
			return sign(now)
		}})
		store.revoke(3)
		refresh(t, lists)
		before := fetch(t, lists, 0)
		store.ahead = 0 // another server took over
		store.revoke(4)
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 0), 3, 4)
		if list, fresh, err := lists.Newer(t.Context(), 0, held(before.ETag), 0); err != nil || !fresh {
			t.Errorf("%+v, fresh %v, %v; want the new list", list, fresh, err)
		}
	})
}

// TestAClockThatIsAheadForAMomentHidesNoRevocation, neither one of before nor a later one.
func TestAClockThatIsAheadForAMomentHidesNoRevocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &rows{}
		lists := newLists(t, store)
		store.revoke(3)
		refresh(t, lists)
		for _, ahead := range []time.Duration{2 * time.Hour, 0} {
			store.ahead = ahead
			time.Sleep(revocation.PollEvery)
			refresh(t, lists)
			wantIndexes(t, fetch(t, lists, 0), 3)
		}
		store.revoke(4)
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 0), 3, 4)
		if left := time.Until(fetch(t, lists, 0).Expiry); left > ttl+2*revocation.Epoch || lists.Lead() != 0 {
			t.Errorf("the list expires in %s, and leads by %s", left, lists.Lead())
		}
		time.Sleep(revocation.Window + revocation.Epoch)
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 0))
	})
}

// TestAProcessThatBeginsWhileTheClockIsAheadLearnsAllWhenItIsBack: many were revoked, so that it takes pages.
func TestAProcessThatBeginsWhileTheClockIsAheadLearnsAllWhenItIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many, before = 65_000, 25_000
		store := &rows{}
		for i := range int64(before) {
			store.revoke(i)
		}
		store.ahead = 2 * time.Hour
		for i := int64(before); i < many; i++ { // of which it knows when the clock is back
			store.revoke(i)
		}
		lists := newLists(t, store)
		refresh(t, lists)
		store.ahead = 0
		refresh(t, lists)
		if lists.Revoked() != many {
			t.Errorf("%d are revoked, want %d", lists.Revoked(), many)
		}
	})
}

// TestAClockThatIsALittleBehindDoesNotTurnTheListsBack, and the difference is told.
func TestAClockThatIsALittleBehindDoesNotTurnTheListsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &rows{ahead: time.Minute}
		lists := newLists(t, store)
		store.revoke(3)
		refresh(t, lists)
		before := fetch(t, lists, 0)
		store.ahead = -time.Minute
		refresh(t, lists)
		if got := fetch(t, lists, 0); got != before || lists.Lead() != 2*time.Minute {
			t.Errorf("%+v became %+v, which leads by %s", before, got, lists.Lead())
		}
		store.revoke(4)
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 0), 3, 4)
	})
}

// revokeUnseen puts a revocation into the store whose transaction took long to commit.
func (r *rows) revokeUnseen(index int64, ago time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked = append(r.revoked, revocation.Revoked{Index: index, At: time.Now().Add(r.ahead - ago).UTC()})
}

// TestARevocationThatIsSeenLateIsSeen, at once while there are few, and when it is said again here.
func TestARevocationThatIsSeenLateIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &rows{}
		lists := newLists(t, store)
		store.revoke(1)
		refresh(t, lists)
		time.Sleep(30 * time.Minute)
		refresh(t, lists)
		store.revokeUnseen(2, 29*time.Minute)
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 0), 1, 2)

		for i := range int64(50_000) {
			store.revoke(100 + i)
		}
		refresh(t, lists)
		refresh(t, lists)
		store.revokeUnseen(3, 20*time.Minute)
		lists.Wake(3)
		<-lists.Woken()
		store.down = true
		if err := lists.Refresh(t.Context()); !errors.Is(err, errDown) {
			t.Fatalf("refresh: %v, want %v", err, errDown)
		}
		select {
		case <-lists.Woken():
			t.Error("a database that is down is asked again at once")
		default:
		}
		store.down = false
		refresh(t, lists)
		if lists.Revoked() != 50_003 {
			t.Errorf("%d are revoked after one was said again, want 50003", lists.Revoked())
		}
		store.revokeUnseen(4, 20*time.Minute)
		for range 6 { // pages
			refresh(t, lists)
		}
		if lists.Revoked() != 50_004 {
			t.Errorf("%d are revoked, want 50004", lists.Revoked())
		}
	})
}

// TestAMassRevocationIsReadOnce, not at each reading of the hour that it stays.
func TestAMassRevocationIsReadOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many, page = 100_000, 10_000
		store := &rows{}
		lists := newLists(t, store)
		refresh(t, lists)
		for i := range int64(many) {
			store.revoke(i)
		}
		refresh(t, lists)
		if lists.Revoked() != many {
			t.Fatalf("%d are revoked, want %d", lists.Revoked(), many)
		}
		store.read = 0
		const readings = 10
		for i := range int64(readings) {
			store.revoke(many + i)
			lists.Wake(many+i, i)
			time.Sleep(revocation.PollEvery)
			refresh(t, lists)
			if lists.Revoked() != many+int(i)+1 {
				t.Fatalf("%d are revoked, want one more each time", lists.Revoked())
			}
		}
		if store.read > readings*2*page {
			t.Errorf("%d rows were read, want two pages each time", store.read)
		}
	})
}

// TestAReadingThatWasCutOffGoesOn where it was, and nothing is said before it is done.
func TestAReadingThatWasCutOffGoesOn(t *testing.T) {
	t.Parallel()
	const many = 50_000
	store := &rows{}
	revokeMany := func() {
		for range many {
			store.revoke(store.highest + 1)
		}
	}
	revokeMany()
	pages := 0
	ctx, cancel := context.WithCancel(t.Context())
	store.failing = func() {
		if pages++; pages == 4 {
			cancel()
		}
	}
	lists := newLists(t, store)
	if err := lists.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want it cut off", err)
	}
	if _, _, err := lists.Newer(t.Context(), 0, revocation.Held{}, 0); !errors.Is(err, revocation.ErrStale) {
		t.Errorf("half a reading: %v, want %v", err, revocation.ErrStale)
	}
	pages = 5
	refresh(t, lists)
	if lists.Revoked() != many || pages > 9 {
		t.Errorf("%d are revoked after %d more pages, want %d after the first and those that were left", lists.Revoked(), pages-5, many)
	}

	revokeMany()
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	pages = 0
	if err := lists.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want it cut off", err)
	}
	refresh(t, lists)
	if lists.Revoked() != 2*many {
		t.Errorf("%d are revoked after as many again, want %d", lists.Revoked(), 2*many)
	}
}

func TestAListThatCannotBeSignedIsNotSaidToBeUnchanged(t *testing.T) {
	t.Parallel()
	store := &rows{}
	sign, broken := signer(t, "k1"), errors.New("no signer")
	var failing error
	lists := revocation.New(revocation.Config{Issuer: issuer, AccessTTL: ttl, Store: store, Signer: func(now time.Time) (*token.Signer, error) {
		if failing != nil {
			return nil, failing
		}
		return sign(now)
	}})
	refresh(t, lists)
	before := fetch(t, lists, 0)
	failing = broken
	store.revoke(3)
	for range 2 {
		if err := lists.Refresh(t.Context()); !errors.Is(err, broken) {
			t.Errorf("refresh: %v, want %v", err, broken)
		}
		if _, _, err := lists.Newer(t.Context(), 0, held(before.ETag), 0); !errors.Is(err, revocation.ErrStale) {
			t.Errorf("unchanged? %v, want %v", err, revocation.ErrStale)
		}
		if got := fetch(t, lists, 0); got != before {
			t.Error("the last list is not served")
		}
	}
	failing = nil
	refresh(t, lists)
	wantIndexes(t, fetch(t, lists, 0), 3)
}

func TestANewKeySignsTheListsAnew(t *testing.T) {
	t.Parallel()
	kid := "k1"
	lists := revocation.New(revocation.Config{Issuer: issuer, AccessTTL: ttl, Store: &rows{}, Signer: func(now time.Time) (*token.Signer, error) {
		return signer(t, kid)(now)
	}})
	refresh(t, lists)
	before := fetch(t, lists, 0)
	kid = "k2"
	refresh(t, lists)
	if after := fetch(t, lists, 0); after.ETag == before.ETag || after.Token == before.Token {
		t.Error("the list is that of the old key")
	}
}

func TestWakeIsHeardOnce(t *testing.T) {
	t.Parallel()
	lists := newLists(t, &rows{})
	for range 3 {
		lists.Wake()
	}
	<-lists.Woken()
	select {
	case <-lists.Woken():
		t.Error("it was heard twice")
	default:
	}
}
