package storm_test

import (
	"testing"
	"time"
)

// forgetful are orderly clients who lose an answer just before something happens, and ask again
// just after it.
type forgetful struct {
	tokens []string // what they have presented
	since  time.Time

	repeated, late, loggedOut int
}

// lose starts sessions, refreshes each once, and forgets the answers.
func (f *forgetful) lose(t testing.TB, s *stage) {
	t.Helper()
	c, origin := newCaller(t), "http://"+s.replicas[0].web.Addr()
	f.tokens = nil
	f.since = time.Now()
	for range 20 {
		token := persist(func() answer { return c.login(origin, patient) }).token
		if persist(func() answer { return c.refresh(origin, token, patient) }).outcome == granted {
			f.tokens = append(f.tokens, token)
		}
	}
}

// askAgain presents the same tokens once more. A machine so busy that the grace may be over
// proves nothing.
func (f *forgetful) askAgain(t testing.TB, s *stage) {
	t.Helper()
	c, origin := newCaller(t), "http://"+s.replicas[1].web.Addr()
	for _, token := range f.tokens {
		switch a := persist(func() answer { return c.refresh(origin, token, patient) }); {
		case a.outcome == granted:
			f.repeated++
		case a.outcome == unknown || time.Since(f.since) > grace-clockTolerance:
			f.late++
		default:
			f.loggedOut++
		}
	}
}

func (f *forgetful) judge(t testing.TB) {
	t.Helper()
	t.Logf("clients who had lost an answer before a promotion: %d got it again, %d were logged out (goal 0), %d came too late to count", f.repeated, f.loggedOut, f.late)
	if f.loggedOut > 0 {
		t.Error("S4: clients who had lost an answer were logged out by a promotion")
	}
}
