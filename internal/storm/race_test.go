package storm_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// racers is how many refreshes present one token at once.
const racers = 50

// rounds is how many races to run: few in a short run, more in a long one, by the minute.
func rounds(t testing.TB, few, byTheMinute int) int {
	t.Helper()
	return max(few, int(long(t).Minutes()*float64(byTheMinute)))
}

func TestFiftyWayRacesOverHTTPGiveOneSuccessor(t *testing.T) {
	t.Parallel()
	s := newStage(t, testserver.StartRedis(t).URL())
	origins := []string{"http://" + s.addReplica(t).web.Addr(), "http://" + s.addReplica(t).web.Addr()}
	c := newCaller(t)
	c.register(t, origins[0])
	token := persist(func() answer { return c.login(origins[0], patient) }).token
	if token == "" {
		t.Fatal("no login was answered")
	}

	double, races := 0, rounds(t, 15, 100)
	begun := time.Now()
	for round := range uint32(races) {
		var answers [racers]answer
		var running sync.WaitGroup
		for i := range answers {
			running.Go(func() {
				answers[i] = persist(func() answer { return c.refresh(origins[i%len(origins)], token, patient) })
			})
		}
		running.Wait()
		for _, a := range answers {
			if a.outcome != granted {
				t.Fatalf("round %d: a racer's outcome: %s %s, want granted", round+1, a.outcome, a.odd)
			}
			if next, err := s.mint.Parse(a.token); err != nil || next.Generation != round+2 {
				t.Fatalf("round %d gave generation %d, want %d: %v", round+1, next.Generation, round+2, err)
			}
			if a.token != answers[0].token {
				double++
			}
		}
		token = answers[0].token
	}
	t.Logf("double successors in %d fifty-way races over HTTP: %d (%s)", races, double, time.Since(begun).Round(time.Millisecond))
	if double != 0 {
		t.Error("S1: a race gave two successors")
	}
}

func TestFiftyWayRacesAtTheStoresRotateOnce(t *testing.T) {
	t.Parallel()
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		store, err := redis.Open(t.Context(), redis.Config{URL: testserver.StartRedis(t).URL(), LimitKey: make([]byte, 32)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		raceAtStore(t, store, newID(), rounds(t, 100, 1000))
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		store, id := sqliteSession(t)
		raceAtStore(t, store, id, rounds(t, 50, 500))
	})
}

func sqliteSession(t *testing.T) (*sqlite.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mintmark.db")
	if err := db.SQLite(path).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	u, err := store.CreateUser(t.Context(), aUser(), audit.New(audit.UserCreated, audit.ByOperator("root")))
	if err != nil {
		t.Fatal(err)
	}
	x := session.Session{ID: newID(), Family: session.NewFamily().Hash(), UserID: u.ID, ClientID: client.FirstParty}
	if x, err = store.StartSession(t.Context(), x, session.Terms{Lifetime: time.Hour, Seen: u.SessionsValidAfter}, audit.New(audit.SessionStarted, audit.ByUser("alice"))); err != nil {
		t.Fatal(err)
	}
	return store, x.ID
}

func aUser() user.User {
	return user.User{ID: newID(), Username: username, Email: "alice@example.com", PasswordHash: "none"}
}

// raceAtStore lets fifty decide on one generation at once, round after round. One
// rotates, the others repeat what it issued: S1 at the level of the store. A racer
// that got an error knows nothing, and presents the same once more.
func raceAtStore(t *testing.T, states session.States, id string, races int) {
	t.Helper()
	policy := session.Policy{Idle: time.Hour, Grace: grace}
	row := session.Row{AbsoluteExpiry: time.Now().Add(24 * time.Hour), Checkpoint: 1}
	double, begun := 0, time.Now()
	for generation := range uint32(races) {
		presented := session.Presented{Generation: generation + 1, IssuedAt: time.Now()}
		var decisions [racers]session.Decision
		var running sync.WaitGroup
		for i := range decisions {
			running.Go(func() {
				var err error
				persist(func() answer {
					err = states.UpdateState(t.Context(), id, time.Hour, func(stored session.State, now clock.Clocks) (session.State, bool) {
						decisions[i] = session.Decide(row, stored, presented, now, policy)
						return decisions[i].State, decisions[i].State != stored
					})
					if err != nil {
						return answer{outcome: unknown}
					}
					return answer{outcome: granted}
				})
				if err != nil {
					t.Errorf("round %d: %v", generation+1, err)
				} else if decisions[i].Issue != presented.Generation+1 {
					t.Errorf("round %d: %+v, want generation %d", generation+1, decisions[i], presented.Generation+1)
				}
			})
		}
		running.Wait()
		double += doubleSuccessors(decisions[:])
		if t.Failed() {
			return
		}
	}
	t.Logf("double successors in %d fifty-way races: %d (%s)", races, double, time.Since(begun).Round(time.Millisecond))
	if double != 0 {
		t.Error("S1: a race gave two successors")
	}
}

// doubleSuccessors counts those who rotated beyond the first, and those who did
// not repeat what it issued. Who rotated and got an error repeats it, too: then
// nobody says that he was the first.
func doubleSuccessors(decisions []session.Decision) (double int) {
	rotated := 0
	for _, d := range decisions {
		if d.Verdict == session.Rotated {
			rotated++
		}
		if !d.Verdict.Succeeds() || d.Issue != decisions[0].Issue || !d.Issued.Equal(decisions[0].Issued) {
			double++
		}
	}
	return double + max(0, rotated-1)
}
