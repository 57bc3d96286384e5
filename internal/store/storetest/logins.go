package storetest

import (
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// MaxLogin is how many bytes of SQL a login takes, with its event and all indexes, as the
// README says.
const MaxLogin = 600

const loginsPerUser = 10

// Growth logs in many times as package authority does, and wants that a login takes no more than
// MaxLogin bytes. size gives how large the sessions and the trail are, after the database has
// tidied up.
func Growth(t *testing.T, store Durable, size func(testing.TB) int64) {
	t.Helper()
	const before, logins = 500, 5000
	logIn(t, store, before)
	empty := size(t)
	logIn(t, store, logins)
	each := (size(t) - empty) / logins
	t.Logf("a login takes %d bytes", each)
	if each > MaxLogin {
		t.Errorf("a login takes %d bytes, want at most %d", each, MaxLogin)
	}
}

// logIn logs in as many users, each ten times.
func logIn(t *testing.T, store Durable, times int) {
	t.Helper()
	users := make([]user.User, times/loginsPerUser)
	for i := range users {
		users[i] = createUser(t, store, "u"+newID())
	}
	for n := range times { // one after the other: Postgres takes space in advance for writers that contend
		u := users[n%len(users)]
		s := newSession(u.ID)
		s.Address, s.UserAgent = "203.0.113.42", "curl/8.14.1"
		event := audit.New(audit.SessionStarted, audit.ByUser(u.ID)).StartOf(s.ID, u.ID, client.FirstParty)
		event.Address, event.UserAgent, event.RequestID = s.Address, s.UserAgent, newID()
		startWith(t, store, s, session.Terms{Lifetime: 180 * 24 * time.Hour, Seen: u.SessionsValidAfter}, event)
	}
}

func startWith(t *testing.T, store Durable, s session.Session, terms session.Terms, event audit.Event) {
	t.Helper()
	if _, err := store.StartSession(t.Context(), s, terms, event); err != nil {
		t.Fatal(err)
	}
}
