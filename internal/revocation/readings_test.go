package revocation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// revokeUnseen puts a revocation into the store whose transaction took long to commit.
func (r *rows) revokeUnseen(index int64, ago time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked = append(r.revoked, revocation.Revoked{Index: index, At: time.Now().Add(r.ahead - ago).UTC()})
}

// TestARevocationThatIsSeenLateIsSeen, at once while there are few, and when it is said again here.
func TestARevocationThatIsSeenLateIsSeen(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
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
		hear(t, lists)
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
	bubble(t, func(t *testing.T) {
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

// TestAnUnmetExpectationExpires: all is read for it once, also where no
// list has room for it yet.
func TestAnUnmetExpectationExpires(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		const many, page = 35_000, 10_000
		store := &rows{ahead: apart}
		for i := range int64(many) {
			store.revoke(i)
		}
		lists := newLists(t, store)
		refresh(t, lists)
		for _, index := range []int64{many + 1, 2 * session.StatusListSize, 9 * session.StatusListSize} {
			lists.Wake(index)
			for _, want := range []int{many, 2 * page} {
				store.read = 0
				refresh(t, lists)
				if store.read > want || want == many && store.read != many {
					t.Errorf("%d rows were read for %d, want %d", store.read, index, want)
				}
			}
		}
	})
}

// TestAllIsReadWhenTheOlderHalfOfAPageIsNew: there may be more behind it.
func TestAllIsReadWhenTheOlderHalfOfAPageIsNew(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		const many, page = 30_000, 10_000
		store := &rows{ahead: apart}
		revoke := func(n int) {
			time.Sleep(time.Second)
			for range n {
				store.revoke(store.highest + 1)
			}
		}
		revoke(many)
		lists := newLists(t, store)
		refresh(t, lists)
		for n, want := range map[int]int{page / 2: 2 * page, page/2 + 1: 0} {
			revoke(n)
			store.read = 0
			refresh(t, lists)
			if want == 0 {
				want = len(store.revoked)
			}
			if store.read != want {
				t.Errorf("%d rows were read after %d new ones, want %d", store.read, n, want)
			}
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
