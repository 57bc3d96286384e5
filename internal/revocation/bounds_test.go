package revocation_test

import (
	"crypto"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

const (
	tick = time.Microsecond // the grain of the stores
	// apart is how far the database's clock is from this process's, which says nothing of
	// when a list or a revocation is: whole epochs.
	apart = -10_000 * revocation.Epoch
)

// TestABitLeavesAtTheFirstTurnAtWhichNoTokenLives: an hour, the longest lifetime of an
// access token, and a minute after the revocation; a tick less keeps it for an epoch
// more. A replica that has just been started says the same.
func TestABitLeavesAtTheFirstTurnAtWhichNoTokenLives(t *testing.T) {
	t.Parallel()
	const window = time.Hour + time.Minute
	for n, offset := range map[int]time.Duration{0: 0, 2: 94 * time.Second} { // the lists turn one after the other
		for _, after := range []time.Duration{-tick, 0, tick} {
			bubble(t, func(t *testing.T) {
				turn := time.Now().Add(30*revocation.Epoch - offset) // a bubble begins with an epoch of list 0
				store := &rows{highest: 2 * session.StatusListSize, ahead: apart}
				lists := newLists(t, store)
				time.Sleep(time.Until(turn.Add(after - window)))
				store.revoke(int64(n)*session.StatusListSize + 42)
				follow := func(until time.Time, want ...int) {
					t.Helper()
					for time.Now().Before(until) {
						refresh(t, lists)
						wantIndexes(t, fetch(t, lists, n), want...)
						time.Sleep(min(time.Until(until), 2*time.Minute))
					}
				}
				follow(turn, 42)
				if after > 0 {
					follow(turn.Add(revocation.Epoch), 42)
				}
				refresh(t, lists)
				wantIndexes(t, fetch(t, lists, n))
				if lists.Revoked() != 0 {
					t.Errorf("%d are revoked", lists.Revoked())
				}
				fresh := newLists(t, store)
				refresh(t, fresh)
				if a, b := fetch(t, lists, n), fetch(t, fresh, n); a != b {
					t.Errorf("%s after the turn: one says %+v, the other %+v", after, a, b)
				}
			})
		}
	}
}

// TestAReplicaThatStartsSaysWhatTheOthersSay of every revocation that is near its end.
func TestAReplicaThatStartsSaysWhatTheOthersSay(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &rows{highest: session.StatusListSize}
		lists := newLists(t, store)
		for i := range int64(16) {
			store.revoke(i * 10_000)
			time.Sleep(revocation.Epoch / 4)
			refresh(t, lists)
		}
		for range 20 {
			time.Sleep(4 * time.Minute)
			refresh(t, lists)
			fresh := newLists(t, store)
			refresh(t, fresh)
			for n := range 3 {
				if a, b := fetch(t, lists, n), fetch(t, fresh, n); a != b {
					t.Fatalf("list %d: one says %+v, the other %+v", n, a, b)
				}
			}
		}
	})
}

// TestABitStaysByTheProcessesClockToo, whatever the database's says.
func TestABitStaysByTheProcessesClockToo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		const slack = 20 * time.Second // clocks don't run alike
		store := &rows{ahead: apart}
		lists := newLists(t, store)
		time.Sleep(7 * time.Minute)
		store.revoke(42)
		revoked := time.Now()
		refresh(t, lists)
		store.ahead = apart + 2*time.Hour
		for time.Since(revoked) <= revocation.Window-slack { // an epoch turns at each step, and at the bound
			refresh(t, lists)
			wantIndexes(t, fetch(t, lists, 0), 42)
			step := 10 * time.Minute
			if left := revocation.Window - slack - time.Since(revoked); left <= step {
				step = max(left, time.Second)
			}
			time.Sleep(step)
			store.ahead += revocation.Epoch
		}
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 0))
	})
}

// TestAListSaysWhenItWasMadeAndUntilWhenItIsGood: from its epoch, or its last revocation
// on, for the lifetime of access tokens and two epochs from the beginning of the epoch.
func TestAListSaysWhenItWasMadeAndUntilWhenItIsGood(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &rows{highest: session.StatusListSize, ahead: apart}
		begin := store.now()
		lists := newLists(t, store)
		time.Sleep(100*time.Second + 700*time.Millisecond)
		refresh(t, lists)
		want := func(n int, issued, expiry time.Duration) {
			t.Helper()
			list := fetch(t, lists, n)
			c, _ := decode(t, list)
			if c.Iat != begin.Add(issued).Unix() || c.Exp != begin.Add(expiry).Unix() || !list.Expiry.Equal(begin.Add(expiry)) {
				t.Errorf("list %d: iat %d, exp %d, %s; want %s and %s after %d", n, c.Iat, c.Exp, list.Expiry, issued, expiry, begin.Unix())
			}
		}
		const turn1 = -47 * time.Second // the second list turns 47 s before the first
		want(0, 0, ttl+2*revocation.Epoch)
		want(1, turn1, turn1+ttl+2*revocation.Epoch)
		store.revoke(1)
		time.Sleep(20 * time.Second)
		store.revoke(2)
		refresh(t, lists)
		want(0, 120*time.Second, ttl+2*revocation.Epoch)
		time.Sleep(revocation.Epoch - 120*time.Second - 700*time.Millisecond - 1)
		refresh(t, lists)
		want(0, 120*time.Second, ttl+2*revocation.Epoch)
		want(1, turn1+revocation.Epoch, turn1+ttl+3*revocation.Epoch)
		time.Sleep(time.Nanosecond)
		refresh(t, lists)
		want(0, revocation.Epoch, ttl+3*revocation.Epoch)
	})
}

// TestAListIsServedToItsLastInstant, and not at its expiry.
func TestAListIsServedToItsLastInstant(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		for _, ahead := range []time.Duration{0, -time.Hour, time.Hour} { // it is the database's clock that tells
			lists := newLists(t, &rows{ahead: ahead})
			refresh(t, lists)
			left := time.Until(fetch(t, lists, 0).Expiry) + ahead*-1
			time.Sleep(left - 1)
			fetch(t, lists, 0)
			time.Sleep(time.Nanosecond)
			if _, _, err := lists.Newer(bound(t), 0, held(), 0); !errors.Is(err, revocation.ErrStale) {
				t.Errorf("%s ahead: %v, want %v", ahead, err, revocation.ErrStale)
			}
		}
	})
}

// TestThereIsOneListMoreThanSessionsAreIn: another replica may have opened it since.
func TestThereIsOneListMoreThanSessionsAreIn(t *testing.T) {
	t.Parallel()
	lists := newLists(t, &rows{})
	if uris, err := lists.URIs(); !errors.Is(err, revocation.ErrStale) {
		t.Errorf("before anything was read: %v, %v", uris, err)
	}
	const size = session.StatusListSize
	for _, c := range []struct {
		highest, revoked int64
		want             int
	}{{0, 0, 2}, {size - 1, 0, 2}, {size, 0, 3}, {0, size - 1, 2}, {0, size, 3}, {5 * size, 3, 7}, {3, 5*size - 1, 6}} {
		store := &rows{}
		store.revoke(c.revoked)
		store.highest = c.highest
		lists := newLists(t, store)
		refresh(t, lists)
		uris, err := lists.URIs()
		if err != nil || len(uris) != c.want || uris[c.want-1] != issuer+"/oauth/status-lists/"+strconv.Itoa(c.want-1) {
			t.Errorf("%+v: %v, %v", c, uris, err)
		}
		for n := range c.want {
			fetch(t, lists, n)
		}
		if _, _, err := lists.Newer(bound(t), c.want, held(), 0); !errors.Is(err, revocation.ErrUnknown) {
			t.Errorf("list %d: %v, want %v", c.want, err, revocation.ErrUnknown)
		}
	}
}

// TestAnIndexThatCannotBeIsPassedOver: it stops none that can, and opens no lists.
func TestAnIndexThatCannotBeIsPassedOver(t *testing.T) {
	t.Parallel()
	store := &rows{}
	for _, index := range []int64{-1, 3, session.MaxStatusIndex + 1, session.MaxStatusIndex + 1<<40} {
		store.revoke(index)
	}
	store.highest = 3
	lists := newLists(t, store)
	refresh(t, lists)
	if uris, err := lists.URIs(); lists.Revoked() != 1 || err != nil || len(uris) != 2 {
		t.Errorf("%d are revoked in %d lists, %v; want 1 in 2", lists.Revoked(), len(uris), err)
	}
	wantIndexes(t, fetch(t, lists, 0), 3)
}

// TestTheGaugesSayWhatTheLastReadingFound, and nothing before it.
func TestTheGaugesSayWhatTheLastReadingFound(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &rows{ahead: time.Minute}
		lists := newLists(t, store)
		want := func(when string, revoked int, age, lead time.Duration) {
			t.Helper()
			if lists.Revoked() != revoked || lists.Age() != age || lists.Lead() != lead {
				t.Errorf("%s: %d revoked, age %s, lead %s; want %d, %s, %s", when, lists.Revoked(), lists.Age(), lists.Lead(), revoked, age, lead)
			}
		}
		time.Sleep(time.Second)
		want("before", 0, 0, 0)
		store.revoke(1)
		store.revoke(session.StatusListSize)
		store.failing = func() { time.Sleep(300 * time.Millisecond) } // an answer that takes long is as old as its question
		refresh(t, lists)
		want("at once", 2, 300*time.Millisecond, 0)
		time.Sleep(time.Second)
		want("later", 2, 1300*time.Millisecond, 0)
		store.ahead -= 10 * time.Second
		refresh(t, lists)
		want("a clock that is set back", 2, 300*time.Millisecond, 10*time.Second-1300*time.Millisecond)
		store.down = true
		time.Sleep(time.Second)
		if err := lists.Refresh(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("got %v, want %v", err, errDown)
		}
		want("an outage", 2, 1600*time.Millisecond, 10*time.Second-1300*time.Millisecond)
	})
}

// TestAClockIsBelievedWhenItIsSetBackByMoreThanAnEpoch, and not by one.
func TestAClockIsBelievedWhenItIsSetBackByMoreThanAnEpoch(t *testing.T) {
	t.Parallel()
	for back, lead := range map[time.Duration]time.Duration{
		revocation.Epoch - tick: revocation.Epoch - tick, revocation.Epoch: revocation.Epoch, revocation.Epoch + tick: 0,
	} {
		bubble(t, func(t *testing.T) {
			store := &rows{}
			lists := newLists(t, store)
			refresh(t, lists)
			store.ahead = -back
			refresh(t, lists)
			if lists.Lead() != lead {
				t.Errorf("%s back: it leads by %s, want %s", back, lists.Lead(), lead)
			}
		})
	}
}

// TestOnlyTheListThatCannotBeSignedIsStale: of the others it is still said that they
// have not changed.
func TestOnlyTheListThatCannotBeSignedIsStale(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &rows{}
		sign, failing := signer(t, "k1"), error(nil)
		lists := revocation.New(revocation.Config{Issuer: issuer, AccessTTL: ttl, Store: store, Signer: func(now time.Time) (*token.Signer, error) {
			if failing != nil {
				return nil, failing
			}
			return sign(now)
		}})
		failing = errDown
		if err := lists.Refresh(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("got %v, want %v", err, errDown)
		}
		if _, _, err := lists.Newer(bound(t), 0, held(), 0); !errors.Is(err, revocation.ErrStale) {
			t.Errorf("a list that was never signed: %v", err)
		}
		failing = nil
		refresh(t, lists)
		tags := []string{fetch(t, lists, 0).ETag, fetch(t, lists, 1).ETag}
		failing = errDown
		store.revoke(session.StatusListSize + 1)
		if err := lists.Refresh(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("got %v, want %v", err, errDown)
		}
		if _, fresh, err := lists.Newer(bound(t), 0, held(tags[0]), 0); fresh || err != nil {
			t.Errorf("a list that has not changed: fresh %v, %v", fresh, err)
		}
		if _, _, err := lists.Newer(bound(t), 1, held(tags[1]), 0); !errors.Is(err, revocation.ErrStale) {
			t.Errorf("a list that has: %v", err)
		}
		failing = nil
		refresh(t, lists)
		wantIndexes(t, fetch(t, lists, 1), 1)
		if _, fresh, err := lists.Newer(bound(t), 1, held(fetch(t, lists, 1).ETag), 0); fresh || err != nil {
			t.Errorf("a list that was signed at last: fresh %v, %v", fresh, err)
		}
	})
}

// broken is a key that does not sign.
type broken struct{ crypto.Signer }

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errDown }

func TestAListWhoseSignatureFailsIsNotServed(t *testing.T) {
	t.Parallel()
	sign, err := token.NewSigner("k1", broken{key()})
	if err != nil {
		t.Fatal(err)
	}
	lists := revocation.New(revocation.Config{Issuer: issuer, AccessTTL: ttl, Store: &rows{}, Signer: func(time.Time) (*token.Signer, error) { return sign, nil }})
	if err := lists.Refresh(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("got %v, want %v", err, errDown)
	}
	if list, _, err := lists.Newer(bound(t), 0, held(), 0); !errors.Is(err, revocation.ErrStale) {
		t.Errorf("%+v, %v; want %v", list, err, revocation.ErrStale)
	}
}

// TestATagOfTheNextEpochIsBelievedBeforeItsTurn, by the database's clock and the turn of
// its own list: replicas are no further apart than fifteen seconds.
func TestATagOfTheNextEpochIsBelievedBeforeItsTurn(t *testing.T) {
	t.Parallel()
	for n, offset := range map[int]time.Duration{0: 0, 2: 94 * time.Second} {
		for _, ahead := range []time.Duration{-4 * time.Second, 4 * time.Second, apart} {
			bubble(t, func(t *testing.T) {
				store := &rows{highest: session.StatusListSize, ahead: ahead}
				lists := newLists(t, store)
				refresh(t, lists)
				turn := store.now().Truncate(revocation.Epoch).Add(2*revocation.Epoch - offset)
				for before, fresh := range map[time.Duration]bool{17 * time.Second: true, 15*time.Second + 1: true, 15 * time.Second: false, time.Second: false} {
					lists := newLists(t, store)
					time.Sleep(turn.Add(-before - time.Second).Sub(store.now()))
					refresh(t, lists)
					time.Sleep(time.Second)
					epoch, err := strconv.Atoi(strings.Split(strings.Trim(fetch(t, lists, n).ETag, `"`), ".")[0])
					if err != nil {
						t.Fatal(err)
					}
					next := `"` + strconv.Itoa(epoch+1) + `.0.x"`
					if list, got, err := lists.Newer(bound(t), n, held(next), 0); err != nil || got != fresh || !got && list.ETag != next {
						t.Errorf("list %d, %s before its turn: fresh %v, %v; want %v", n, before, got, err, fresh)
					}
					turn = turn.Add(revocation.Epoch)
				}
			})
		}
	}
}

// TestTheTagOfAListNeverChanges: replicas of two releases serve beside each other, and a
// caller with the list of one must not be sent that of the other.
func TestTheTagOfAListNeverChanges(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) { // which begins with the year 2000
		store := &rows{}
		lists := newLists(t, store)
		refresh(t, lists)
		if got, want := fetch(t, lists, 0).ETag, `"5259360.0.2UpDeSp787dddSYpWHBp7g"`; got != want {
			t.Errorf("tag %s, want %s", got, want)
		}
		time.Sleep(90 * time.Second)
		for i := range int64(12) { // in the order of their indexes, not of the map they are kept in
			store.revoke(session.StatusListSize - 1 - 10_000*i)
		}
		refresh(t, lists)
		if got, want := fetch(t, lists, 0).ETag, `"5259360.12.FaWMb1t-SLYPsTuToayafQ"`; got != want {
			t.Errorf("tag %s, want %s", got, want)
		}
		if got, want := fetch(t, lists, 1).ETag, `"5259360.0.vD3f7Sg5WXZhPBulxl8kYw"`; got != want {
			t.Errorf("tag %s, want %s", got, want)
		}
	})
}

// TestTheTimesOfListsFitTogether: each constant is what another relies on.
func TestTheTimesOfListsFitTogether(t *testing.T) {
	t.Parallel()
	for rule, holds := range map[string]bool{
		"a revoked session stays for the longest lifetime of a token and a minute": revocation.Window == time.Hour+time.Minute,
		"three readings that are late leave a list young enough":                   revocation.MaxAge > 3*revocation.PollEvery,
		"a reading that was asked for comes before the next that comes by itself":  revocation.Apart < revocation.PollEvery,
		"whoever polls does so within an epoch":                                    revocation.TTL < revocation.Epoch,
		"an epoch is in whole seconds":                                             revocation.Epoch%time.Second == 0,
	} {
		if !holds {
			t.Error("no longer: " + rule)
		}
	}
}
