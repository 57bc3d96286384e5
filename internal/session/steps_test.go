//go:build !race

package session_test

import (
	"iter"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// tryRevoked presents every generation to a revoked session, with the store as it
// is, rolled back, and flushed.
func (w *walker) tryRevoked(from world) {
	for _, store := range []stored{from.store, from.saved[0], from.saved[1], {}} {
		from.store = store
		for gen := range w.limits.gens + 1 {
			w.refresh("somebody", from, held{gen: gen}, from.checkpoint)
		}
	}
}

// changeRow ends the session, or writes its checkpoint.
func (w *walker) changeRow(from world) {
	out := from
	out.revoked, out.ended = true, true
	w.meet(step{what: "the owner logs out"}, out)
	if from.presented != from.checkpoint {
		out := from
		out.checkpoint = from.presented
		w.meet(step{what: "the checkpoint is written"}, out)
	}
}

// operate does what an operator may do, where the walk is about it.
func (w *walker) operate(from world) {
	if w.limits.settle && !from.never {
		out := from
		out.never = true
		w.meet(step{what: "the client's rotation is stopped"}, out)
	}
	if w.limits.leak && !from.leaked {
		out := from
		out.leaked, out.have.bad = true, true
		for i := range out.tabs {
			out.tabs[i].got.bad = out.tabs[i].used != 0
		}
		w.meet(step{what: "the MAC key is marked compromised"}, out)
	}
}

// breakStore loses what the store may lose: everything, or what came after some
// moment; and its clock may go back.
func (w *walker) breakStore(from world) {
	if from.flushes < w.limits.flushes && from.store.cur != 0 {
		out := w.faulted(from)
		out.store = stored{}
		out.flushes++
		w.meet(step{what: "the store is flushed"}, out)
	}
	if from.savings < w.limits.rollbacks && from.rollbacks < w.limits.rollbacks {
		out := from
		out.saved[out.kept()] = out.store
		out.savings++
		w.meet(step{what: "the store is saved"}, out)
	}
	for i := range from.kept() {
		if from.saved[i] == from.store {
			continue
		}
		out := from
		out.store = from.saved[i]
		out.saved[i] = out.saved[from.kept()-1]
		out.saved[from.kept()-1] = stored{}
		out.rollbacks++
		out = w.faulted(out)
		w.meet(step{what: "the store is rolled back"}, out)
	}
	w.setClocks(from)
}

// setClocks sets the one clock there is back, or the odd one of three, and lets an
// earlier binary write, which knows of no other clock than Redis's.
func (w *walker) setClocks(from world) {
	if w.limits.clockBack && !from.back {
		w.meet(step{what: "the clock goes back"}, from.younger(w.limits))
	}
	if from.jumps < w.limits.jumps {
		out := from
		out.wrong = 1 - out.wrong
		out.jumps++
		w.meet(step{what: "the odd clock is set"}, out)
	}
	if w.limits.older && !from.old && from.store.cur != 0 {
		out := from
		out.store.stamps, out.old = unstamped, true
		w.meet(step{what: "an earlier binary wrote the state"}, out)
	}
}

// clocks is what the clocks show at a moment.
func (w *walker) clocks(from world, now time.Time) clock.Clocks {
	if w.limits.clockBack {
		return clock.Clocks{Database: now}
	}
	c := all(now)
	if from.wrong == 0 {
		return c
	}
	odd := now.Add(w.limits.error())
	switch w.limits.odd {
	case clock.Redis:
		c.Redis = odd
	case clock.Database:
		c.Database = odd
	case clock.Machine:
		c.Machine = odd
	}
	return c
}

// faulted is the world whose ghosts know that the store lost something. A state
// with a skip that was saved before is not brought back later: the same token may
// by then have been given the burned generation anew, and the rules can't know of
// it (docs/decisions/0009).
func (w *walker) faulted(out world) world {
	out.last, out.burned, out.firstUse = advance{}, 0, [gens + 1]used{}
	for i := range out.saved {
		if out.saved[i].skips > 0 && !w.limits.oldSkips {
			out.saved[i] = stored{}
		}
	}
	return out
}

// kept is how many saved states there are to roll back to.
func (w world) kept() int { return max(0, int(w.savings)-int(w.rollbacks)) }

// passTime ticks the clock, as long as that leaves the owner orderly: a retry is
// handled within grace of the first attempt, where skips don't forgive a later
// one. A tab gives up waiting before grace ends.
func (w *walker) passTime(from world) {
	forgiving := w.policy.Skip || w.policyIn(from).Never || w.policy.Grace == 0
	if !forgiving && from.tried && from.first+1 >= w.limits.grace {
		return
	}
	out := from.older(w.limits)
	for i, waiting := range out.tabs {
		if waiting.used != 0 && waiting.age >= w.limits.patience() && !w.lose(&out, i) {
			return
		}
	}
	w.meet(step{what: "time passes"}, out)
}

// answer delivers or loses the answers on their way.
func (w *walker) answer(from world) {
	for i, waiting := range from.tabs {
		if waiting.used == 0 {
			continue
		}
		out := from
		out.tabs[i] = tab{}
		if newest := out.have.newer(waiting.got); newest != out.have {
			out.have, out.tried, out.first, out.lost = newest, false, 0, 0
		}
		w.meet(step{what: "an answer is delivered"}, out)
		out = from
		if w.lose(&out, i) {
			w.meet(step{what: "an answer is lost"}, out)
		}
	}
}

// lose drops the answer to a tab; where skips forgive a late retry, an orderly
// client loses at most three answers in a row.
func (w *walker) lose(out *world, i int) bool {
	if w.policy.Skip && out.tabs[i].used == out.have.gen {
		out.lost++
	}
	out.tabs[i] = tab{}
	return out.lost <= session.MaxSkips
}

// ownerRefreshes lets an idle tab present the newest token, or both at once.
func (w *walker) ownerRefreshes(from world) {
	for i, waiting := range from.tabs {
		if waiting.used != 0 || !w.mayStart(from, from.tabs[1-i]) {
			continue
		}
		w.eachRead(from, func(checkpoint uint8) {
			out, d, by := w.refresh("the owner", from, from.have, checkpoint)
			w.ownerGets(from, out, d, by, i)
			if from.tabs == [2]tab{} && i == 0 && !w.late(from) {
				w.bothTabs(from, checkpoint)
			}
		})
	}
}

// ownerGets puts the answer of a refresh on its way to a tab.
func (w *walker) ownerGets(from, out world, d session.Decision, by step, i int) world {
	if d.Issue > uint32(w.limits.gens) {
		return out
	}
	w.checkOwner(from, d, by)
	if d.Verdict.Succeeds() {
		out.tabs[i] = tab{used: from.have.gen, got: w.issued(d)}
	}
	out.tried = true
	w.meet(by, out)
	return out
}

// bothTabs lets both tabs read the state before either writes.
func (w *walker) bothTabs(from world, checkpoint uint8) {
	mid, d, _ := w.refresh("one tab", from, from.have, checkpoint)
	if d.Issue > uint32(w.limits.gens) {
		return
	}
	if d.Verdict.Succeeds() {
		mid.tabs[0] = tab{used: from.have.gen, got: w.issued(d)}
	}
	mid.tried = true
	out, d, by := w.race("the other tab", from, mid, from.have, checkpoint)
	if !mid.revoked {
		w.ownerGets(mid, out, d, by, 1)
	}
}

// mayStart reports whether an orderly client starts a refresh beside the other
// tab: not while an older token is in flight, and later than grace after the first
// attempt only alone. For that one may skip, and so burn the token that an earlier
// attempt was given at the end of grace, and that is still on its way.
func (w *walker) mayStart(from world, other tab) bool {
	return other.used == 0 || other.used == from.have.gen && (w.limits.lateTabs || !w.late(from))
}

// late reports whether the owner's first attempt is longer ago than grace, so that
// the next one may skip.
func (w *walker) late(from world) bool {
	return w.policy.Skip && w.limits.grace > 0 && from.tried && from.first >= w.limits.grace
}

// thiefRefreshes presents any token that was ever issued and, once the MAC key has
// leaked, any that can be forged with it; the thief loses no answer.
func (w *walker) thiefRefreshes(from world) {
	for gen := uint8(1); gen <= w.limits.gens; gen++ {
		for token := range w.copies(from, gen) {
			w.eachRead(from, func(checkpoint uint8) {
				out, d, by := w.refresh("the thief", from, token, checkpoint)
				if d.Issue > uint32(w.limits.gens) {
					return
				}
				out.hunted = true
				w.meet(by, out)
				if w.limits.race {
					w.thiefRaces(from, out, checkpoint)
				}
			})
		}
	}
}

// thiefRaces lets somebody else present any token, having read the state before
// the thief's was written.
func (w *walker) thiefRaces(from, mid world, checkpoint uint8) {
	if mid.revoked {
		return
	}
	for gen := uint8(1); gen <= from.issued; gen++ {
		for token := range w.copies(from, gen) {
			out, d, by := w.race("at once somebody", from, mid, token, checkpoint)
			if d.Issue <= uint32(w.limits.gens) {
				w.meet(by, out)
			}
		}
	}
}

// copies are the tokens of a generation that a thief may hold.
func (w *walker) copies(from world, gen uint8) iter.Seq[held] {
	return func(yield func(held) bool) {
		if from.leaked && !yield(held{gen: gen, bad: true}) {
			return
		}
		if gen <= from.issued && (!from.leaked || from.good&(1<<gen) != 0) {
			yield(held{gen: gen, age: from.tokens[gen]})
		}
	}
}

// eachRead calls try with every checkpoint that a refresh may have read: the one
// of now, and the oldest, by a refresh that read its row long ago.
func (w *walker) eachRead(from world, try func(checkpoint uint8)) {
	try(from.checkpoint)
	if from.checkpoint > 1 {
		try(1)
	}
}

// refresh presents a token, and returns the world after. A decision that would
// leave the bounds, issuing more generations, is neither checked nor carried out.
func (w *walker) refresh(who string, from world, token held, checkpoint uint8) (world, session.Decision, step) {
	decide := func(s session.State) session.Decision { return w.decideIn(from, s, token, checkpoint, present) }
	read := from.store.state(w.limits)
	d := decide(read)
	by := step{who, token.gen, checkpoint, d.Verdict}
	if d.State != read {
		// The store's client may send it twice.
		if again := w.swap(d.State, d, decide); again != d {
			from, _, _ = w.settle(by, from, token, d)
			d, by.verdict = again, again.Verdict
		}
	}
	return w.settle(by, from, token, d)
}

// race presents a token whose decision was made just before, on the state of from,
// in a world whose store has moved on since.
func (w *walker) race(who string, from, mid world, token held, checkpoint uint8) (world, session.Decision, step) {
	read := from.store.state(w.limits)
	d := w.decideIn(from, read, token, checkpoint, present.Add(-time.Millisecond))
	switch found := mid.store.state(w.limits); {
	case d.State == read || found == read:
		return w.refresh(who, mid, token, checkpoint)
	default:
		d = w.swap(found, d, func(s session.State) session.Decision { return w.decideIn(mid, s, token, checkpoint, present) })
	}
	return w.settle(step{who, token.gen, checkpoint, d.Verdict}, mid, token, d)
}

func (w *walker) decideIn(from world, state session.State, token held, checkpoint uint8, now time.Time) session.Decision {
	return w.decide(refresh{
		row:       session.Row{Revoked: from.revoked, AbsoluteExpiry: w.end(from), Checkpoint: uint32(checkpoint)},
		state:     state,
		presented: session.Presented{Generation: uint32(token.gen), IssuedAt: ago(token.age), Compromised: token.bad},
		clocks:    w.clocks(from, now),
		policy:    w.policyIn(from),
	})
}

// settle checks a decision and carries it out.
func (w *walker) settle(by step, from world, token held, d session.Decision) (world, session.Decision, step) {
	if d.Issue > uint32(w.limits.gens) {
		return from, d, by
	}
	w.verdicts[d.Verdict]++
	w.check(from, token, d, by)

	out := from
	out.store = storedOf(d.State, w.limits)
	out.revoked = from.revoked || w.revokes(d.Verdict)
	out.ended = from.ended || d.Verdict == session.Replayed
	if d.Verdict.Succeeds() {
		out.presented = uint8(w.checkpoint(uint32(out.presented), uint32(token.gen), d))
		out.issued = max(out.issued, uint8(d.Issue))
		out.tokens[d.Issue] = w.issued(d).age
		if from.leaked {
			out.good |= 1 << d.Issue
		}
	}
	return out.remember(token.gen, d), d, by
}

// policyIn is the client's policy as the operator left it.
func (w *walker) policyIn(from world) session.Policy {
	p := w.policy
	p.Never = p.Never || from.never
	return p
}

// end is the absolute expiry of the session.
func (w *walker) end(from world) time.Time {
	if w.limits.absolute == 0 {
		return present.Add(time.Hour)
	}
	return ago(from.age).Add(time.Duration(w.limits.absolute) * tick)
}

// issued is the token that a refresh gave.
func (w *walker) issued(d session.Decision) held {
	return held{gen: uint8(d.Issue), age: ageOf(d.Issued, w.limits.idle)}
}

// remember keeps the ghosts.
func (w world) remember(gen uint8, d session.Decision) world {
	switch d.Verdict {
	case session.Skipped:
		w.burned++
	case session.Rotated, session.Healed:
		w.burned = 0
	default:
		return w
	}
	w.last = advance{gen, uint8(d.Issue), 0}
	if !w.firstUse[gen].yes {
		w.firstUse[gen] = used{yes: true}
	}
	return w
}
