package revocation_test

import (
	"crypto"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

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

// TestReplicasSignTheSameBytes: a caller of two replicas never sees a difference.
func TestReplicasSignTheSameBytes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
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
	bubble(t, func(t *testing.T) {
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

// TestAFollowersListOutlivesEveryToken is what an outage is survived by.
func TestAFollowersListOutlivesEveryToken(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
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
	bubble(t, func(t *testing.T) {
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

// TestAReplicaBehindTakesNothingBack: the caller comes from a replica that has read
// more than this one.
func TestAReplicaBehindTakesNothingBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
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

// TestWithoutTheDatabaseTheLastListsAreServedUntilTheyExpire, but none is reported as
// unchanged, which the replica can't know.
func TestWithoutTheDatabaseTheLastListsAreServedUntilTheyExpire(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
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
	bubble(t, func(t *testing.T) {
		store := &rows{}
		lists := newLists(t, store)
		refresh(t, lists)
		store.revoke(3) // by another replica
		time.Sleep(revocation.Epoch - 10*time.Second)
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 0), 3)
	})
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

func TestANewKeySignsTheListsAgain(t *testing.T) {
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
