package revocation_test

import (
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/token"
)

func TestAClockThatIsSetBackTakesNothingBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
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

// TestAClockThatIsAheadForAMomentHidesNoRevocation, neither an earlier nor a later one.
func TestAClockThatIsAheadForAMomentHidesNoRevocation(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
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
	bubble(t, func(t *testing.T) {
		const many, before = 65_000, 25_000
		const apart = -10 * time.Hour // this process's clock tells nothing of it
		store := &rows{ahead: apart}
		for i := range int64(before) {
			store.revoke(i)
		}
		store.ahead = apart + 2*time.Hour
		for i := int64(before); i < many; i++ { // of which it knows when the clock is back
			store.revoke(i)
		}
		lists := newLists(t, store)
		refresh(t, lists)
		store.ahead = apart
		refresh(t, lists)
		if lists.Revoked() != many {
			t.Errorf("%d are revoked, want %d", lists.Revoked(), many)
		}
	})
}

// TestAClockThatIsALittleBehindDoesNotTurnTheListsBack, and the difference is reported.
func TestAClockThatIsALittleBehindDoesNotTurnTheListsBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
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
