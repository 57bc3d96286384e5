package operator_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/operator"
)

// TestARequestWithinACountOfRefusedLoginsIsExplainedByIt.
func TestARequestWithinACountOfRefusedLoginsIsExplainedByIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ids := make([]string, 5)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7()).String()
	}
	queue, at := audit.NewQueue(b.Events), time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	for _, id := range ids[1:4] {
		e := audit.New(audit.LoginRefused, audit.ByClient("first-party"))
		e.At, e.RequestID = at, id
		queue.AddCounted(e, "192.0.2.7/32")
	}
	queue.SettleAll()
	if err := queue.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if story := b.explain(t, ids[2]); len(story.Events) != 1 || story.Events[0].Detail["count"] != "3" || story.RequestID != ids[2] {
		t.Errorf("story %+v, want the count of three", story)
	}
	for _, id := range []string{ids[0], ids[4]} {
		if _, err := b.Explain(t.Context(), id); !errors.Is(err, operator.ErrUnexplained) {
			t.Errorf("a request outside of it: %v, want %v", err, operator.ErrUnexplained)
		}
	}
}
