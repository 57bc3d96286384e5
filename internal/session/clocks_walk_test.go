//go:build !race

package session_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// clockWalks are the policies while a clock is wrong: each clock is set once, forward and
// back, within the grace and beyond it, and then to the right time again.
func clockWalks() map[string]walk {
	walks := map[string]walk{}
	for _, odd := range []clock.Name{clock.Redis, clock.Database, clock.Machine} {
		for _, ahead := range []int64{1, 4, -1, -2, -4} {
			for name, w := range map[string]walk{
				"bearer":             {session.Policy{}, limits{gens: 4, grace: 2, flushes: 1}},
				"confidential":       {session.Policy{Skip: true}, limits{gens: 4, grace: 2}},
				"bearer that ends":   {session.Policy{}, limits{gens: 3, grace: 1, idle: 2, absolute: 4}},
				"never, yet it ends": {session.Policy{Never: true}, limits{gens: 3, grace: 1, idle: 2, absolute: 4}},
			} {
				w.limits.odd, w.limits.ahead, w.limits.jumps = odd, ahead, 2
				walks[fmt.Sprintf("%s, the clock of %s by %d", name, odd, ahead)] = w
			}
		}
	}
	return walks
}

// TestWalkKeepsTheInvariantsWhileAClockIsWrong checks them in true time.
func TestWalkKeepsTheInvariantsWhileAClockIsWrong(t *testing.T) {
	t.Parallel()
	states, transitions := 0, 0
	for name, walk := range clockWalks() {
		w := newWalker(walk, theAuthority())
		w.walk()
		states += len(w.index)
		transitions += w.transitions
		if w.violation != "" {
			t.Errorf("%s: %s\n%s", name, w.violation, w.story())
			continue
		}
		w.wantEveryVerdict(t)
	}
	t.Logf("%d states, %d transitions in all", states, transitions)
}

// TestAConstantErrorOfOneClockChangesNothing: the walk meets as many worlds by as many
// steps, and comes to each verdict as often, as if all clocks were right.
func TestAConstantErrorOfOneClockChangesNothing(t *testing.T) {
	t.Parallel()
	type figures struct {
		states, transitions int
		verdicts            [session.Replayed + 1]int
		violation           string
	}
	count := func(walk walk) figures {
		w := newWalker(walk, theAuthority())
		w.walk()
		return figures{len(w.index), w.transitions, w.verdicts, w.violation}
	}
	for _, walk := range []walk{bearer, confidential, ending, never} {
		want := count(walk)
		for _, odd := range []clock.Name{clock.Redis, clock.Database, clock.Machine} {
			for _, ahead := range []int64{360, -360} { // an hour
				walk.limits.odd, walk.limits.ahead = odd, ahead
				if diff := cmp.Diff(count(walk), want, cmp.AllowUnexported(figures{})); diff != "" || want.violation != "" {
					t.Errorf("%+v (-got +want):\n%s", walk, diff)
				}
			}
		}
	}
}

// jumping is a walk while a clock is set.
func jumping(odd clock.Name, ahead int64, of walk) walk {
	of.limits.odd, of.limits.ahead, of.limits.jumps = odd, ahead, 2
	return of
}

// clockMutants are what would be wrong ways to go by the clocks.
func clockMutants() map[string]mutant {
	grace := walk{session.Policy{}, limits{gens: 3, grace: 2}}
	return map[string]mutant{
		"Redis's clock alone judges":       {"clocks", jumping(clock.Redis, 4, grace), seeing(byRedisAlone), "S1 S9"},
		"the database's clock alone does":  {"clocks", jumping(clock.Database, 4, grace), seeing(byDatabaseAlone), "S1 S9"},
		"the end goes by a clock ahead":    {"clocks", jumping(clock.Redis, 4, ending), seeing(endByRedis), "S4"},
		"the end goes by a clock behind":   {"clocks", jumping(clock.Redis, -4, ending), seeing(endByRedis), "S8"},
		"the grace goes by a clock ahead":  {"clocks", jumping(clock.Redis, 4, grace), judging(graceBy(redisMeasures)), "S9"},
		"the grace goes by a clock behind": {"clocks", jumping(clock.Redis, -4, grace), judging(graceBy(redisMeasures)), "S5 S9"},
		"the longer measure counts":        {"clocks", jumping(clock.Database, 4, grace), judging(graceBy(longer)), "S9"},
		"the shorter measure counts alone": {"clocks", jumping(clock.Database, -4, grace), judging(graceBy(shorter)), "S5"},
		"the stamps are not stored": {"clocks", jumping(clock.Redis, 4, grace), judging(func(r refresh, d *session.Decision) {
			if d.State != r.state {
				d.State.Stamps = clock.Clocks{}
			}
		}), "S9"},
	}
}

func byRedisAlone(r *refresh) {
	r.clocks, r.state.Stamps = clock.Clocks{Redis: r.clocks.Redis}, clock.Clocks{}
}

func byDatabaseAlone(r *refresh) {
	r.clocks, r.state.Stamps = clock.Clocks{Database: r.clocks.Database}, clock.Clocks{}
}

// endByRedis compares Redis's clock with what ends.
func endByRedis(r *refresh) {
	ahead := r.clocks.Redis.Sub(r.now())
	r.presented.IssuedAt = r.presented.IssuedAt.Add(-ahead)
	r.row.AbsoluteExpiry = r.row.AbsoluteExpiry.Add(-ahead)
}

// graceBy is a grace that something else measures.
func graceBy(measure func(redis, database time.Duration) time.Duration) func(r refresh, d *session.Decision) {
	return func(r refresh, d *session.Decision) {
		prev := r.presented.Generation == r.state.Prev && r.state.Prev >= r.row.Checkpoint && r.state.Cur > r.row.Checkpoint
		if !prev || d.Verdict != session.Repeated && d.Verdict != session.Replayed {
			return
		}
		stamps := r.state.Stamps
		if measure(r.clocks.Redis.Sub(stamps.Redis), r.clocks.Database.Sub(stamps.Database)) < r.policy.Grace {
			*d = repeatOf(r)
		} else {
			*d = session.Decision{Verdict: session.Replayed, State: r.state}
		}
	}
}

func redisMeasures(redis, _ time.Duration) time.Duration { return redis }
func longer(redis, database time.Duration) time.Duration { return max(redis, database) }

// shorter leaves out a clock that is behind, as the rule does, but not the one that has
// reached its stamp again.
func shorter(redis, database time.Duration) time.Duration {
	if min(redis, database) < -clock.Tolerance {
		return max(redis, database)
	}
	return min(redis, database)
}

// TestTheWalkGoesOnBesideAnEarlierBinary, which writes states without stamps.
func TestTheWalkGoesOnBesideAnEarlierBinary(t *testing.T) {
	t.Parallel()
	for _, walk := range []walk{bearer, confidential} {
		walk.limits.older = true
		w := newWalker(walk, theAuthority())
		w.walk()
		if w.violation != "" {
			t.Errorf("%s\n%s", w.violation, w.story())
		}
	}
}
