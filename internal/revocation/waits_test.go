package revocation_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// waiter is a caller who waits for another list than the one it has.
type waiter struct {
	began time.Time
	ended chan struct{}
	list  revocation.List
	fresh bool
	err   error
	took  time.Duration
}

// await begins to wait, in a bubble.
func await(ctx context.Context, lists *revocation.Lists, n int, has revocation.Held, wait time.Duration) *waiter {
	w := &waiter{began: time.Now(), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		w.list, w.fresh, w.err = lists.Newer(ctx, n, has, wait)
		w.took = time.Since(w.began)
	}()
	synctest.Wait()
	return w
}

func (w *waiter) waits() bool {
	synctest.Wait()
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}

// bound is a context that ends, so that a wait that never would fails.
func bound(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeoutCause(tb.Context(), time.Minute, errors.New("it takes too long"))
	tb.Cleanup(cancel)
	return ctx
}

// own refreshes the lists as their owner does, until the time is over.
func own(t *testing.T, lists *revocation.Lists, until time.Duration) {
	t.Helper()
	for end := time.Now().Add(until); time.Now().Before(end); {
		time.Sleep(revocation.PollEvery)
		synctest.Wait()
		refresh(t, lists)
	}
}

// TestAWaitEndsWithTheChange of its own list, at once, and of all who wait for it.
func TestAWaitEndsWithTheChange(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &rows{highest: session.StatusListSize} // three lists
		lists := newLists(t, store)
		refresh(t, lists)
		var waiters []*waiter
		for _, n := range []int{0, 1, 1} {
			waiters = append(waiters, await(bound(t), lists, n, held(`"other"`, fetch(t, lists, n).ETag), 25*time.Second))
		}
		own(t, lists, 5*time.Second)
		for _, w := range waiters {
			if !w.waits() {
				t.Fatalf("a wait ended without a change: %+v, fresh %v, %v", w.list, w.fresh, w.err)
			}
		}
		store.revoke(session.StatusListSize + 3)
		refresh(t, lists)
		for _, w := range waiters[1:] {
			if w.waits() || !w.fresh || w.err != nil || w.took != 5*time.Second {
				t.Fatalf("the list has changed: still waits %v, fresh %v, %v after %s", w.waits(), w.fresh, w.err, w.took)
			}
			wantIndexes(t, w.list, 3)
		}
		if !waiters[0].waits() {
			t.Errorf("another list has changed: fresh %v, %v", waiters[0].fresh, waiters[0].err)
		}
		store.revoke(4)
		refresh(t, lists)
		if waiters[0].waits() || !waiters[0].fresh {
			t.Fatal("its own list has changed, and it waits")
		}
		wantIndexes(t, waiters[0].list, 4)
	})
}

func TestAWaitWithoutAChangeEndsInTime(t *testing.T) {
	t.Parallel()
	for name, tags := range map[string]string{"the tag": "", "any": "*"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				lists := newLists(t, &rows{})
				refresh(t, lists)
				list := fetch(t, lists, 0)
				has := held(tags + list.ETag)
				if tags != "" {
					has = held(tags)
				}
				time.Sleep(revocation.PollEvery / 4) // out of step with the owner
				w := await(bound(t), lists, 0, has, 25*time.Second)
				own(t, lists, 30*time.Second)
				if w.waits() || w.err != nil || w.fresh || w.list != (revocation.List{ETag: list.ETag}) || w.took != 25*time.Second {
					t.Errorf("%+v, fresh %v, %v after %s", w.list, w.fresh, w.err, w.took)
				}
			})
		})
	}
}

// TestAWaitEndsWithTheCallerOrTheServer, whichever leaves first; at the shutdown all waiters
// get an answer, and later callers do not wait.
func TestAWaitEndsWithTheCallerOrTheServer(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		lists := newLists(t, &rows{})
		refresh(t, lists)
		tag := fetch(t, lists, 0).ETag
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		left := await(ctx, lists, 0, held(tag), 25*time.Second)
		var stay []*waiter
		for range 3 {
			stay = append(stay, await(bound(t), lists, 0, held(tag), 25*time.Second))
		}
		time.Sleep(time.Second)
		if left.waits() || !errors.Is(left.err, context.DeadlineExceeded) || left.took != time.Second {
			t.Errorf("a caller who left: %v after %s", left.err, left.took)
		}
		if !stay[0].waits() {
			t.Error("another one left with it")
		}
		lists.Stop()
		lists.Stop()
		stay = append(stay, await(bound(t), lists, 0, held(tag), 25*time.Second))
		for i, w := range stay {
			if w.waits() || w.fresh || w.err != nil || w.list.ETag != tag {
				t.Errorf("at the end: %d still waits %v, fresh %v, %v", i, w.waits(), w.fresh, w.err)
			}
		}
		if _, fresh, err := lists.Newer(bound(t), 0, held(), 25*time.Second); !fresh || err != nil {
			t.Errorf("whoever has none is still served: fresh %v, %v", fresh, err)
		}
	})
}

// TestUnchangedIsSaidForTwoSecondsAfterAReading, and to those who wait no longer either.
func TestUnchangedIsSaidForTwoSecondsAfterAReading(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store := &rows{}
		lists := newLists(t, store)
		refresh(t, lists)
		tag := fetch(t, lists, 0).ETag
		w := await(bound(t), lists, 0, held(tag), 25*time.Second)
		time.Sleep(revocation.MaxAge)
		if list, fresh, err := lists.Newer(bound(t), 0, held(tag), 0); err != nil || fresh || list.ETag != tag {
			t.Errorf("at the limit: %+v, fresh %v, %v", list, fresh, err)
		}
		if lists.Age() != revocation.MaxAge || !w.waits() {
			t.Errorf("age %s, and whoever waits: %v", lists.Age(), w.err)
		}
		time.Sleep(time.Nanosecond)
		if _, _, err := lists.Newer(bound(t), 0, held(tag), 0); !errors.Is(err, revocation.ErrStale) {
			t.Errorf("past it: %v, want %v", err, revocation.ErrStale)
		}
		time.Sleep(time.Millisecond)
		if w.waits() || !errors.Is(w.err, revocation.ErrStale) {
			t.Errorf("whoever waits: %v, want %v", w.err, revocation.ErrStale)
		}
	})
}

// TestAWaitOutlastsReadings: each makes the list young again.
func TestAWaitOutlastsReadings(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		lists := newLists(t, &rows{})
		refresh(t, lists)
		w := await(bound(t), lists, 0, held(fetch(t, lists, 0).ETag), 9*time.Second)
		for range 4 {
			time.Sleep(revocation.MaxAge)
			refresh(t, lists)
		}
		time.Sleep(time.Second)
		if w.waits() || w.err != nil || w.fresh || w.took != 9*time.Second {
			t.Errorf("fresh %v, %v after %s", w.fresh, w.err, w.took)
		}
	})
}

// hear fails unless a Refresh was requested.
func hear(t *testing.T, lists *revocation.Lists) {
	t.Helper()
	if !heard(lists) {
		t.Fatal("nobody asks the owner to refresh")
	}
}

func heard(lists *revocation.Lists) bool {
	select {
	case <-lists.Woken():
		return true
	default:
		return false
	}
}

func TestWakeIsHeardOnce(t *testing.T) {
	t.Parallel()
	lists := newLists(t, &rows{})
	if heard(lists) {
		t.Error("the owner is asked before anything was revoked")
	}
	for range 3 {
		lists.Wake()
	}
	hear(t, lists)
	if heard(lists) {
		t.Error("it was heard twice")
	}
	lists.Wake(7)
	hear(t, lists)
}
