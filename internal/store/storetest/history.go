package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// StatesHistory walks random histories of refreshes through the store and
// through a variable, and wants the same state read, the same verdict and the
// same state after at each step. The store's clock is read, not set; to reach
// every edge of the rules each step adds an offset of its own to it.
func StatesHistory(t *testing.T, open OpenStates) {
	t.Parallel()
	states, newSession := open(t)
	rapid.Check(t, func(rt *rapid.T) {
		id := newSession(t)
		policy := session.Policy{
			Never: rapid.IntRange(0, 9).Draw(rt, "never") == 9,
			Idle:  time.Hour,
			Grace: rapid.SampledFrom([]time.Duration{0, 30 * time.Second}).Draw(rt, "grace"),
			Skip:  rapid.Bool().Draw(rt, "skip"),
		}
		var model session.State
		var offset time.Duration
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			offset += rapid.SampledFrom([]time.Duration{0, 0, time.Second, 40 * time.Second}).Draw(rt, "pause")
			decide := drawDecide(rt, model, offset, policy)
			model = historyStep(rt, states, id, model, decide)
		}
	})
}

type historyDecide func(stored session.State, now clock.Clocks) session.Decision

// drawDecide draws a refresh with a generation around those of the model.
func drawDecide(rt *rapid.T, model session.State, offset time.Duration, policy session.Policy) historyDecide {
	generation := rapid.Uint32Range(max(model.Cur, 3)-2, max(model.Cur, 3)+1).Draw(rt, "generation")
	checkpoint := rapid.Uint32Range(1, max(1, model.Prev)).Draw(rt, "checkpoint")
	age := rapid.SampledFrom([]time.Duration{0, time.Minute, 50 * time.Minute, time.Hour}).Draw(rt, "age")
	return func(stored session.State, store clock.Clocks) session.Decision {
		now := completed(store, store.Median()).Add(offset)
		row := session.Row{AbsoluteExpiry: now.Median().Add(time.Hour), Checkpoint: checkpoint}
		presented := session.Presented{Generation: generation, IssuedAt: now.Median().Add(-age)}
		return session.Decide(row, stored, presented, now, policy)
	}
}

// historyStep takes one step in both worlds, and returns the state after.
func historyStep(rt *rapid.T, states session.States, id string, model session.State, decide historyDecide) session.State {
	var read session.State
	var got, want session.Decision
	err := states.UpdateState(rt.Context(), id, statesKeep, func(stored session.State, now clock.Clocks) (session.State, bool) {
		read, got, want = stored, decide(stored, now), decide(model, now)
		return got.State, got.State != stored
	})
	if err != nil {
		rt.Fatalf("update state: %v", err)
	}
	if diff := cmp.Diff(read, model); diff != "" {
		rt.Fatalf("state read (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		rt.Fatalf("decision (-got +want):\n%s", diff)
	}
	return want.State
}
