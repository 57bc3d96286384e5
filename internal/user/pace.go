package user

import (
	"sync"
	"time"
)

// A refusal is told twice as long after its work began as the work under the costliest parameters takes, so that it tells
// nothing of those of the stored hash.
const (
	margin = 2
	// forgetting is how much slower than it rises the measure of this machine falls: by a share of the difference
	// with every hash.
	forgetting = 64
	// longestPause bounds a refusal on a machine that hardly gets on.
	longestPause = 5 * time.Second
	// unitWork is what a pace gives the time of, in KiB × passes: enough to be many nanoseconds.
	unitWork = 1 << 10
)

// pace is how fast this machine hashes, and the costliest parameters that it has met. A refusal depends on nothing else.
type pace struct {
	unit    time.Duration // that unitWork takes, near the most of late
	hardest uint64        // KiB × passes
}

// met returns the pace after a hash with these parameters took so long.
func (p pace) met(params Params, took time.Duration) pace {
	work := params.work()
	unit := min(max(took, 0), longestPause) * unitWork / time.Duration(work)
	if unit < p.unit {
		unit = p.unit - (p.unit-unit)/forgetting
	}
	return pace{unit: unit, hardest: max(p.hardest, work)}
}

// told is how long after its work began a refusal is told.
func (p pace) told() time.Duration {
	return min(margin*p.unit*time.Duration(p.hardest)/unitWork, longestPause)
}

// work is what a hash costs, in KiB × passes.
func (p Params) work() uint64 { return uint64(p.MemoryKiB) * uint64(p.Time) }

// metronome is the pace of a running hasher.
type metronome struct {
	mu   sync.Mutex
	pace pace // guarded by mu
}

// note takes down how long a hash took, and returns when a refusal is told that began with it. How long this one took
// has no say in that, unless it is the first.
func (m *metronome) note(params Params, began time.Time, took time.Duration) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := m.pace.met(params, took)
	before := pace{m.pace.unit, after.hardest}
	if before.unit == 0 {
		before.unit = after.unit
	}
	m.pace = after
	return began.Add(before.told())
}

// told is how long a refusal takes at the moment under such parameters or the costliest that were met.
func (m *metronome) told(params Params) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pace{m.pace.unit, max(m.pace.hardest, params.work())}.told()
}
