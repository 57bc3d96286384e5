package audit_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// trail keeps what was appended, unless it is in trouble.
type trail struct {
	audit.Store
	events  []audit.Event
	batches []int           // their sizes
	during  func(int) error // is called while a batch is written; its error is the trouble
}

func (t *trail) AppendEvents(ctx context.Context, events []audit.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.during != nil {
		if err := t.during(len(t.batches)); err != nil {
			return err
		}
	}
	t.events = append(t.events, events...)
	t.batches = append(t.batches, len(events))
	return nil
}

// refused is a refusal at a time after an arbitrary one.
func refused(session, address string, after time.Duration) audit.Event {
	e := audit.New(audit.SessionRefused, audit.ByClient("first-party"))
	e.At = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).Add(after)
	e.SessionID, e.Address = session, address
	return e
}

func written(t *testing.T, events ...audit.Event) int {
	t.Helper()
	kept := &trail{}
	queue := audit.NewQueue(kept)
	for _, e := range events {
		queue.AddSeldom(e)
		if err := queue.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return len(kept.events)
}

func TestWhatComesAgainIsWrittenOncePerSessionAddressAndHour(t *testing.T) {
	t.Parallel()
	another := refused("a", "192.0.2.1", 0)
	another.Kind = audit.SessionRepeated
	for name, c := range map[string]struct {
		events []audit.Event
		want   int
	}{
		"within the hour": {[]audit.Event{refused("a", "192.0.2.1", 0), refused("a", "192.0.2.1", time.Hour-1)}, 1},
		"after the hour":  {[]audit.Event{refused("a", "192.0.2.1", 0), refused("a", "192.0.2.1", time.Hour)}, 2},
		"another session": {[]audit.Event{refused("a", "192.0.2.1", 0), refused("b", "192.0.2.1", 0)}, 2},
		"another address": {[]audit.Event{refused("a", "192.0.2.1", 0), refused("a", "192.0.2.2", 0)}, 2},
		"another kind":    {[]audit.Event{refused("a", "192.0.2.1", 0), another}, 2},
	} {
		if got := written(t, c.events...); got != c.want {
			t.Errorf("%s: %d events, want %d", name, got, c.want)
		}
	}
}

// TestAFullMemoryForgetsTheOldestOnly: the session seen last stays known, however
// many came before it.
func TestAFullMemoryForgetsTheOldestOnly(t *testing.T) {
	t.Parallel()
	const many = 10_000
	var events []audit.Event
	for i := range many {
		events = append(events, refused(strconv.Itoa(i), "192.0.2.1", 0))
	}
	events = append(events, refused("one too many", "192.0.2.1", 0))
	for i := range many { // all are known still
		events = append(events, refused(strconv.Itoa(i), "192.0.2.1", time.Minute))
	}
	if got := written(t, events...); got != many+1 {
		t.Errorf("%d events, want %d", got, many+1)
	}
}
