package cli_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// TestASessionPastItsIdleLifetimeIsNotLive: its row is neither revoked nor past its
// absolute lifetime, and yet none of its tokens can be refreshed.
func TestASessionPastItsIdleLifetimeIsNotLive(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	o := commands{[]string{"MINTMARK_DATA_DIR=" + data, "MINTMARK_REFRESH_IDLE_TTL=720h"}}
	o.must(t, "", "migrate", "up")
	used := start(t, data, 29*24*time.Hour)
	lapsed := start(t, data, 31*24*time.Hour)

	states := func(args ...string) map[string]string {
		var listed []struct{ ID, State string }
		if err := json.Unmarshal([]byte(o.must(t, "", append([]string{"sessions"}, args...)...)), &listed); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]string)
		for _, one := range listed {
			got[one.ID] = one.State
		}
		return got
	}
	if diff := cmp.Diff(states("list"), map[string]string{used: "live", lapsed: "lapsed"}); diff != "" {
		t.Errorf("listed (-got +want):\n%s", diff)
	}
	// the newest id is the one that lapsed, so a page of one has to be read on
	if diff := cmp.Diff(states("list", "--live", "--limit", "1"), map[string]string{used: "live"}); diff != "" {
		t.Errorf("listed as live (-got +want):\n%s", diff)
	}
	var story struct {
		Session struct {
			State  string
			UserID string `json:"user_id"`
		}
		Events []struct {
			Actor   string
			ActorID string `json:"actor_id"`
		}
	}
	if err := json.Unmarshal([]byte(o.must(t, "", "explain", lapsed)), &story); err != nil || story.Session.State != "lapsed" {
		t.Errorf("explained as %q, %v", story.Session.State, err)
	}
	if len(story.Events) != 1 || story.Events[0].Actor != "user" || story.Events[0].ActorID != story.Session.UserID {
		t.Errorf("it was started by %+v", story.Events)
	}
}

// start starts a session of a new user the given time ago, which has not been used since.
func start(t *testing.T, data string, ago time.Duration) string {
	t.Helper()
	then := time.Now().Add(-ago)
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(data, "mintmark.db"), Now: func() time.Time { return then }})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	id := uuid.Must(uuid.NewV7()).String()
	u, err := store.CreateUser(t.Context(), user.User{ID: id, Username: "u" + id, Email: id + "@example.com", PasswordHash: "hash"}, audit.New(audit.UserCreated, audit.ByOperator("root")))
	if err != nil {
		t.Fatal(err)
	}
	s := session.Session{ID: uuid.Must(uuid.NewV7()).String(), UserID: u.ID, ClientID: client.FirstParty}
	copy(s.Family[:], id[len(id)-len(s.Family):])
	event := audit.New(audit.SessionStarted, audit.ByUser(u.ID))
	event.SessionID = s.ID
	if _, err := store.StartSession(t.Context(), s, session.Terms{Lifetime: 180 * 24 * time.Hour, Seen: u.SessionsValidAfter}, event); err != nil {
		t.Fatal(err)
	}
	return s.ID
}
