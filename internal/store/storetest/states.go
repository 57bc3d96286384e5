package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// OpenStates opens a store of rotation states for one test, and gives the verb
// that makes a new live session in it and returns its id: some stores keep the
// state in the session's row.
type OpenStates func(testing.TB) (states session.States, newSession func(testing.TB) string)

const (
	statesKeep       = time.Hour
	statesContenders = 100
)

// States is the contract of [session.States].
func States(t *testing.T, open OpenStates) {
	rules := map[string]func(*testing.T, session.States, string){
		"AMissingStateReadsAsZero":         missingStateReadsAsZero,
		"AStateThatIsNotWrittenIsNotKept":  unwrittenStateIsNotKept,
		"AStateComesBackToTheMillisecond":  stateComesBack,
		"TheLargestStateComesBack":         largestStateComesBack,
		"TheStoresClockGoesOn":             storeClockGoesOn,
		"ACancelledContextIsAnError":       cancelledContextIsAnError,
		"NoUpdateIsLost":                   noUpdateIsLost,
		"OneGenerationRotatesOnce":         oneGenerationRotatesOnce,
		"ADecisionIsTakenOnWhatIsReplaced": decisionIsOnWhatIsReplaced,
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states, newSession := open(t)
			rule(t, states, newSession(t))
		})
	}
	t.Run("SessionsKeepApart", func(t *testing.T) {
		t.Parallel()
		states, newSession := open(t)
		sessionsKeepApart(t, states, newSession(t), newSession(t))
	})
}

// StatesFlush is the contract of a store that may lose everything at any moment:
// a flush between the read and the write makes the update decide again.
func StatesFlush(t *testing.T, open func(testing.TB) (states session.States, sessionID string, flush func(testing.TB))) {
	t.Parallel()
	states, id, flush := open(t)
	stateSet(t, states, id, session.State{Cur: 7, Prev: 6, RotatedAt: stateTime})
	var seen []uint32
	stateUpdate(t, states, id, func(stored session.State, _ clock.Clocks) (session.State, bool) {
		if len(seen) == 0 {
			flush(t)
		}
		seen = append(seen, stored.Cur)
		stored.Cur++
		return stored, true
	})
	if diff := cmp.Diff(seen, []uint32{7, 0}); diff != "" {
		t.Errorf("generations decided on (-got +want):\n%s", diff)
	}
	if got := stateGet(t, states, id); got.Cur != 1 {
		t.Errorf("cur after the flush = %d, want 1", got.Cur)
	}
}

var stateTime = time.Date(2026, 11, 23, 7, 8, 9, 123_000_000, time.UTC)

func missingStateReadsAsZero(t *testing.T, states session.States, id string) {
	if got := stateGet(t, states, id); got != (session.State{}) {
		t.Errorf("state = %+v, want the zero State", got)
	}
}

func unwrittenStateIsNotKept(t *testing.T, states session.States, id string) {
	stateUpdate(t, states, id, func(session.State, clock.Clocks) (session.State, bool) {
		return session.State{Cur: 2, Prev: 1, RotatedAt: stateTime}, false
	})
	if got := stateGet(t, states, id); got != (session.State{}) {
		t.Errorf("state = %+v, want the zero State", got)
	}
}

func stateComesBack(t *testing.T, states session.States, id string) {
	for _, want := range []session.State{
		{Cur: 2, Prev: 1, RotatedAt: stateTime},
		{Cur: 3, Prev: 1, RotatedAt: stateTime.Add(time.Millisecond), Skips: 1},
		{Cur: 5, Prev: 1, RotatedAt: stateTime.Add(-time.Hour), Skips: 3},
	} {
		stateSet(t, states, id, want)
		if diff := cmp.Diff(stateGet(t, states, id), want); diff != "" {
			t.Errorf("state (-got +want):\n%s", diff)
		}
	}
}

func largestStateComesBack(t *testing.T, states session.States, id string) {
	want := session.State{Cur: 1<<32 - 1, Prev: 1<<32 - 2, RotatedAt: stateTime.AddDate(200, 0, 0), Skips: session.MaxSkips}
	stateSet(t, states, id, want)
	if diff := cmp.Diff(stateGet(t, states, id), want); diff != "" {
		t.Errorf("state (-got +want):\n%s", diff)
	}
}

func storeClockGoesOn(t *testing.T, states session.States, id string) {
	var last time.Time
	for range 20 {
		stateUpdate(t, states, id, func(_ session.State, clocks clock.Clocks) (session.State, bool) {
			now := clocks.Median()
			if own := (clock.Clocks{Redis: now}); clocks != own && clocks != (clock.Clocks{Database: now}) {
				t.Errorf("the store gives %+v, want one clock, its own", clocks)
			}
			if now.Before(last) {
				t.Errorf("the store's clock went from %s to %s", last, now)
			}
			if !now.Equal(now.Truncate(time.Microsecond)) || now.Location() != time.UTC {
				t.Errorf("now = %s, which is not of the store's clock", now)
			}
			last = now
			return session.State{}, false
		})
	}
	if off := time.Since(last).Abs(); off > 10*time.Minute { // the stores of tests run on this machine, which may be busy
		t.Errorf("the store's clock is %s off", off)
	}
}

func cancelledContextIsAnError(t *testing.T, states session.States, id string) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := states.UpdateState(ctx, id, statesKeep, func(session.State, clock.Clocks) (session.State, bool) {
		return session.State{Cur: 2, Prev: 1, RotatedAt: stateTime}, true
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
	if got := stateGet(t, states, id); got != (session.State{}) {
		t.Errorf("state = %+v, want the zero State", got)
	}
}

func noUpdateIsLost(t *testing.T, states session.States, id string) {
	statesContend(t, func(ctx context.Context) error {
		return states.UpdateState(ctx, id, statesKeep, func(stored session.State, _ clock.Clocks) (session.State, bool) {
			stored.Cur++
			stored.RotatedAt = stateTime // equal payloads: only the order differs
			return stored, true
		})
	})
	if got := stateGet(t, states, id); got.Cur != statesContenders {
		t.Errorf("cur = %d, want %d", got.Cur, statesContenders)
	}
}

// decisionIsOnWhatIsReplaced lets writers chain what they saw to what they wrote:
// a value that two of them replaced would be a fork.
func decisionIsOnWhatIsReplaced(t *testing.T, states session.States, id string) {
	var mu sync.Mutex
	successors := map[uint32][]uint32{}
	statesContend(t, func(ctx context.Context) error {
		var next session.State
		err := states.UpdateState(ctx, id, statesKeep, func(stored session.State, now clock.Clocks) (session.State, bool) {
			step := uint32(now.Median().Nanosecond()/1e3)%3 + 1
			next = session.State{Cur: stored.Cur + step, Prev: stored.Cur, RotatedAt: stateTime}
			return next, true
		})
		mu.Lock()
		defer mu.Unlock()
		successors[next.Prev] = append(successors[next.Prev], next.Cur)
		return err
	})
	for replaced, by := range successors {
		if len(by) != 1 {
			t.Errorf("generation %d was replaced by each of %v", replaced, by)
		}
	}
}

func oneGenerationRotatesOnce(t *testing.T, states session.States, id string) {
	var mu sync.Mutex
	verdicts := map[session.Verdict]int{}
	issued := map[uint32]map[time.Time]bool{}
	statesContend(t, func(ctx context.Context) error {
		var d session.Decision
		err := states.UpdateState(ctx, id, statesKeep, func(stored session.State, now clock.Clocks) (session.State, bool) {
			d = refreshFirst(stored, now)
			return d.State, d.State != stored
		})
		mu.Lock()
		defer mu.Unlock()
		verdicts[d.Verdict]++
		if issued[d.Issue] == nil {
			issued[d.Issue] = map[time.Time]bool{}
		}
		issued[d.Issue][d.Issued.UTC()] = true
		return err
	})
	want := map[session.Verdict]int{session.Rotated: 1, session.Repeated: statesContenders - 1}
	if diff := cmp.Diff(verdicts, want); diff != "" {
		t.Errorf("verdicts (-got +want):\n%s", diff)
	}
	if len(issued) != 1 || len(issued[2]) != 1 {
		t.Errorf("issued %v, want generation 2 with one issued-at", issued)
	}
}

func sessionsKeepApart(t *testing.T, states session.States, one, other string) {
	want := session.State{Cur: 2, Prev: 1, RotatedAt: stateTime}
	stateSet(t, states, one, want)
	if got := stateGet(t, states, other); got != (session.State{}) {
		t.Errorf("state of the other session = %+v, want the zero State", got)
	}
	stateSet(t, states, other, session.State{Cur: 9, Prev: 8, RotatedAt: stateTime})
	if diff := cmp.Diff(stateGet(t, states, one), want); diff != "" {
		t.Errorf("state (-got +want):\n%s", diff)
	}
}

// refreshFirst decides about the first generation of a healthy session.
func refreshFirst(stored session.State, store clock.Clocks) session.Decision {
	now := completed(store, store.Median())
	row := session.Row{AbsoluteExpiry: now.Median().Add(time.Hour), Checkpoint: 1}
	presented := session.Presented{Generation: 1, IssuedAt: now.Median().Add(-time.Minute)}
	return session.Decide(row, stored, presented, now, session.Policy{Idle: time.Hour, Grace: time.Minute, Skip: true})
}

// completed is what the authority makes of the clock that a store gives: Redis's comes with
// the two others, which show other.
func completed(store clock.Clocks, other time.Time) clock.Clocks {
	if store.Redis.IsZero() {
		return store
	}
	return clock.Clocks{Redis: store.Redis, Database: other, Machine: other}
}

// statesContend runs act in many goroutines that start at one moment, and waits
// for all of them.
func statesContend(t *testing.T, act func(context.Context) error) {
	t.Helper()
	var wg sync.WaitGroup
	ctx, goesOn := patient(t)
	start := make(chan struct{})
	for range statesContenders {
		wg.Go(func() {
			<-start
			if err := act(ctx); err != nil {
				t.Errorf("contend: %v", err)
			}
			goesOn()
		})
	}
	close(start)
	wg.Wait()
}

func stateUpdate(tb testing.TB, states session.States, id string, decide session.Decider) {
	tb.Helper()
	if err := states.UpdateState(tb.Context(), id, statesKeep, decide); err != nil {
		tb.Fatalf("update state: %v", err)
	}
}

func stateSet(tb testing.TB, states session.States, id string, next session.State) {
	tb.Helper()
	stateUpdate(tb, states, id, func(session.State, clock.Clocks) (session.State, bool) { return next, true })
}

func stateGet(tb testing.TB, states session.States, id string) session.State {
	tb.Helper()
	var got session.State
	stateUpdate(tb, states, id, func(stored session.State, _ clock.Clocks) (session.State, bool) {
		got = stored
		return stored, false
	})
	return got
}
