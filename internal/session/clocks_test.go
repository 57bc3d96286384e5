package session_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// set sets one of three clocks ahead.
func set(c clock.Clocks, name clock.Name, ahead time.Duration) clock.Clocks {
	shift := func(t time.Time) time.Time {
		if t.IsZero() { // a state has no stamp of a machine's
			return t
		}
		return t.Add(ahead)
	}
	switch name {
	case clock.Redis:
		c.Redis = shift(c.Redis)
	case clock.Database:
		c.Database = shift(c.Database)
	case clock.Machine:
		c.Machine = shift(c.Machine)
	}
	return c
}

// errors of a clock: next to nothing, around the tolerance and the grace, and for good.
func clockErrors() []time.Duration {
	var all []time.Duration
	for _, d := range []time.Duration{time.Millisecond, 9 * time.Second, 11 * time.Second, 29 * time.Second, 40 * time.Second, time.Hour, 31 * 24 * time.Hour, 200 * 24 * time.Hour} {
		all = append(all, d, -d)
	}
	return all
}

// TestOneWrongClockOfThreeChangesNoDecision of the table, whichever it is: neither one that
// is wrong for good, nor one that was set after the rotation, nor one that was wrong then
// and is right again. Only the stamp differs that it leaves.
func TestOneWrongClockOfThreeChangesNoDecision(t *testing.T) {
	t.Parallel()
	for _, row := range decisions() {
		if given, _ := row.refresh(func(*refresh) {}); given.now().Before(rotated) {
			continue // every clock went back
		}
		for _, odd := range []clock.Name{clock.Redis, clock.Database, clock.Machine} {
			for _, ahead := range clockErrors() {
				for when, wrong := range map[string][2]bool{"always": {true, true}, "now": {false, true}, "then": {true, false}} {
					given, want := row.refresh(func(r *refresh) {
						if wrong[0] && r.state.Stamps != (clock.Clocks{}) {
							r.state.Stamps = set(r.state.Stamps, odd, ahead)
						}
						if wrong[1] {
							r.clocks = set(r.clocks, odd, ahead)
						}
					})
					if want.State != given.state && wrong[1] {
						want.State.Stamps = set(want.State.Stamps, odd, ahead)
					}
					if diff := cmp.Diff(given.decide(), want); diff != "" {
						t.Errorf("%s, %s %s ahead %s: decision (-got +want):\n%s", row.name, odd, ahead, when, diff)
					}
				}
			}
		}
	}
}

// TestAStateWithoutStampsGoesByOneClock: one that an earlier binary wrote by Redis's,
// whatever the others show, and in embedded mode by the only one, which leaves no stamps.
func TestAStateWithoutStampsGoesByOneClock(t *testing.T) {
	t.Parallel()
	for _, row := range decisions() {
		earlier, want := row.refresh(func(r *refresh) { r.state.Stamps = clock.Clocks{} })
		if diff := cmp.Diff(earlier.decide(), want); diff != "" {
			t.Errorf("%s, of an earlier binary: decision (-got +want):\n%s", row.name, diff)
		}
		embedded, want := row.refresh(func(r *refresh) {
			r.state.Stamps, r.clocks = clock.Clocks{}, clock.Clocks{Database: r.now()}
		})
		want.State.Stamps = clock.Clocks{}
		if diff := cmp.Diff(embedded.decide(), want); diff != "" {
			t.Errorf("%s, embedded: decision (-got +want):\n%s", row.name, diff)
		}
	}
}

// TestTheGraceIsADuration which Redis's clock and the database's measure, each for itself.
func TestTheGraceIsADuration(t *testing.T) {
	t.Parallel()
	const s, hour = time.Second, time.Hour
	type ahead struct{ redis, database, machine time.Duration }
	for name, row := range map[string]struct {
		then, now ahead // of true time; rotated then, and now is 20 s later
		want      time.Duration
	}{
		"all are right":                                 {ahead{}, ahead{}, 20 * s},
		"each is wrong by as much as before":            {ahead{hour, -hour, 5 * s}, ahead{hour, -hour, 7 * hour}, 20 * s},
		"Redis is promoted":                             {ahead{}, ahead{40 * s, 0, 0}, 20 * s},
		"Redis is promoted, and another machine asks":   {ahead{}, ahead{40 * s, 0, 90 * s}, 20 * s},
		"Redis is promoted where a database is wrong":   {ahead{0, hour, 0}, ahead{40 * s, hour, 0}, 20 * s},
		"the database goes back for an hour":            {ahead{}, ahead{0, -hour, 0}, 20 * s},
		"the database comes back to where it was then":  {ahead{}, ahead{0, -20 * s, 0}, 20 * s},
		"the database went back, and no two agree":      {ahead{0, 0, hour}, ahead{0, -25 * s, hour}, 0},
		"to the tolerance before the stamp":             {ahead{0, 0, hour}, ahead{0, -30 * s, hour}, 0},
		"further back: its measure is none":             {ahead{0, 0, hour}, ahead{0, -30*s - time.Millisecond, hour}, 20 * s},
		"both went back too far: there is no measure":   {ahead{}, ahead{-hour, -2 * hour, 0}, 0},
		"both went forward":                             {ahead{}, ahead{hour, 40 * s, 0}, 60 * s},
		"the median went forward, and neither measured": {ahead{0, 0, -hour}, ahead{0, 0, hour}, 20 * s},
	} {
		at := func(a ahead, t time.Time) clock.Clocks {
			return clock.Clocks{Redis: t.Add(a.redis), Database: t.Add(a.database), Machine: t.Add(a.machine)}
		}
		r := plain(5).but(func(r *refresh) {
			then := at(row.then, rotated)
			r.state.RotatedAt = then.Median()
			r.state.Stamps = clock.Clocks{Redis: then.Redis, Database: then.Database}
			r.clocks = at(row.now, rotated.Add(20*s))
			r.policy.Skip = false
		})
		for grace, want := range map[time.Duration]session.Verdict{row.want: session.Replayed, row.want + 1: session.Repeated} {
			r.policy.Grace = grace
			if got := r.decide().Verdict; got != want {
				t.Errorf("%s: with a grace of %s it is %s, want %s", name, grace, got, want)
			}
		}
	}
}

// TestStampsAreInMilliseconds, as the stores keep them: what is read is what was written.
func TestStampsAreInMilliseconds(t *testing.T) {
	t.Parallel()
	r := plain(6).but(func(r *refresh) {
		r.clocks = clock.Clocks{Redis: now.Add(time.Hour), Database: now.Add(time.Minute).In(time.FixedZone("", 3600)), Machine: now}
	})
	at := now.Truncate(time.Millisecond)
	want := clock.Clocks{Redis: at.Add(time.Hour), Database: at.Add(time.Minute)}
	if got := r.decide().State.Stamps; got != want {
		t.Errorf("stamps %v, want %v", got, want)
	}
}
