//go:build !race

package session_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// mutant is an authority with one defect, and the invariants of which the walk
// must find one broken before any other.
type mutant struct {
	row       string // of the table, by its verdict, or what stands around it
	walk      walk
	authority authority
	breaks    string
}

// The walks of the mutants: small, as each needs few steps to be told.
var (
	bearer       = walk{session.Policy{}, limits{gens: 4, grace: 2, rollbacks: 1, flushes: 1}}
	racing       = walk{session.Policy{}, limits{gens: 4, grace: 2, rollbacks: 1, race: true}}
	confidential = walk{session.Policy{Skip: true}, limits{gens: 6, grace: 2}}
	faulty       = walk{session.Policy{Skip: true}, limits{gens: 4, grace: 2, rollbacks: 2, flushes: 1}}
	strict       = walk{session.Policy{Skip: true}, limits{gens: 4, clockBack: true}}
	never        = walk{session.Policy{Never: true}, limits{gens: 3, grace: 2, leak: true}}
	settling     = walk{session.Policy{}, limits{gens: 4, grace: 2, settle: true}}
	leaking      = walk{session.Policy{}, limits{gens: 4, grace: 2, leak: true}}
	ending       = walk{session.Policy{}, limits{gens: 4, grace: 1, idle: 2, absolute: 3}}
)

func mutants() map[string]mutant {
	return map[string]mutant{
		"the row is not read":       {"revoked", bearer, seeing(func(r *refresh) { r.row.Revoked = false }), "S3"},
		"the idle end is not read":  {"expired", ending, seeing(func(r *refresh) { r.presented.IssuedAt = r.now() }), "S8"},
		"the session never ends":    {"expired", ending, seeing(func(r *refresh) { r.row.AbsoluteExpiry = r.now().Add(1) }), "S8"},
		"a token outlives its idle": {"expired", ending, seeing(func(r *refresh) { r.policy.Idle++ }), "S8"},
		"a session outlives its end": {"expired", ending, seeing(func(r *refresh) {
			r.row.AbsoluteExpiry = r.row.AbsoluteExpiry.Add(1)
		}), "S8"},

		"never rotating is not read":   {"renewed", never, seeing(func(r *refresh) { r.policy.Never = false }), "S4"},
		"renewed below the checkpoint": {"renewed", settling, judging(renewBelowCheckpoint), "S7"},
		"renewed with its old issued-at": {"renewed", walk{session.Policy{Never: true}, limits{gens: 2, grace: 1, idle: 2}},
			judgingA(session.Renewed, func(r refresh, d *session.Decision) { d.Issued = r.presented.IssuedAt }), "S1"},
		"renewed under a compromised key": {"renewed", never, seeing(func(r *refresh) { r.presented.Compromised = false }), "compromised"},

		"the newest does not rotate": {"rotated", bearer, judgingA(session.Rotated, func(r refresh, d *session.Decision) {
			d.State, d.Issue = r.state, r.presented.Generation
		}), "S1"},
		"rotation forgets the previous": {"rotated", bearer, judgingA(session.Rotated, func(_ refresh, d *session.Decision) {
			d.State.Prev = d.State.Cur
		}), "S9"},
		"rotation keeps the count of skips": {"rotated", confidential, judgingA(session.Rotated, func(r refresh, d *session.Decision) {
			d.State.Skips = r.state.Skips
		}), "S4"},

		"grace for any ancestor":   {"repeated", bearer, judgingA(session.Replayed, repeatWithinGrace), "S5"},
		"grace a moment too long":  {"repeated", bearer, seeing(func(r *refresh) { r.policy.Grace++ }), "S5"},
		"grace a moment too short": {"repeated", bearer, seeing(func(r *refresh) { r.policy.Grace -= tick }), "S9"},
		"no grace":                 {"repeated", bearer, seeing(func(r *refresh) { r.policy.Grace = 0 }), "S9"},
		"grace slides": {"repeated", bearer, judgingA(session.Repeated, func(r refresh, d *session.Decision) {
			d.State.RotatedAt = r.now()
		}), "S5 S9"},
		"a repeat writes and is issued now": {"repeated", bearer, judgingA(session.Repeated, func(r refresh, d *session.Decision) {
			d.State.RotatedAt, d.Issued = r.now(), r.now()
		}), "S9"},
		"a repeat is issued now": {"repeated", bearer, judgingA(session.Repeated, func(r refresh, d *session.Decision) { d.Issued = r.now() }), "S9"},
		"a repeat is a new rotation": {"repeated", bearer, judgingA(session.Repeated, func(r refresh, d *session.Decision) {
			*d = advanced(session.Rotated, r.presented.Generation, r.state.Cur+1, r.now())
		}), "S1"},
		"elapsed may be negative":           {"repeated", strict, judgingA(session.Replayed, repeatBeforeItsTime), "S5"},
		"a repeat under a compromised key":  {"repeated", leaking, seeing(func(r *refresh) { r.presented.Compromised = false }), "compromised"},
		"skips where they are not allowed":  {"skipped", bearer, seeing(func(r *refresh) { r.policy.Skip = true }), "S5"},
		"skips are refused":                 {"skipped", confidential, seeing(func(r *refresh) { r.policy.Skip = false }), "S4"},
		"skips without limit":               {"skipped", confidential, seeing(func(r *refresh) { r.state.Skips = 0 }), "S5"},
		"one skip too few":                  {"skipped", confidential, seeing(func(r *refresh) { r.state.Skips++ }), "S4"},
		"skips without grace":               {"skipped", strict, judgingA(session.Replayed, skipWithoutGrace), "S5"},
		"skips within grace":                {"skipped", confidential, seeing(func(r *refresh) { r.policy.Grace = 1 }), "S9"},
		"a skip burns nothing":              {"skipped", confidential, judgingA(session.Skipped, burnNothing), "S1"},
		"a skip forgets the previous":       {"skipped", confidential, judgingA(session.Skipped, func(r refresh, d *session.Decision) { d.State.Prev = r.state.Cur }), "S4 S9"},
		"a burned generation is taken back": {"skipped", confidential, judgingA(session.Replayed, takeBackBurned), "S1"},

		"healing is refused": {"healed", bearer, judgingA(session.Healed, func(r refresh, d *session.Decision) {
			*d = session.Decision{Verdict: session.Replayed, State: r.state}
		}), "S6"},
		"healing does not advance": {"healed", bearer, judgingA(session.Healed, func(r refresh, d *session.Decision) { d.State = r.state }), "S1"},
		"healing forgets the previous": {"healed", bearer, judgingA(session.Healed, func(_ refresh, d *session.Decision) {
			d.State.Prev = d.State.Cur
		}), "S6 S9"},
		"the older heals, too": {"healed", bearer, judgingA(session.Replayed, func(r refresh, d *session.Decision) {
			*d = advanced(session.Healed, r.presented.Generation, r.presented.Generation+1, r.now())
		}), "S1 S2"},
		"a heal steps back to the checkpoint": {"healed", faulty, judgingA(session.Replayed, backToCheckpoint), "S2"},

		"a replay is only refused": {"replayed", bearer, judgingA(session.Replayed, func(_ refresh, d *session.Decision) {
			d.Verdict = session.Expired
		}), "S5"},
		"a replay does not revoke": {"replayed", bearer, withoutRevoking(), "S3"},
		"a replay resets the clock": {"replayed", bearer, judgingA(session.Replayed, func(r refresh, d *session.Decision) {
			d.State.RotatedAt = r.now()
		}), "S10"},

		"a missing state is nothing": {"state", bearer, judging(healWhatIsMissing), "S1"},
		"the state is not read":      {"state", bearer, seeing(func(r *refresh) { r.state = session.State{} }), "S1 S2"},

		"the checkpoint is not read":         {"checkpoint", bearer, seeing(func(r *refresh) { r.row.Checkpoint = 1 }), "S7"},
		"the checkpoint bounds no repeat":    {"checkpoint", faulty, seeing(boundNoRepeat), "S7"},
		"the checkpoint is what was issued":  {"checkpoint", bearer, withCheckpoint(func(_ uint32, d session.Decision) uint32 { return d.Issue }), "S4 S6"},
		"the checkpoint is ahead of the use": {"checkpoint", bearer, withCheckpoint(func(presented uint32, _ session.Decision) uint32 { return presented + 1 }), "S4 S6"},

		"the loser of a swap is refused":      {"swap", bearer, theAuthority().withSwap(refuseTheLoser), "S4 S9"},
		"the loser of a swap writes":          {"swap", racing, theAuthority().withSwap(writeAllTheSame), "S1 S2"},
		"the loser of a swap answers":         {"swap", racing, theAuthority().withSwap(answerAllTheSame), "S1"},
		"a swap that was sent twice has lost": {"swap", strict, theAuthority().withSwap(alwaysAgain), "S4"},
	}
}

// TestWalkCatchesEveryMutant breaks the authority in one place at a time, and
// wants the walk to find it out, for the reason that it should.
func TestWalkCatchesEveryMutant(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	unmet := map[string]bool{"clocks": true}
	for v := range session.Replayed + 1 {
		unmet[v.String()] = true
	}
	for i := range 9 {
		unmet[fmt.Sprintf("S%d", i+1)] = true
	}
	t.Run("mutants", func(t *testing.T) {
		all := mutants()
		maps.Copy(all, clockMutants())
		for name, m := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWalker(m.walk, m.authority)
				w.walk()
				invariant, _, _ := strings.Cut(w.violation, ":")
				if w.violation == "" {
					t.Fatalf("it survived %d states and %d transitions", len(w.index), w.transitions)
				}
				if !slices.Contains(strings.Fields(m.breaks), invariant) {
					t.Errorf("it broke %s; want %s first\n%s", w.violation, m.breaks, w.story())
				}
				t.Logf("%s; found after %d states and %d transitions", w.violation, len(w.index), w.transitions)
				mu.Lock()
				defer mu.Unlock()
				delete(unmet, m.row)
				delete(unmet, invariant)
			})
		}
	})
	if len(unmet) > 0 {
		t.Errorf("no mutant of %s", slices.Sorted(maps.Keys(unmet)))
	}
}

// TestWalkOfTheMutantsIsSound wants each walk of the mutants to find nothing in
// the real authority.
func TestWalkOfTheMutantsIsSound(t *testing.T) {
	t.Parallel()
	for i, walk := range []walk{bearer, racing, confidential, faulty, strict, never, settling, leaking, ending} { // those of clocks are in clockWalks
		w := newWalker(walk, theAuthority())
		w.walk()
		if w.violation != "" {
			t.Errorf("walk %d: %s\n%s", i, w.violation, w.story())
		}
	}
}

func renewBelowCheckpoint(r refresh, d *session.Decision) {
	if r.policy.Never && d.Verdict == session.Replayed && !r.presented.Compromised {
		*d = session.Decision{Verdict: session.Renewed, State: r.state, Issue: r.presented.Generation, Issued: r.now()}
	}
}

func repeatOf(r refresh) session.Decision {
	return session.Decision{
		Verdict: session.Repeated, State: r.state,
		Issue: r.state.Cur, Issued: r.state.RotatedAt.Truncate(time.Second),
	}
}

func repeatWithinGrace(r refresh, d *session.Decision) {
	known := r.presented.Generation >= r.row.Checkpoint && r.presented.Generation < r.state.Cur
	if known && r.now().Sub(r.state.RotatedAt) < r.policy.Grace {
		*d = repeatOf(r)
	}
}

func repeatBeforeItsTime(r refresh, d *session.Decision) {
	if r.presented.Generation == r.state.Prev && r.now().Sub(r.state.RotatedAt) < r.policy.Grace {
		*d = repeatOf(r)
	}
}

func skipWithoutGrace(r refresh, d *session.Decision) {
	if r.policy.Grace == 0 && r.presented.Generation == r.state.Prev && r.state.Skips < session.MaxSkips {
		*d = skipped(r.presented.Generation, r.state.Cur+1, r.state.Skips+1, r.now())
	}
}

// burnNothing issues the unacknowledged generation again.
func burnNothing(r refresh, d *session.Decision) {
	d.State.Cur, d.Issue = r.state.Cur, r.state.Cur
}

func takeBackBurned(r refresh, d *session.Decision) {
	if g := r.presented.Generation; g > r.state.Prev && g < r.state.Cur && g >= r.row.Checkpoint {
		*d = advanced(session.Rotated, g, r.state.Cur+1, r.now())
	}
}

// backToCheckpoint trusts the checkpoint more than a state that is ahead of it by
// a skip.
func backToCheckpoint(r refresh, d *session.Decision) {
	if r.presented.Generation == r.row.Checkpoint && r.state.Cur > r.row.Checkpoint {
		*d = advanced(session.Rotated, r.row.Checkpoint, r.row.Checkpoint+1, r.now())
	}
}

func healWhatIsMissing(r refresh, d *session.Decision) {
	if r.state == (session.State{}) && d.Verdict == session.Rotated {
		d.Verdict = session.Healed
	}
}

func boundNoRepeat(r *refresh) {
	if r.state.Cur <= r.row.Checkpoint {
		r.state = session.State{Cur: r.row.Checkpoint, Prev: r.row.Checkpoint, RotatedAt: r.state.RotatedAt}
	}
	r.row.Checkpoint = min(r.row.Checkpoint, 1)
}

func withoutRevoking() authority {
	a := theAuthority()
	a.revokes = func(session.Verdict) bool { return false }
	return a
}

func withCheckpoint(of func(presented uint32, d session.Decision) uint32) authority {
	a := theAuthority()
	a.checkpoint = func(noted, presented uint32, d session.Decision) uint32 { return max(noted, of(presented, d)) }
	return a
}

func refuseTheLoser(found session.State, d session.Decision, _ func(session.State) session.Decision) session.Decision {
	if found == d.State {
		return d
	}
	return session.Decision{Verdict: session.Expired, State: found}
}

func writeAllTheSame(_ session.State, d session.Decision, _ func(session.State) session.Decision) session.Decision {
	return d
}

func answerAllTheSame(found session.State, d session.Decision, _ func(session.State) session.Decision) session.Decision {
	d.State = found
	return d
}

func alwaysAgain(found session.State, _ session.Decision, again func(session.State) session.Decision) session.Decision {
	return again(found)
}
