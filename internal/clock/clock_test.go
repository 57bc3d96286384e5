package clock_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// at returns clocks that are so far ahead of noon; nil: there is no such clock.
func at(redis, database, machine *time.Duration) clock.Clocks {
	read := func(ahead *time.Duration) time.Time {
		if ahead == nil {
			return time.Time{}
		}
		return noon.Add(*ahead)
	}
	return clock.Clocks{Redis: read(redis), Database: read(database), Machine: read(machine)}
}

// everyClocks calls check with clocks that are there or not, and apart by everything that
// makes a difference.
func everyClocks(check func(c clock.Clocks, aheads []time.Duration)) {
	choices := []*time.Duration{nil}
	for _, ahead := range []time.Duration{
		-31 * 24 * time.Hour, -time.Hour, -clock.Tolerance - 1, -clock.Tolerance, 0, time.Second, clock.Tolerance, clock.Tolerance + 1, time.Hour, 31 * 24 * time.Hour,
	} {
		choices = append(choices, &ahead)
	}
	for _, redis := range choices {
		for _, database := range choices {
			for _, machine := range choices {
				var aheads []time.Duration
				for _, ahead := range []*time.Duration{redis, database, machine} {
					if ahead != nil {
						aheads = append(aheads, *ahead)
					}
				}
				slices.Sort(aheads)
				check(at(redis, database, machine), aheads)
			}
		}
	}
}

func TestTheMedianIsTheMiddleOfThreeAndTheEarlierOfTwo(t *testing.T) {
	t.Parallel()
	everyClocks(func(c clock.Clocks, aheads []time.Duration) {
		var want time.Time
		switch len(aheads) {
		case 1, 2:
			want = noon.Add(aheads[0])
		case 3:
			want = noon.Add(aheads[1])
		}
		if got := c.Median(); !got.Equal(want) {
			t.Errorf("%v: median %s, want %s", c, got, want)
		}
	})
}

func TestNoSingleClockOfThreeMovesTheReliableTimeByMoreThanTheTolerance(t *testing.T) {
	t.Parallel()
	everyClocks(func(c clock.Clocks, aheads []time.Duration) {
		got := c.Reliable()
		switch {
		case !c.Database.IsZero() && c.Database.Sub(c.Median()).Abs() <= clock.Tolerance:
			if !got.Equal(c.Database) {
				t.Errorf("%v: reliable %s, want the database's", c, got)
			}
		case !got.Equal(c.Median()):
			t.Errorf("%v: reliable %s, want the median", c, got)
		}
	})
}

func TestTwoAgreeWhenNeighboursAreWithinTheTolerance(t *testing.T) {
	t.Parallel()
	everyClocks(func(c clock.Clocks, aheads []time.Duration) {
		want := false
		for i := range max(0, len(aheads)-1) {
			want = want || aheads[i+1]-aheads[i] <= clock.Tolerance
		}
		if got := c.TwoAgree(); got != want {
			t.Errorf("%v: two agree = %t, want %t", c, got, want)
		}
	})
}

func TestClocksAgreeWhenTheEarliestIsNoMoreThanTheToleranceBehindTheLatest(t *testing.T) {
	t.Parallel()
	everyClocks(func(c clock.Clocks, aheads []time.Duration) {
		want := len(aheads) == 0 || aheads[len(aheads)-1]-aheads[0] <= clock.Tolerance
		if got := c.Agree(); got != want {
			t.Errorf("%v: agree = %t, want %t", c, got, want)
		}
	})
}

func TestTheOddClockIsTheOneAgainstWhichTwoAgree(t *testing.T) {
	t.Parallel()
	hour, now, near, back := time.Hour, time.Duration(0), 4*time.Second, -2*time.Hour
	apart, before := 6*time.Second, -9*time.Second
	for name, row := range map[string]struct {
		clocks clock.Clocks
		want   clock.Offset
		odd    bool
	}{
		"all agree":            {at(&now, &near, &now), clock.Offset{}, false},
		"the database":         {at(&now, &hour, &now), clock.Offset{Name: clock.Database, Ahead: time.Hour}, true},
		"this machine, behind": {at(&now, &near, &back), clock.Offset{Name: clock.Machine, Ahead: -2 * time.Hour}, true},
		"Redis":                {at(&hour, &near, &now), clock.Offset{Name: clock.Redis, Ahead: time.Hour - near}, true},
		"each beside another":  {at(&apart, &now, &before), clock.Offset{}, false},
		"no two agree":         {at(&now, &hour, &back), clock.Offset{}, false},
		"there are two only":   {at(nil, &hour, &now), clock.Offset{}, false},
		"there is one only":    {at(nil, nil, &now), clock.Offset{}, false},
	} {
		got, odd := row.clocks.Odd()
		if odd != row.odd || odd && got != row.want {
			t.Errorf("%s: %v, %t; want %v, %t", name, got, odd, row.want, row.odd)
		}
	}
}

func TestOffsetsAreFromTheMedian(t *testing.T) {
	t.Parallel()
	now, near, hour := time.Duration(0), 4*time.Second, time.Hour
	want := []clock.Offset{{Name: clock.Machine, Ahead: -near}, {Name: clock.Database, Ahead: 0}, {Name: clock.Redis, Ahead: hour - near}}
	if diff := cmp.Diff(want, at(&hour, &near, &now).Offsets()); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
}

func TestClocksThatAreNotThereAreNotMoved(t *testing.T) {
	t.Parallel()
	now := time.Duration(0)
	want := clock.Clocks{Machine: noon.Add(time.Hour)}
	if diff := cmp.Diff(want, at(nil, nil, &now).Add(time.Hour)); diff != "" {
		t.Errorf("an hour later (-want +got):\n%s", diff)
	}
}
