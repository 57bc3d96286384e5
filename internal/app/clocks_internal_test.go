package app

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

// otherClock is a database whose clock is another.
type otherClock struct {
	durable
	ahead time.Duration
	wait  func() // on the way to it, and on the way back

	later atomic.Int64 // on top of ahead, for a clock that is set while it is read
}

func (o *otherClock) set(ahead time.Duration) { o.later.Store(int64(ahead)) }

func (o *otherClock) Now(context.Context) (time.Time, error) {
	o.wait()
	now := time.Now().Add(o.ahead + time.Duration(o.later.Load()))
	o.wait()
	return now, nil
}

// clocked is an authority with three clocks, of which a test sets two.
func clocked(t *testing.T) (h *testApp, database, redis *otherClock) {
	t.Helper()
	h = build(t)
	database, redis = &otherClock{durable: h.store, wait: func() {}}, &otherClock{wait: func() {}}
	h.store, h.ephemeral.clock = database, redis.Now
	return h, database, redis
}

func TestEachClockIsReadAndKeptAgainstTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, database, redis := clocked(t)
		database.ahead, redis.ahead = time.Hour, -3*time.Second
		redis.wait = func() { time.Sleep(500 * time.Millisecond) }
		if err := h.readClocks(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := clock.Clocks{Machine: time.Now(), Database: time.Now().Add(time.Hour), Redis: time.Now().Add(-3 * time.Second)}
		if diff := cmp.Diff(want, h.clocks.Now()); diff != "" {
			t.Errorf("the clocks (-want +got):\n%s", diff)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestAClockThatWasSetRightIsBelievedWithinTwoSeconds: until then another that goes wrong would be the second one.
func TestAClockThatWasSetRightIsBelievedWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _, redis := clocked(t)
		stop := h.run(t)
		redis.set(time.Hour)
		time.Sleep(clocksEvery)
		synctest.Wait()
		if h.clocks.Now().Agree() {
			t.Error("the clocks agree, while Redis's is an hour ahead")
		}
		redis.set(0)
		time.Sleep(2 * clocksSoon)
		synctest.Wait()
		if now := h.clocks.Now(); !now.Agree() {
			t.Errorf("two seconds after Redis's clock was set right: %s", now)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestASlowOrFailedReadingOfTheClocksIsNone: it would say nothing about their agreement.
func TestASlowOrFailedReadingOfTheClocksIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, database, _ := clocked(t)
		before := h.clocks.Now().Database
		lost := errors.New("lost")
		h.ephemeral.clock = func(context.Context) (time.Time, error) { return time.Now(), lost }
		if err := h.readClocks(t.Context()); !errors.Is(err, lost) {
			t.Errorf("a failed reading: %v", err)
		}
		h.store = &hungClock{durable: database}
		if err := h.readClocks(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a slow reading: %v", err)
		}
		if got := h.clocks.Now().Database; !got.Equal(before) {
			t.Errorf("the database's clock is %s, want %s as before", got, before)
		}
		h.store = database.durable
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

type hungClock struct{ durable }

func (hungClock) Now(ctx context.Context) (time.Time, error) {
	<-ctx.Done()
	return time.Time{}, ctx.Err()
}

func TestAWrongClockIsNamedOnceAndOnceWhenAllAgreeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, database, redis := clocked(t)
		for _, step := range []struct {
			database, redis time.Duration
			want            string // in the log; "": nothing new
		}{
			{0, 0, ""},
			{clock.Tolerance, 0, ""},
			{45 * time.Second, 2 * time.Second, `level=WARN msg="a clock is wrong; set it right (times are relative to the median)" wrong=database machine=-2s database=+43s redis=+0s`},
			{time.Hour, 0, ""},
			{time.Hour, -time.Hour, `level=WARN msg="a clock is wrong; set it right (times are relative to the median)" wrong="which one is not known" machine=+0s database=+1h0m0s redis=-1h0m0s`},
			{0, -time.Hour, `level=WARN msg="a clock is wrong; set it right (times are relative to the median)" wrong=redis machine=+0s database=+0s redis=-1h0m0s`},
			{time.Hour, time.Hour, `level=WARN msg="a clock is wrong; set it right (times are relative to the median)" wrong=machine machine=-1h0m0s database=+0s redis=+0s`},
			{0, 0, `level=INFO msg="the clocks agree again"`},
			{0, 0, ""},
		} {
			database.ahead, redis.ahead = step.database, step.redis
			before := len(h.said.String())
			if err := h.readClocks(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(h.said.String()[before:]); got != step.want {
				t.Errorf("database %s, Redis %s: the log says\n%s\nwant\n%s", step.database, step.redis, got, step.want)
			}
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOperatorsLearnWhichClockIsWrongAndWhoRefusesTokens(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	at := func(machine, database, redis time.Duration) clock.Clocks {
		return clock.Clocks{Machine: noon.Add(machine), Database: noon.Add(database), Redis: noon.Add(redis)}
	}
	for name, row := range map[string]struct {
		clocks clock.Clocks
		want   []string
	}{
		"all agree": {at(0, clock.Tolerance, 0), nil},
		"one clock": {clock.Clocks{Machine: noon}, nil},
		"the database is ahead: tokens go by the two others": {at(0, time.Hour, 0), []string{
			"the clock of the database is wrong: +1h0m0s against the two others; set it right",
			"verifiers whose clock is that of the database refuse new tokens: they are 1h0m0s behind it, and have expired by it",
		}},
		"this machine is behind": {at(-time.Minute, 0, 0), []string{
			"the clock of this machine is wrong: -1m0s against the two others; set it right",
			"verifiers whose clock is that of this machine refuse new tokens: they are 1m0s ahead of it",
		}},
		"a little too far": {at(-20*time.Second, 0, 0), []string{"the clock of this machine is wrong: -20s against the two others; set it right"}},
		"no two agree": {at(0, 20*time.Second, -20*time.Second), []string{
			"the clocks disagree: this machine +0s, the database +20s, Redis -20s; set them right",
		}},
	} {
		if diff := cmp.Diff(row.want, clockNotes(row.clocks, 5*time.Minute)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
