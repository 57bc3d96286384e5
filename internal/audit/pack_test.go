package audit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// TestPackingLosesNothing tries every combination of names that mean something to it.
func TestPackingLosesNothing(t *testing.T) {
	t.Parallel()
	id, user := uuid.Must(uuid.NewV7()).String(), uuid.NewString()
	for _, kind := range []audit.Kind{audit.SessionStarted, audit.SessionRevoked} {
		for _, actor := range []audit.Actor{audit.BySystem(), audit.ByUser(user), audit.ByUser(""), audit.ByUser(id), audit.ByClient(user), audit.ByOperator("root")} {
			for _, owner := range []string{"", user, "eve"} {
				for _, session := range []string{"", id, user, "garbage"} {
					e := audit.Event{ID: id, Kind: kind, Actor: actor, UserID: owner, SessionID: session}
					if diff := cmp.Diff(e.Pack().Unpack(), e); diff != "" {
						t.Errorf("(-got +want):\n%s", diff)
					}
				}
			}
		}
	}
}

// TestARequestIsNearItsEvents for as long as one may last, and only by ids like ours.
func TestARequestIsNearItsEvents(t *testing.T) {
	t.Parallel()
	request := uuid.Must(uuid.NewV7())
	seconds, nanos := request.Time().UnixTime()
	at := time.Unix(seconds, nanos)
	for _, c := range []struct {
		request string
		after   time.Duration
		want    bool
	}{
		{request.String(), 0, true},
		{request.String(), -time.Second, true},
		{request.String(), -1001 * time.Millisecond, false},
		{request.String(), 59999 * time.Millisecond, true},
		{request.String(), time.Minute, false},
		{uuid.NewString(), 0, false},
		{fmt.Sprintf("%X", request[:]), 0, false},
		{"any text", 0, false},
		{"", 0, false},
	} {
		e := audit.Event{ID: audit.FirstID(at.Add(c.after)), RequestID: c.request}
		if got := e.IsNear(); got != c.want {
			t.Errorf("an event %s after %q: near is %v", c.after, c.request, got)
		}
	}
}
