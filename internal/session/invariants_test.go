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
	w.violated(by, w.checkEnds(from, token, d, by))
	w.violated(by, w.checkTwoHolders(from, d, by))
	w.violated(by, w.checkRepeat(from, token, d, by))
	if !d.Verdict.Succeeds() && d.State != from.store.state() {
		w.violated(by, "S10: a refresh that failed changed the state")
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
	switch {
	case d.Verdict == session.Rotated && !newest:
		return fmt.Sprintf("S1: generation %d rotated, but %d is the newest", by.generation, from.last.issue)
	case d.Verdict == session.Healed && !from.hadFault():
		return "S1: a store that lost nothing was healed"
	case d.Verdict.Succeeds() && d.Verdict != session.Renewed && (d.Issue <= uint32(by.generation) || d.Issue != d.State.Cur):
		return fmt.Sprintf("S1: generation %d was issued, cur is %d", d.Issue, d.State.Cur)
	case d.State.Cur < uint32(from.store.cur):
		return fmt.Sprintf("S2: cur fell from %d to %d", from.store.cur, d.State.Cur)
	}
	return ""
}

// checkEnds is S3, S7 and S8.
func (w *walker) checkEnds(from world, token held, d session.Decision, by step) string {
	switch {
	case !d.Verdict.Succeeds():
	case from.revoked:
		return "S3: a revoked session was refreshed"
	case by.generation < by.checkpoint:
		return "S7: a generation below the checkpoint succeeded"
	case w.ended(from, token):
		return "S8: a refresh succeeded after the end of the token or the session"
	case d.Issued.After(present):
		return "S8: a token was issued in the future"
	}
	return ""
}

// ended reports whether the lifetime of the token or of the session is over.
func (w *walker) ended(from world, token held) bool {
	idle, absolute := w.limits.idle, w.limits.absolute
	return idle > 0 && token.age >= idle || absolute > 0 && from.age >= absolute
}

// checkTwoHolders is S5: grace after its first use a generation is worth nothing
// more, but three skips in a row where they are allowed, and what repeats them.
func (w *walker) checkTwoHolders(from world, d session.Decision, by step) string {
	first := from.firstUse[by.generation]
	if w.policy.Never || !d.Verdict.Succeeds() || !first.yes || first.age < w.limits.grace {
		return ""
	}
	skips := w.policy.Skip && w.limits.grace > 0 && from.last.prev == by.generation
	switch {
	case skips && d.Verdict == session.Skipped && from.burned < session.MaxSkips:
	case skips && d.Verdict == session.Repeated && from.burned > 0 && from.last.age < w.limits.grace:
	default:
		return fmt.Sprintf("S5: a generation was used at least %d ticks before, and %d skips in a row", first.age, from.burned)
	}
	return ""
}

// checkRepeat is S9: the generation used last, presented again within grace and
// before its successor, gives the same token again.
func (w *walker) checkRepeat(from world, token held, d session.Decision, by step) string {
	if from.last.issue == 0 || from.last.prev != by.generation || by.generation < by.checkpoint || w.policy.Never {
		return ""
	}
	due := from.last.age < w.limits.grace && !from.revoked && !w.ended(from, token)
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
// when its token or session has come to its end.
func (w *walker) checkOwner(from world, d session.Decision, by step) {
	orderly := w.policy.Never || w.policy.Grace > 0
	if !orderly || from.thieved || d.Verdict.Succeeds() != w.ended(from, from.have) {
		return
	}
	if from.hadFault() {
		w.violated(by, "S6: an orderly client was refused after a fault of the store")
		return
	}
	w.violated(by, "S4: an orderly client was refused")
}
