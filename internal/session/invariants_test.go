//go:build !race

package session_test

import (
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// check holds one refresh against the invariants. They are told in terms of what
// happened, by the world's ghosts, not in terms of the state the rules keep.
func (w *walker) check(from world, token held, d session.Decision, by step) {
	w.violated(by, checkBranches(from, d, by))
	w.violated(by, checkDerived(d))
	w.violated(by, w.checkEnds(from, token, d, by))
	w.violated(by, w.checkTwoHolders(from, token, d, by))
	w.violated(by, w.checkRepeat(from, token, d, by))
	if !d.Verdict.Succeeds() && d.State != from.store.state(w.limits) {
		w.violated(by, "S10: a refresh that failed changed the state")
	}
	if token.bad && d.Verdict.Succeeds() && d.Verdict != session.Rotated {
		w.violated(by, "compromised: a token that is not the newest, under a compromised key, succeeded")
	}
}

// violated notes the first violation; "" is none.
func (w *walker) violated(by step, violation string) {
	if w.violation == "" && violation != "" {
		w.violation, w.culprit = violation, by
	}
}

// checkBranches is S1 and S2. A checkpoint moves what rotates only where the
// store has lost something.
func checkBranches(from world, d session.Decision, by step) string {
	newest := from.last.issue == 0 || by.generation == from.last.issue || from.hadFault() && by.generation == by.checkpoint
	rotates := d.Verdict == session.Rotated || d.Verdict == session.Skipped || d.Verdict == session.Healed
	switch {
	case d.State.Cur < uint32(from.store.cur):
		return fmt.Sprintf("S2: cur fell from %d to %d", from.store.cur, d.State.Cur)
	case d.Verdict == session.Rotated && !newest:
		return fmt.Sprintf("S1: generation %d rotated, but %d is the newest", by.generation, from.last.issue)
	case d.Verdict == session.Healed && !from.hadFault():
		return "S1: a store that lost nothing was healed"
	case rotates && d.Issue <= uint32(from.issued) && !from.hadFault():
		return fmt.Sprintf("S1: generation %d was issued a second time, as if it were new", d.Issue)
	case d.Verdict.Succeeds() && d.Verdict != session.Renewed && (d.Issue <= uint32(by.generation) || d.Issue != d.State.Cur):
		return fmt.Sprintf("S1: generation %d was issued, cur is %d", d.Issue, d.State.Cur)
	}
	return ""
}

// checkDerived is S1, too: a token follows from its generation and the moment that
// it was made. A repeat is checkRepeat's.
func checkDerived(d session.Decision) string {
	if d.Verdict.Succeeds() && d.Verdict != session.Repeated && !d.Issued.Equal(present) {
		return fmt.Sprintf("S1: a token made at %s says it was issued at %s", present, d.Issued)
	}
	return ""
}

// checkEnds is S3, S7 and S8.
func (w *walker) checkEnds(from world, token held, d session.Decision, by step) string {
	switch {
	case !d.Verdict.Succeeds():
	case from.ended:
		return "S3: a session that was revoked was refreshed"
	case by.generation < by.checkpoint:
		return "S7: a generation below the checkpoint succeeded"
	case w.over(from, token):
		return "S8: a refresh succeeded after the end of the token or the session"
	case d.Issued.After(present) && !from.back:
		return "S8: a token was issued in the future"
	}
	return ""
}

// over reports whether the lifetime of the token or of the session is.
func (w *walker) over(from world, token held) bool {
	idle, absolute := w.limits.idle, w.limits.absolute
	return idle > 0 && token.age >= idle || absolute > 0 && from.age >= absolute
}

// checkTwoHolders is S5: grace after its first use a generation is a replay, but
// for three skips in a row where they are allowed, and what repeats them. Without
// grace it is one at once, whatever the clock says.
func (w *walker) checkTwoHolders(from world, token held, d session.Decision, by step) string {
	first, grace := from.firstUse[by.generation], w.limits.grace
	if w.policyIn(from).Never || from.ended || w.over(from, token) || !first.yes || grace > 0 && first.age < grace {
		return ""
	}
	skips := w.policy.Skip && grace > 0 && from.last.prev == by.generation
	switch {
	case d.Verdict == session.Replayed:
	case skips && d.Verdict == session.Skipped && from.burned < session.MaxSkips:
	case skips && d.Verdict == session.Repeated && from.burned > 0 && from.last.age < grace:
	default:
		return fmt.Sprintf("S5: %s, first used %d ticks before, after %d skips in a row", d.Verdict, first.age, from.burned)
	}
	return ""
}

// checkRepeat is S9: the generation used last, presented again within grace and
// before its successor, gives the same token again.
func (w *walker) checkRepeat(from world, token held, d session.Decision, by step) string {
	never := w.policyIn(from).Never
	if from.last.issue == 0 || from.last.prev != by.generation || by.generation < by.checkpoint || never || token.bad {
		return ""
	}
	due := w.limits.grace > 0 && from.last.age < w.limits.grace && !from.ended && !w.over(from, token)
	same := d.Issue == uint32(from.last.issue) && d.Issued.Equal(ago(from.last.age).Truncate(time.Second))
	switch {
	case due && d.Verdict != session.Repeated:
		return "S9: no repeat within grace"
	case d.Verdict == session.Repeated && !same:
		return fmt.Sprintf("S9: first generation %d of %d ticks ago was given, then %d of %s", from.last.issue, from.last.age, d.Issue, d.Issued)
	}
	return ""
}

// checkOwner is S4 and S6: while no thief acts, an orderly client is refused only
// when its token or session has come to its end. Without grace it is orderly if it
// presents a token once, and a token under a compromised key is good for as much.
func (w *walker) checkOwner(from world, d session.Decision, by step) {
	again := from.tried && (from.have.bad || w.policy.Grace == 0 && !w.policyIn(from).Never)
	lost := from.have.bad && from.hadFault()
	switch {
	case d.Verdict.Succeeds() != w.over(from, from.have), again, lost:
	case from.hadFault():
		w.violated(by, "S6: an orderly client was refused after a fault of the store")
	default:
		w.violated(by, "S4: an orderly client was refused")
	}
}
