package clock

import (
	"sync"
	"time"
)

// goodFor is how long a reading counts as the latest: three times as long as the interval
// at which the owner reads.
const (
	goodFor = 15 * time.Second
	inARow  = 2
)

// Watch follows the clocks by readings. Between two readings it moves the clocks of others
// on by the time that passed here. It is safe for concurrent use.
type Watch struct {
	machine func() time.Time // this machine's wall clock

	mu     sync.Mutex
	latest Clocks    // guarded by mu, as is what follows
	read   time.Time // by this process's monotonic clock
	agreed int       // readings in a row in which the clocks agreed, up to inARow
}

// NewWatch returns a watch that has read nothing yet. machine is the wall clock of this
// machine; nil is time.Now.
func NewWatch(machine func() time.Time) *Watch {
	if machine == nil {
		machine = time.Now
	}
	return &Watch{machine: machine}
}

// Note takes a reading of every clock there is. One that lacks a clock must not be noted.
func (w *Watch) Note(c Clocks) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !c.Agree() || time.Since(w.read) > goodFor {
		w.agreed = 0
	}
	if c.Agree() {
		w.agreed = min(w.agreed+1, inARow)
	}
	w.latest, w.read = c, time.Now()
}

// Now returns what the clocks say now. Before the first reading only this machine's is known.
func (w *Watch) Now() Clocks {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now()
}

// At returns what the clocks say now, given what the database's has just said.
func (w *Watch) At(database time.Time) Clocks {
	c := w.Now()
	c.Database = wall(database)
	return c
}

func (w *Watch) now() Clocks {
	var c Clocks
	if !w.read.IsZero() {
		c = w.latest.Add(time.Since(w.read))
	}
	c.Machine = wall(w.machine())
	return c
}

// Agree reports whether the clocks agreed at two readings in a row, the latest of them not
// long ago, and do so now. What can't be undone is done only then.
func (w *Watch) Agree() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.agreed == inARow && time.Since(w.read) <= goodFor && w.now().Agree()
}
