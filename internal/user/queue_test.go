package user_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/user"
)

// gate holds every hash back until it is opened, and counts those inside.
type gate struct {
	open          chan struct{}
	inside, most  atomic.Int64
	entered, left atomic.Int64
}

func closedGate(hasher *user.Hasher) *gate {
	g := &gate{open: make(chan struct{})}
	hasher.WatchDerive(func(derive user.Derive) user.Derive {
		return func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
			g.entered.Add(1)
			for now := g.inside.Add(1); ; {
				most := g.most.Load()
				if now <= most || g.most.CompareAndSwap(most, now) {
					break
				}
			}
			<-g.open
			key := derive(password, salt, time, memory, threads, keyLen)
			g.inside.Add(-1)
			g.left.Add(1)
			return key
		}
	})
	return g
}

func TestNoMoreHashesRunThanThereAreSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher(t, cheap)
		g := closedGate(hasher)
		var callers sync.WaitGroup
		for i := range 100 {
			callers.Go(func() {
				if err := hasher.VerifyNobody(t.Context(), fmt.Sprint("violet ", i)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if running, queued := g.inside.Load(), hasher.Queued(); running != 2 || queued != 98 {
			t.Errorf("%d run and %d wait, want 2 and 98", running, queued)
		}
		close(g.open)
		callers.Wait()
		if most, left := g.most.Load(), g.left.Load(); most != 2 || left != 100 {
			t.Errorf("%d ran at once and %d at all, want 2 and 100", most, left)
		}
		if hasher.Queued() != 0 {
			t.Errorf("%d still wait", hasher.Queued())
		}
	})
}

func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher(t, cheap)
		g := closedGate(hasher)
		full := 2 + 2*user.WaitersPerSlot
		var callers sync.WaitGroup
		for range full {
			callers.Go(func() {
				if err := hasher.VerifyNobody(t.Context(), "violet"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		before := time.Now()
		if _, err := hasher.Hash(t.Context(), "one too many"); !errors.Is(err, user.ErrBusy) {
			t.Errorf("got %v, want %v", err, user.ErrBusy)
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("being sent away took %v", waited)
		}
		close(g.open)
		callers.Wait()
		if got := int(g.left.Load()); got != full {
			t.Errorf("%d ran, want %d", got, full)
		}
	})
}

func TestWaitingEndsWithBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher(t, cheap)
		stored := hash(t, hasher, "violet")
		g := closedGate(hasher)
		var running sync.WaitGroup
		for range 2 {
			running.Go(func() { _, _, _ = hasher.Verify(t.Context(), stored, "violet") })
		}
		synctest.Wait()
		before := time.Now()
		ok, stale, err := hasher.Verify(t.Context(), stored, "violet")
		if ok || stale || !errors.Is(err, user.ErrBusy) {
			t.Errorf("Verify = %v, %v, %v; want %v", ok, stale, err, user.ErrBusy)
		}
		if _, _, err := hasher.Verify(t.Context(), "corrupt", "violet"); !errors.Is(err, user.ErrBusy) || errors.Is(err, user.ErrHash) {
			t.Errorf("a corrupt hash gives %v, want %v as any other", err, user.ErrBusy)
		}
		if waited := time.Since(before); waited != 4*time.Second {
			t.Errorf("two calls waited %v, want 2 s each", waited)
		}
		if hasher.Queued() != 0 || g.entered.Load() != 2 {
			t.Errorf("%d wait and %d ran, want 0 and 2", hasher.Queued(), g.entered.Load())
		}
		close(g.open)
		running.Wait()
		if ok, _, err := hasher.Verify(t.Context(), stored, "violet"); !ok || err != nil {
			t.Errorf("afterwards: %v, %v", ok, err)
		}
	})
}

func TestACallerWhoLeavesStopsWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher(t, cheap)
		g := closedGate(hasher)
		var running sync.WaitGroup
		for range 2 {
			running.Go(func() { _ = hasher.VerifyNobody(t.Context(), "violet") })
		}
		synctest.Wait()
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		before := time.Now()
		if err := hasher.VerifyNobody(ctx, "violet"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		if waited := time.Since(before); waited != time.Second || hasher.Queued() != 0 {
			t.Errorf("left after %v with %d in the queue", waited, hasher.Queued())
		}
		close(g.open)
		running.Wait()
		if _, err := hasher.Hash(ctx, "violet"); !errors.Is(err, context.DeadlineExceeded) || g.entered.Load() != 2 {
			t.Errorf("a caller who has left gets %v, and %d hashes ran", err, g.entered.Load())
		}
	})
}

func TestWaitersAreServedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher, err := user.NewHasher(cheap, 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var served []string
		release := make(chan struct{})
		hasher.WatchDerive(func(user.Derive) user.Derive {
			return func(password, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
				served = append(served, string(password))
				<-release
				return make([]byte, keyLen)
			}
		})
		var callers sync.WaitGroup
		for i := range 5 {
			callers.Go(func() { _ = hasher.VerifyNobody(t.Context(), fmt.Sprint(i)) })
			synctest.Wait()
		}
		for range 5 {
			release <- struct{}{}
			synctest.Wait()
		}
		callers.Wait()
		if got := strings.Join(served, ""); got != "01234" {
			t.Errorf("served in order %s", got)
		}
	})
}

// leaver is the context of a caller who leaves where nothing wakes: of a slot that comes
// free and a caller that leaves, a waiter may hear either first.
type leaver struct {
	context.Context
	left atomic.Bool
}

func (*leaver) Done() <-chan struct{} { return nil }

func (l *leaver) Err() error {
	if l.left.Load() {
		return context.Canceled
	}
	return nil
}

// TestAPasswordWhoseCallerHasLeftIsNotHashed, though its turn has come: the slot is the
// next one's.
func TestAPasswordWhoseCallerHasLeftIsNotHashed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher, err := user.NewHasher(cheap, 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var hashed []string // by one at a time
		release, gone := make(chan struct{}), &leaver{Context: t.Context()}
		hasher.WatchDerive(func(user.Derive) user.Derive {
			return func(password, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
				hashed = append(hashed, string(password))
				<-release
				gone.left.Store(true)
				return make([]byte, keyLen)
			}
		})
		var callers sync.WaitGroup
		errs := make([]error, 3)
		for i, ctx := range []context.Context{t.Context(), gone, t.Context()} {
			callers.Go(func() { errs[i] = hasher.VerifyNobody(ctx, fmt.Sprint(i)) })
			synctest.Wait()
		}
		close(release)
		callers.Wait()
		if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || errs[2] != nil {
			t.Errorf("errors %v, want that the second caller has left", errs)
		}
		if got := strings.Join(hashed, ""); got != "02" || hasher.Queued() != 0 {
			t.Errorf("hashed %s with %d left in the queue, want 02 and none", got, hasher.Queued())
		}
	})
}
