package app

import (
	"errors"
	"testing"
	"time"
)

func TestAChangeOfADependencyIsNotedOnceWithItsTime(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 7, 1, 3, 0, 0, 0, time.UTC)
	d := &dependency{name: "redis"}
	gone, otherwise := errors.New("connection refused"), errors.New("timeout")
	for i, step := range []struct {
		found   error
		changed bool
		since   int // the step of the last change
	}{{nil, false, 0}, {nil, false, 0}, {gone, true, 2}, {otherwise, false, 2}, {nil, true, 4}, {nil, false, 4}, {gone, true, 6}} {
		now := begin.Add(time.Duration(i) * probeEvery)
		if changed := d.note(step.found, now); changed != step.changed {
			t.Errorf("step %d: changed %t, want %t", i, changed, step.changed)
		}
		since, down := d.state()
		if want := begin.Add(time.Duration(step.since) * probeEvery); !errors.Is(down, step.found) || !since.Equal(want) {
			t.Errorf("step %d: %v since %s, want %v since %s", i, down, since, step.found, want)
		}
	}
	first := &dependency{name: "postgres"}
	if !first.note(gone, begin) {
		t.Error("one that is down at the first probe was up at the start, and that is no change")
	}
}
