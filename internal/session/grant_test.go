package session_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestAGrantIsWhatItsSessionSays; it stands for the client where there is no user.
func TestAGrantIsWhatItsSessionSays(t *testing.T) {
	t.Parallel()
	index, login := int64(7), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := session.Session{
		ID: "s1", UserID: "alice", ClientID: "web", Scope: "read", Resources: []string{"https://a.example"},
		CreatedAt: login.Add(time.Minute), AuthTime: login, ACR: "2", AMR: []string{"pwd"}, JKT: []byte{1}, StatusIndex: &index,
	}
	want := session.Grant{
		Subject: "alice", ClientID: "web", SessionID: "s1", Scope: "read", Audiences: []string{"https://a.example"},
		AuthTime: login, ACR: "2", AMR: []string{"pwd"}, JKT: []byte{1}, StatusIndex: &index,
	}
	if diff := cmp.Diff(s.Grant(), want); diff != "" {
		t.Errorf("grant (-got +want):\n%s", diff)
	}
	s.UserID = ""
	if got := s.Grant().Subject; got != "web" {
		t.Errorf("without a user it stands for %q, want the client", got)
	}
}

// TestAUserAuthenticatedAtTheStartUnlessTheSessionSaysOtherwise, to the microsecond.
func TestAUserAuthenticatedAtTheStartUnlessTheSessionSaysOtherwise(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	earlier := start.Add(-time.Hour + 1500*time.Nanosecond)
	for name, c := range map[string]struct {
		session session.Session
		want    time.Time
	}{
		"at the start": {session.Session{UserID: "alice", CreatedAt: start}, start},
		"earlier":      {session.Session{UserID: "alice", CreatedAt: start, AuthTime: earlier}, start.Add(-time.Hour + time.Microsecond)},
		"nobody":       {session.Session{CreatedAt: start, AuthTime: earlier}, time.Time{}},
	} {
		if got := c.session.Authenticated(); !got.Equal(c.want) || got.IsZero() != c.want.IsZero() {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
