//go:build !race

package session_test

import (
	"github.com/mintmark-auth/mintmark/internal/session"
)

// authority is what the walk walks: the rules, and the little around them that
// they rely on. A mutant differs from the real one in a single part.
type authority struct {
	// decide is [session.Decide].
	decide func(refresh) session.Decision
	// swap is what becomes of a decision to write that finds another value
	// stored than the one it was made on; again decides on that.
	swap func(found session.State, d session.Decision, again func(session.State) session.Decision) session.Decision
	// revokes reports whether a verdict ends the session.
	revokes func(session.Verdict) bool
	// checkpoint is the generation to be written down after a success.
	checkpoint func(noted, presented uint32, d session.Decision) uint32
}

// theAuthority is the real one.
func theAuthority() authority {
	return authority{
		decide:  refresh.decide,
		swap:    swapOrAgain,
		revokes: func(v session.Verdict) bool { return v == session.Replayed },
		checkpoint: func(noted, presented uint32, _ session.Decision) uint32 {
			return max(noted, presented)
		},
	}
}

// swapOrAgain is the promise of [session.States]: a stored value equal to one's
// own is one's own, sent twice; else the loser decides again on what it found.
func swapOrAgain(found session.State, d session.Decision, again func(session.State) session.Decision) session.Decision {
	if found == d.State {
		return d
	}
	return again(found)
}

func (a authority) withSwap(swap func(session.State, session.Decision, func(session.State) session.Decision) session.Decision) authority {
	a.swap = swap
	return a
}

// seeing is an authority whose rules see something else than there is.
func seeing(change func(*refresh)) authority {
	a := theAuthority()
	a.decide = func(r refresh) session.Decision {
		seen := r.but(change)
		d := seen.decide()
		if d.State == seen.state { // nothing is stored
			d.State = r.state
		}
		return d
	}
	return a
}

// judging is an authority that makes something else of what the rules decide.
func judging(change func(r refresh, d *session.Decision)) authority {
	a := theAuthority()
	a.decide = func(r refresh) session.Decision {
		d := r.decide()
		change(r, &d)
		return d
	}
	return a
}

// judgingA does so for one verdict.
func judgingA(v session.Verdict, change func(r refresh, d *session.Decision)) authority {
	return judging(func(r refresh, d *session.Decision) {
		if d.Verdict == v {
			change(r, d)
		}
	})
}
