package app

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Dependencies are probed every probeEvery. One that has not answered within probeWithin is down.
const (
	probeEvery  = 5 * time.Second
	probeWithin = 3 * time.Second
)

// dependency is a store that requests need.
type dependency struct {
	name string // the value of the metric's label
	ping func(context.Context) error

	mu    sync.Mutex
	down  error     // under mu: why; nil while it is up
	since time.Time // under mu: when it was first found so
}

// note takes down what a probe found, and reports whether that is a change.
func (d *dependency) note(found error, now time.Time) (changed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if changed = (found == nil) != (d.down == nil); changed || d.since.IsZero() {
		d.since = now
	}
	d.down = found
	return changed
}

func (d *dependency) state() (since time.Time, down error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.since, d.down
}

// probe asks every dependency at once whether it is there, and logs what has changed.
func (a *App) probe(ctx context.Context) error {
	var probes sync.WaitGroup
	for _, d := range a.dependencies {
		probes.Go(func() {
			err := within(ctx, probeWithin, d.ping)
			if ctx.Err() != nil || !d.note(err, time.Now()) {
				return
			}
			if err != nil {
				a.log.Warn("a dependency is down", "name", d.name, "err", err)
			} else {
				a.log.Warn("a dependency is up again", "name", d.name)
			}
		})
	}
	probes.Wait()
	return nil
}

func (a *App) meterDependencies() {
	a.metrics.Gauges("mintmark_dependency_up", "1 while the store that requests need answers, asked every five seconds.", "name",
		func(set func(name string, value float64)) {
			for _, d := range a.dependencies {
				up := 1.0
				if _, down := d.state(); down != nil {
					up = 0
				}
				set(d.name, up)
			}
		})
}

// details are what operators may ask for: how each part of this replica is.
func (a *App) details() []string {
	var lines []string
	for _, d := range a.dependencies {
		since, down := d.state()
		switch {
		case down != nil:
			lines = append(lines, fmt.Sprintf("%s: down since %s: %v", d.name, since.UTC().Format(time.RFC3339), down))
		case since.IsZero():
			lines = append(lines, d.name+": up")
		default:
			lines = append(lines, fmt.Sprintf("%s: up since %s", d.name, since.UTC().Format(time.RFC3339)))
		}
	}
	keys := a.keys.Outlook()
	lines = append(lines, fmt.Sprintf("signing keys: %s signs, %d published, %d damaged, read %s ago", keys.Signing, keys.Published, keys.Damaged, keys.Age.Round(time.Second)))
	if !keys.NextSwitch.IsZero() {
		lines[len(lines)-1] += ", next switch " + keys.NextSwitch.UTC().Format(time.RFC3339)
	}
	return append(lines,
		fmt.Sprintf("status lists: %d revoked sessions, read %s ago", a.lists.Revoked(), a.lists.Age().Round(time.Second)),
		"clocks: "+a.clocks.Now().String())
}
