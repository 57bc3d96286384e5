// Package clock compares the clocks of the machines that a decision depends on: this machine's, the database's and
// Redis's. No single clock is trusted: a moment is the median of them, and what can't be undone waits until they agree.
//
// clock.go is pure. watch.go follows the clocks by readings.
package clock

import (
	"cmp"
	"slices"
	"time"
)

// Tolerance is how far apart clocks may be that agree.
const Tolerance = 10 * time.Second

// Clocks is what the clocks said at one moment. A zero time means that there is no such
// clock, or that it was not read.
type Clocks struct {
	Redis    time.Time
	Database time.Time
	Machine  time.Time
}

// Name names a clock, for logs, metrics and messages.
type Name string

// The names of the clocks.
const (
	Redis    Name = "redis"
	Database Name = "database"
	Machine  Name = "machine"
)

// Offset is how far a clock is ahead of the median.
type Offset struct {
	Name  Name
	Ahead time.Duration
}

// Median returns the time that no single clock decides: the middle one of three. Of two it
// is the earlier one, so that neither ends anything early; zero if there is none.
func (c Clocks) Median() time.Time {
	times, n := c.known()
	return times[max(0, n-1)/2]
}

// Reliable returns the database's time, which all replicas share, as long as it is within
// [Tolerance] of the median; else the median.
func (c Clocks) Reliable() time.Time {
	median := c.Median()
	if c.Database.IsZero() || wall(c.Database).Sub(median).Abs() > Tolerance {
		return median
	}
	return wall(c.Database)
}

// TwoAgree reports whether another clock agrees with the one that shows the median, so that
// the median is no single clock's.
func (c Clocks) TwoAgree() bool {
	near, median := 0, c.Median()
	for _, t := range [...]time.Time{c.Redis, c.Database, c.Machine} {
		if !t.IsZero() && wall(t).Sub(median).Abs() <= Tolerance {
			near++
		}
	}
	return near >= 2
}

// Spread is how far the earliest clock is behind the latest.
func (c Clocks) Spread() time.Duration {
	times, n := c.known()
	return times[max(0, n-1)].Sub(times[0])
}

// Agree reports whether the clocks are no further apart than [Tolerance].
func (c Clocks) Agree() bool { return c.Spread() <= Tolerance }

// Odd returns the clock that disagrees with the two others, which agree. It reports false
// when all agree, when no two do, and when there are only two.
func (c Clocks) Odd() (Offset, bool) {
	offsets := c.Offsets()
	if len(offsets) < 3 || c.Agree() {
		return Offset{}, false
	}
	slices.SortFunc(offsets, func(a, b Offset) int { return cmp.Compare(b.Ahead.Abs(), a.Ahead.Abs()) })
	return offsets[0], offsets[0].Ahead.Abs() > Tolerance && offsets[1].Ahead.Abs() <= Tolerance
}

// Offsets returns how far each known clock is ahead of the median.
func (c Clocks) Offsets() []Offset {
	var offsets []Offset
	median := c.Median()
	for _, clock := range []struct {
		name Name
		time time.Time
	}{{Machine, c.Machine}, {Database, c.Database}, {Redis, c.Redis}} {
		if !clock.time.IsZero() {
			offsets = append(offsets, Offset{clock.name, wall(clock.time).Sub(median)})
		}
	}
	return offsets
}

// Add returns the clocks a duration later.
func (c Clocks) Add(d time.Duration) Clocks {
	later := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return wall(t).Add(d)
	}
	return Clocks{Redis: later(c.Redis), Database: later(c.Database), Machine: later(c.Machine)}
}

// known returns the times of the clocks that there are, the earliest first, and how many.
func (c Clocks) known() (times [3]time.Time, n int) {
	for _, t := range [...]time.Time{c.Redis, c.Database, c.Machine} {
		if t.IsZero() {
			continue
		}
		times[n] = wall(t)
		for i := n; i > 0 && times[i].Before(times[i-1]); i-- {
			times[i-1], times[i] = times[i], times[i-1]
		}
		n++
	}
	return times, n
}

// wall drops the monotonic reading, by which Go would compare two times of this process
// even after its clock was set.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }
