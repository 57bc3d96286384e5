package session_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// due is the standing of a session that was last seen that long ago, at checkpoint 5;
// spread is what its family adds to the hour.
func due(id string, ago, spread time.Duration) session.Standing {
	s := session.Standing{Now: now, Session: session.Session{ID: id, Checkpoint: 5, LastSeenAt: now.Add(-ago)}}
	binary.BigEndian.PutUint64(s.Family[:], uint64(spread))
	return s
}

func TestACheckpointIsDueAfterAnHourAndTheSpreadOfItsSession(t *testing.T) {
	t.Parallel()
	const most = 20*time.Minute - 1
	for _, c := range []struct {
		ago, spread time.Duration
		generation  uint32
		want        bool
	}{
		{time.Hour, 0, 6, true}, {time.Hour - 1, 0, 6, false},
		{time.Hour, 0, 5, true}, {time.Hour, 0, 4, false}, // one that is the checkpoint was seen, too
		{time.Hour + most, most, 6, true}, {time.Hour + most - 1, most, 6, false},
		{time.Hour, 20 * time.Minute, 6, true}, // which spreads no further
		{0, 0, 99, false}, {-session.SeenAhead, 0, 99, false},
		{-session.SeenAhead - 1, 0, 6, true}, {-time.Hour, 0, 4, false}, // seen by a clock that was ahead
	} {
		if got := session.CheckpointDue(due("x", c.ago, c.spread), c.generation); got != c.want {
			t.Errorf("seen %v ago, spread by %v, generation %d: due %v, want %v", c.ago, c.spread, c.generation, got, c.want)
		}
	}
}

// rows keeps the checkpoints that it is given, unless it is in trouble.
type rows struct {
	session.Store
	batches   []int             // their sizes
	saved     map[string]uint32 // by session
	intervals map[time.Duration]bool
	trouble   func(batch int) error // nil: none
}

func (r *rows) SaveCheckpoints(ctx context.Context, batch []session.Checkpoint, interval time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.trouble != nil {
		if err := r.trouble(len(r.batches)); err != nil {
			return err
		}
	}
	r.batches = append(r.batches, len(batch))
	if r.saved == nil {
		r.saved, r.intervals = map[string]uint32{}, map[time.Duration]bool{}
	}
	r.intervals[interval] = true
	for _, c := range batch {
		if _, twice := r.saved[c.SessionID]; twice {
			return fmt.Errorf("%s came twice", c.SessionID)
		}
		r.saved[c.SessionID] = c.Generation
	}
	return nil
}

func noted(c *session.Checkpoints, n int) map[string]uint32 {
	want := make(map[string]uint32, n)
	for i := range n {
		id := fmt.Sprint("session ", i)
		want[id] = uint32(5 + i)
		c.Note(due(id, 2*time.Hour, 0), want[id])
	}
	return want
}

func TestCheckpointsAreWrittenInBatchesUntilNoneIsLeft(t *testing.T) {
	t.Parallel()
	store := &rows{}
	checkpoints := session.NewCheckpoints(store)
	want := noted(checkpoints, 2001)
	checkpoints.Note(due("not due", time.Minute, 0), 9)
	checkpoints.Note(due("session 7", 2*time.Hour, 0), 900)
	checkpoints.Note(due("session 7", 2*time.Hour, 0), 800)
	want["session 7"] = 900
	if err := checkpoints.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(store.saved, want); diff != "" {
		t.Errorf("saved (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(store.batches, []int{1000, 1000, 1}); diff != "" {
		t.Errorf("batches (-got +want):\n%s", diff)
	}
	if len(store.intervals) != 1 || !store.intervals[time.Hour] {
		t.Errorf("at most one in %v, want in an hour", store.intervals)
	}
	if err := checkpoints.Flush(t.Context()); err != nil || len(store.batches) != 3 {
		t.Errorf("flushed again: %v, %d batches", err, len(store.batches))
	}
}

// TestACheckpointThatCouldNotBeWrittenIsKept, also when the trouble begins midway, and
// raised by what is noted until the next try, never lowered.
func TestACheckpointThatCouldNotBeWrittenIsKept(t *testing.T) {
	t.Parallel()
	down := errors.New("the database is down")
	store := &rows{trouble: func(batch int) error {
		if batch < 1 {
			return nil
		}
		return down
	}}
	checkpoints := session.NewCheckpoints(store)
	want := noted(checkpoints, 2500)
	if err := checkpoints.Flush(t.Context()); !errors.Is(err, down) {
		t.Fatalf("Flush = %v, want %v", err, down)
	}
	if len(store.saved) != 1000 {
		t.Fatalf("%d are saved, want the first batch of 1000", len(store.saved))
	}
	raised := 0
	for id := range want {
		if _, saved := store.saved[id]; !saved && raised < 700 {
			checkpoints.Note(due(id, 2*time.Hour, 0), want[id]+1)
			checkpoints.Note(due(id, 2*time.Hour, 0), 5)
			want[id]++
			raised++
		}
	}
	store.trouble = nil
	if err := checkpoints.Flush(t.Context()); err != nil { // nothing that is written comes twice
		t.Fatal(err)
	}
	if diff := cmp.Diff(store.saved, want); diff != "" {
		t.Errorf("saved at last (-got +want):\n%s", diff)
	}
}

func TestACheckpointPutBackIsNotLowered(t *testing.T) {
	t.Parallel()
	var checkpoints *session.Checkpoints
	store := &rows{trouble: func(int) error {
		checkpoints.Note(due("x", 2*time.Hour, 0), 9)
		return errors.New("down")
	}}
	checkpoints = session.NewCheckpoints(store)
	checkpoints.Note(due("x", 2*time.Hour, 0), 7)
	if checkpoints.Flush(t.Context()) == nil {
		t.Fatal("no error")
	}
	store.trouble = nil
	if err := checkpoints.Flush(t.Context()); err != nil || store.saved["x"] != 9 {
		t.Errorf("saved %v, %v; want 9", store.saved, err)
	}
}

func TestACheckpointThatDoesNotFitIsCounted(t *testing.T) {
	t.Parallel()
	const most = 100_000
	store := &rows{}
	checkpoints := session.NewCheckpoints(store)
	want := noted(checkpoints, most)
	if got := checkpoints.Dropped(); got != 0 {
		t.Errorf("%d are dropped while there is room", got)
	}
	checkpoints.Note(due("one too many", 2*time.Hour, 0), 9)
	checkpoints.Note(due("another", 2*time.Hour, 0), 9)
	checkpoints.Note(due("not due", 0, 0), 9)
	checkpoints.Note(due("session 1", 2*time.Hour, 0), 99) // known: it has its place
	want["session 1"] = 99
	if got := checkpoints.Dropped(); got != 2 {
		t.Errorf("%d are dropped, want 2", got)
	}
	if err := checkpoints.Flush(t.Context()); err != nil || !maps.Equal(store.saved, want) {
		t.Errorf("%d are saved, %v; want the %d that fit", len(store.saved), err, len(want))
	}
	checkpoints.Note(due("one too many", 2*time.Hour, 0), 9)
	if err := checkpoints.Flush(t.Context()); err != nil || store.saved["one too many"] != 9 {
		t.Errorf("there is no room afterwards: %v", err)
	}
}

func TestCheckpointsAreWrittenUnderTheCallersContext(t *testing.T) {
	t.Parallel()
	store := &rows{}
	checkpoints := session.NewCheckpoints(store)
	noted(checkpoints, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := checkpoints.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush = %v, want %v", err, context.Canceled)
	}
}
