package revocation_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/token"
)

// jumps are how far the database's clock is set for a moment.
var jumps = []time.Duration{-31 * 24 * time.Hour, -time.Hour, -2 * time.Minute, -11 * time.Second, 11 * time.Second, 2 * time.Minute, time.Hour, 31 * 24 * time.Hour}

// amongThree returns lists whose time comes from three clocks, of which the database's may be wrong.
func amongThree(tb testing.TB, store revocation.Store) *revocation.Lists {
	tb.Helper()
	return revocation.New(revocation.Config{
		Issuer: issuer, AccessTTL: ttl, Store: store, Signer: signer(tb, "k1"),
		Clocks: func(database time.Time) clock.Clocks {
			return clock.Clocks{Database: database, Redis: time.Now(), Machine: time.Now()}
		},
	})
}

// follower is a service that follows list 0 as pkg/verifier does.
type follower struct {
	etag    string
	issued  int64
	revoked []int
}

// follow takes the newest list of a replica. It refuses one from the future, one that has
// expired and one that is older than its own.
func (f *follower) follow(t *testing.T, lists *revocation.Lists) {
	t.Helper()
	list, fresh, err := lists.Newer(t.Context(), 0, held(f.etag), 0)
	if err != nil {
		t.Errorf("%s: %v", time.Now(), err)
	}
	if err != nil || !fresh {
		return
	}
	c, set := decode(t, list)
	if now := time.Now().Unix(); c.Iat > now+30 || c.Exp <= now || c.Iat < f.issued {
		t.Errorf("a list of %d to %d is refused at %d, after one of %d", c.Iat, c.Exp, now, f.issued)
		return
	}
	f.etag, f.issued, f.revoked = list.ETag, c.Iat, set
}

func (f *follower) want(t *testing.T, when string, indexes ...int) {
	t.Helper()
	for _, index := range indexes {
		if !slices.Contains(f.revoked, index) {
			t.Errorf("%s: the follower knows %v, not %d", when, f.revoked, index)
		}
	}
}

// TestAFollowerLearnsOfEveryRevocationThroughJumpsOfTheDatabasesClock, of those before, in
// and after the jump, and for as long as a token may live.
func TestAFollowerLearnsOfEveryRevocationThroughJumpsOfTheDatabasesClock(t *testing.T) {
	t.Parallel()
	for _, jump := range jumps {
		bubble(t, func(t *testing.T) {
			store, f := &rows{}, &follower{}
			lists := amongThree(t, store)
			poll := func(d time.Duration, indexes ...int) {
				for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(revocation.PollEvery) {
					refresh(t, lists)
					f.follow(t, lists)
					f.want(t, jump.String(), indexes...)
				}
			}
			poll(5 * time.Second)
			store.revoke(1)
			poll(2*time.Second, 1)
			store.ahead = jump
			store.revoke(2)
			poll(7*time.Second, 1, 2)
			store.ahead = 0
			store.revoke(3)
			poll(20*time.Second, 1, 2, 3)
			for range 11 { // nearly an hour in all, as long as a token may live
				time.Sleep(5 * time.Minute)
				store.revoke(4)
				poll(time.Second, 1, 2, 3, 4)
			}
		})
	}
}

// TestAReplicaThatStartsInOrAfterAJumpSaysWhatTheOthersSay: it gets the same bytes from the rows,
// but for those of a clock that was behind, which it can't know to be young.
func TestAReplicaThatStartsInOrAfterAJumpSaysWhatTheOthersSay(t *testing.T) {
	t.Parallel()
	for _, jump := range jumps {
		bubble(t, func(t *testing.T) {
			store := &rows{}
			lists := amongThree(t, store)
			same := func(when string) {
				t.Helper()
				fresh := amongThree(t, store)
				refresh(t, lists)
				refresh(t, fresh)
				if a, b := fetch(t, lists, 0), fetch(t, fresh, 0); a != b {
					t.Errorf("%s %s: one says %+v, one that has just started %+v", jump, when, a, b)
				}
			}
			store.revoke(1)
			same("before")
			store.ahead = jump
			same("in the jump")
			store.revoke(2)
			same("after a revocation in it")
			store.ahead = 0
			if jump > -time.Hour {
				same("after it")
			}
			store.revoke(3)
			refresh(t, lists)
			wantIndexes(t, fetch(t, lists, 0), 1, 2, 3)
		})
	}
}

// TestAListIsSignedAgainWhenARevocationComesThatWasAhead, so that all replicas say the same.
func TestAListIsSignedAgainWhenARevocationComesThatWasAhead(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &rows{}
		early, late := amongThree(t, store), amongThree(t, store)
		store.ahead = time.Minute
		store.revoke(1)
		store.ahead = 0
		refresh(t, early)
		before, _ := decode(t, fetch(t, early, 0))
		time.Sleep(time.Minute - clock.Tolerance - time.Second)
		refresh(t, early)
		if now, _ := decode(t, fetch(t, early, 0)); now.Iat != before.Iat {
			t.Errorf("iat %d became %d before its time", before.Iat, now.Iat)
		}
		time.Sleep(time.Second)
		refresh(t, early)
		refresh(t, late)
		a, b := fetch(t, early, 0), fetch(t, late, 0)
		if now, _ := decode(t, a); now.Iat <= before.Iat || a != b {
			t.Errorf("one says %+v, the other %+v", a, b)
		}
	})
}

// TestTheKeyOfAListIsThatOfTheReliableTime, whatever the database's clock says.
func TestTheKeyOfAListIsThatOfTheReliableTime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		for ahead, want := range map[time.Duration]time.Duration{0: 0, 9 * time.Second: 9 * time.Second, time.Hour: 0} {
			sign, store := signer(t, "k1"), &rows{ahead: ahead}
			lists := amongThree(t, store)
			asked := time.Time{}
			lists.Signer = func(now time.Time) (*token.Signer, error) { asked = now; return sign(now) }
			refresh(t, lists)
			if got := time.Until(asked); got != want {
				t.Errorf("the database is %s ahead: the key of %s ahead is asked for, want %s", ahead, got, want)
			}
		}
	})
}

// TestASetBackOfTheDatabasesClockHidesNoneOfMany: what is revoked then comes behind those of the
// hour in order, and nobody announced it.
func TestASetBackOfTheDatabasesClockHidesNoneOfMany(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		const many = 35_000 // four pages
		store := &rows{}
		for i := range int64(many) {
			store.revoke(i)
		}
		lists := amongThree(t, store)
		refresh(t, lists)
		time.Sleep(revocation.PollEvery)
		store.ahead = -50 * time.Minute
		store.revoke(many)
		refresh(t, lists)
		if lists.Revoked() != many+1 {
			t.Errorf("%d are revoked, want %d", lists.Revoked(), many+1)
		}
	})
}
