package audit

import (
	"strconv"
	"time"
)

// What strangers can cause as often as they like is told twice an hour: the first of a user (or of none) and a network at
// once, and at the hour's end how many there were, if there were more. Of maxTallies users and networks that is
// told apart, and of all others together: with two events each, and one of the rest, that is 999 events an hour.
const maxTallies = 499

// tallied is what refusals are counted by.
type tallied struct {
	kind    Kind
	userID  string
	network string
}

// tally is how often something happened in an hour.
type tally struct {
	about       Event // the first, without what belongs to it alone
	network     string
	first, last string // ids of requests
	count       int
	told        bool // the first has an event of its own
}

// AddCounted queues the first such event in an hour of its user and the network, and counts the others, for [Queue.Settle].
// The event's At must be set.
func (q *Queue) AddCounted(event Event, network string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settle(event.At)
	about := tallied{event.Kind, event.UserID, network}
	t, known := q.tallies[about]
	if !known && len(q.tallies) >= maxTallies {
		about, event.UserID, network = tallied{kind: event.Kind, network: "others"}, "", "others"
		t, known = q.tallies[about]
	}
	if !known {
		t = &tally{about: Event{Kind: event.Kind, Actor: event.Actor, UserID: event.UserID, ClientID: event.ClientID},
			network: network, first: event.RequestID, told: network != "others"}
		q.tallies[about] = t
		if t.told {
			event.Detail = map[string]string{"network": network}
			q.add(event)
		}
	}
	t.last = event.RequestID
	t.count++
}

// Settle queues the counts of an hour that is over.
func (q *Queue) Settle(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settle(now)
}

// SettleAll queues the counts of an hour that is not over yet: at the end.
func (q *Queue) SettleAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settle(q.hour.Add(time.Hour))
}

func (q *Queue) settle(now time.Time) {
	hour := now.UTC().Truncate(time.Hour)
	if hour.Equal(q.hour) || hour.Add(time.Hour).Equal(q.hour) { // what comes late counts for the hour that has begun
		return
	}
	for _, t := range q.tallies {
		if t.count > 1 || !t.told {
			q.add(t.event(q.hour))
		}
	}
	q.hour, q.tallies = hour, make(map[tallied]*tally)
}

// event tells the count of the hour that began then.
func (t *tally) event(hour time.Time) Event {
	e := New(t.about.Kind, t.about.Actor)
	e.UserID, e.ClientID, e.At = t.about.UserID, t.about.ClientID, hour.Add(time.Hour)
	e.Detail = map[string]string{
		"network": t.network, "count": strconv.Itoa(t.count), "first": t.first, "last": t.last,
		"since": hour.Format(time.RFC3339),
	}
	return e
}

// Covers reports whether the request may be one of those that the event counts: it came between the first and the last.
// Only ids that mintmark gives tell the time.
func (e Event) Covers(requestID string) bool {
	first, last := e.Detail["first"], e.Detail["last"]
	return e.Detail["count"] != "" && len(requestID) == len(first) && len(requestID) == len(last) && first <= requestID && requestID <= last
}
