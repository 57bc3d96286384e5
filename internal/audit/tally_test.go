package audit_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// paper is an audit trail in memory.
type paper struct{ events []audit.Event }

func (t *paper) AppendEvents(_ context.Context, events []audit.Event) error {
	t.events = append(t.events, events...)
	return nil
}

func (t *paper) Events(context.Context, audit.Query) ([]audit.Event, error) { return t.events, nil }

func refusedAt(at time.Time, userID string, request int) audit.Event {
	e := audit.New(audit.LoginRefused, audit.ByClient("first-party"))
	e.At, e.UserID, e.RequestID, e.Address = at, userID, fmt.Sprintf("request-%03d", request), "192.0.2.7"
	return e
}

func told(t *testing.T, q *audit.Queue, into *paper) []string {
	t.Helper()
	if err := q.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range into.events {
		lines = append(lines, fmt.Sprint(e.UserID, " ", e.RequestID, e.Detail["count"], " ", e.Detail["first"], " ", e.Detail["last"], " ", e.Detail["network"]))
	}
	into.events = nil
	slices.Sort(lines)
	return lines
}

func TestRefusedLoginsAreToldOnceAtOnceAndCountedAtTheHoursEnd(t *testing.T) {
	t.Parallel()
	into := &paper{}
	q, hour := audit.NewQueue(into), time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	for i := range 5 {
		q.AddCounted(refusedAt(hour.Add(time.Duration(i)*time.Minute), "u1", i), "n1")
	}
	q.AddCounted(refusedAt(hour, "u1", 5), "n2")
	q.AddCounted(refusedAt(hour, "", 6), "n1")
	if got, want := told(t, q, into), []string{" request-006   n1", "u1 request-000   n1", "u1 request-005   n2"}; !slices.Equal(got, want) {
		t.Errorf("at once: %q, want %q", got, want)
	}
	q.Settle(hour.Add(time.Hour - 1))
	if got := told(t, q, into); got != nil {
		t.Errorf("within the hour: %q, want none", got)
	}
	q.Settle(hour.Add(time.Hour))
	if got, want := told(t, q, into), []string{"u1 5 request-000 request-004 n1"}; !slices.Equal(got, want) {
		t.Errorf("at the hour's end: %q, want %q", got, want)
	}
	q.AddCounted(refusedAt(hour.Add(time.Hour), "u1", 7), "n1")
	q.AddCounted(refusedAt(hour.Add(time.Hour), "u1", 8), "n1")
	q.SettleAll()
	if got, want := told(t, q, into), []string{"u1 2 request-007 request-008 n1", "u1 request-007   n1"}; !slices.Equal(got, want) {
		t.Errorf("at the end: %q, want %q", got, want)
	}
	q.SettleAll()
	if got := told(t, q, into); got != nil {
		t.Errorf("once more: %q, want none", got)
	}
}

func TestAnHourOfRefusedLoginsIsAtMostAThousandEvents(t *testing.T) {
	t.Parallel()
	into := &paper{}
	q, hour := audit.NewQueue(into), time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	for range 2 {
		for i := range 3000 {
			q.AddCounted(refusedAt(hour, fmt.Sprint("u", i), i), "n1")
		}
	}
	q.SettleAll()
	got := told(t, q, into)
	if len(got) != 999 || got[0] != " 5002 request-499 request-2999 others" {
		t.Errorf("%d events, the first %q, want 999 with one for all others", len(got), got[0])
	}
}

// TestACountCoversTheRequestsBetweenItsFirstAndItsLast.
func TestACountCoversTheRequestsBetweenItsFirstAndItsLast(t *testing.T) {
	t.Parallel()
	count := audit.Event{Detail: map[string]string{"count": "3", "first": "0192-2", "last": "0192-5"}}
	for id, want := range map[string]bool{"0192-1": false, "0192-2": true, "0192-3": true, "0192-5": true, "0192-6": false, "0192-33": false, "": false} {
		if got := count.Covers(id); got != want {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
	}
	if (audit.Event{}).Covers("") {
		t.Error("an event without a count covers a request")
	}
}

// TestWhatComesLateAtTheTurnOfTheHourIsCountedInTheNewOne, or every change between the two would be told anew.
func TestWhatComesLateAtTheTurnOfTheHourIsCountedInTheNewOne(t *testing.T) {
	t.Parallel()
	into := &paper{}
	q, hour := audit.NewQueue(into), time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	for i := range 6 { // requests that were judged at the same moment by clocks a little apart
		q.AddCounted(refusedAt(hour.Add(time.Duration(i%2)*-time.Millisecond), "u1", i), "n1")
	}
	if got, want := told(t, q, into), []string{"u1 request-000   n1"}; !slices.Equal(got, want) {
		t.Errorf("at once: %q, want %q", got, want)
	}
	q.Settle(hour.Add(time.Hour))
	if got, want := told(t, q, into), []string{"u1 6 request-000 request-005 n1"}; !slices.Equal(got, want) {
		t.Errorf("at the end: %q, want %q", got, want)
	}
}
