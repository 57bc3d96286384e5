package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

// reading is what the three clocks say; their offsets from this process's time.
func reading(redis, database, machine time.Duration) clock.Clocks {
	now := time.Now()
	return clock.Clocks{Redis: now.Add(redis), Database: now.Add(database), Machine: now.Add(machine)}
}

func TestClocksMoveOnBetweenReadings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var set time.Duration // of this machine's clock, by hand
		w := clock.NewWatch(func() time.Time { return time.Now().Add(set) })
		if diff := cmp.Diff(clock.Clocks{Machine: time.Now()}, w.Now()); diff != "" {
			t.Errorf("before a reading (-want +got):\n%s", diff)
		}
		w.Note(reading(time.Hour, -time.Hour, 0))
		time.Sleep(3 * time.Second)
		set = time.Minute // the others move on by what passed, whatever this machine's clock was set to
		if diff := cmp.Diff(reading(time.Hour, -time.Hour, time.Minute), w.Now()); diff != "" {
			t.Errorf("between readings (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(reading(time.Hour, 2*time.Second, time.Minute), w.At(time.Now().Add(2*time.Second))); diff != "" {
			t.Errorf("with the database's clock at hand (-want +got):\n%s", diff)
		}
	})
}

func TestClocksAgreeAfterTwoReadingsInARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var set time.Duration
		w := clock.NewWatch(func() time.Time { return time.Now().Add(set) })
		want := func(when string, want bool) {
			t.Helper()
			if got := w.Agree(); got != want {
				t.Errorf("%s: agree = %t, want %t", when, got, want)
			}
		}
		good := func() { w.Note(reading(0, time.Second, 0)) }
		want("before a reading", false)
		good()
		want("after one", false)
		good()
		want("after two", true)
		good()
		want("after three", true)
		w.Note(reading(0, clock.Tolerance+time.Second, 0))
		want("after one that disagrees", false)
		good()
		want("after one that agrees again", false)
		good()
		want("after two that agree again", true)
		set = time.Minute
		want("when this machine's clock was set since", false)
		set = 0
		time.Sleep(15 * time.Second)
		want("while the last reading is young", true)
		time.Sleep(time.Second)
		want("when no reading came for long", false)
		good()
		want("after the first one again", false)
		good()
		want("after the second one again", true)
	})
}
