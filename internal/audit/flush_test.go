package audit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// add queues n events and returns their ids.
func add(queue *audit.Queue, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		e := audit.New(audit.SessionHealed, audit.ByClient("first-party"))
		ids[i] = e.ID
		queue.Add(e)
	}
	return ids
}

func (t *trail) ids() []string {
	ids := make([]string, len(t.events))
	for i, e := range t.events {
		ids[i] = e.ID
	}
	return ids
}

func TestEventsAreWrittenInOrderAndInBatchesUntilNoneIsLeft(t *testing.T) {
	t.Parallel()
	kept := &trail{}
	queue := audit.NewQueue(kept)
	want := add(queue, 1000)
	kept.during = func(batch int) error { // one that comes meanwhile is written, too
		if batch == 0 {
			want = append(want, add(queue, 1)...)
		}
		return nil
	}
	if err := queue.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kept.ids(), want); diff != "" {
		t.Errorf("written (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(kept.batches, []int{500, 500, 1}); diff != "" {
		t.Errorf("batches (-got +want):\n%s", diff)
	}
	if err := queue.Flush(t.Context()); err != nil || len(kept.batches) != 3 {
		t.Errorf("flushed again: %v, batches %v", err, kept.batches)
	}
}

// TestAnEventThatCouldNotBeWrittenIsKeptAndTriedAgain, in its turn, and what was written
// before the trouble began is not sent again.
func TestAnEventThatCouldNotBeWrittenIsKeptAndTriedAgain(t *testing.T) {
	t.Parallel()
	down := errors.New("the database is down")
	kept := &trail{during: func(batch int) error {
		if batch == 1 {
			return down
		}
		return nil
	}}
	queue := audit.NewQueue(kept)
	want := add(queue, 1200)
	for range 3 {
		if err := queue.Flush(t.Context()); !errors.Is(err, down) {
			t.Fatalf("Flush = %v, want %v", err, down)
		}
		if !slices.Equal(kept.ids(), want[:500]) {
			t.Fatalf("%d are written, want the first 500", len(kept.events))
		}
		want = append(want, add(queue, 1)...)
	}
	kept.during = nil
	if err := queue.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kept.ids(), want); diff != "" || queue.Dropped() != 0 {
		t.Errorf("%d were dropped; written (-got +want):\n%s", queue.Dropped(), diff)
	}
}

func TestAnEventThatDoesNotFitIsCounted(t *testing.T) {
	t.Parallel()
	const most = 10_000
	kept := &trail{}
	queue := audit.NewQueue(kept)
	want := add(queue, most)
	if got := queue.Dropped(); got != 0 {
		t.Errorf("%d are dropped while there is room", got)
	}
	add(queue, 2)
	queue.AddSeldom(refused("a", "192.0.2.1", 0))
	if got := queue.Dropped(); got != 3 {
		t.Errorf("%d are dropped, want 3", got)
	}
	if err := queue.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want = append(want, add(queue, 1)...) // there is room again
	if err := queue.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(kept.ids(), want) || queue.Dropped() != 3 {
		t.Errorf("%d are written and %d dropped, want the %d that came first and 3", len(kept.events), queue.Dropped(), len(want))
	}
}

// TestConcurrentFlushesWriteEachEventOnce: the one at the end may come while another is
// at it.
func TestConcurrentFlushesWriteEachEventOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, release := &trail{}, make(chan struct{})
		kept.during = func(int) error {
			<-release
			return nil
		}
		queue := audit.NewQueue(kept)
		want := add(queue, 3)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := queue.Flush(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second) // one writes, the other waits for it
		want = append(want, add(queue, 600)...)
		close(release)
		both.Wait()
		if diff := cmp.Diff(kept.ids(), want); diff != "" {
			t.Errorf("written (-got +want):\n%s", diff)
		}
	})
}

func TestEventsAreWrittenUnderTheCallersContext(t *testing.T) {
	t.Parallel()
	queue := audit.NewQueue(&trail{})
	add(queue, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := queue.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush = %v, want %v", err, context.Canceled)
	}
}
