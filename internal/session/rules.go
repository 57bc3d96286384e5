package session

import (
	"math"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

// Verdict is what a presented refresh token is worth.
type Verdict int

// The verdicts, in the order in which [Decide] considers them.
const (
	Revoked  Verdict = iota // the session is over; terminal
	Expired                 // the token's idle or the session's absolute lifetime has passed
	Renewed                 // the client's tokens don't rotate: the same generation, issued anew
	Rotated                 // the newest token: its successor is issued
	Repeated                // the token before, within grace: the same successor again
	Skipped                 // the token before, later: the unacknowledged successor is burned
	Healed                  // newer than the store remembers: the store lost writes
	Replayed                // used before: the session must be revoked
)

var verdictNames = [...]string{"revoked", "expired", "renewed", "rotated", "repeated", "skipped", "healed", "replayed"}

// String returns the verdict as a lower-case word, for logs, metrics and events.
func (v Verdict) String() string { return verdictNames[v] }

// Verdicts lists every verdict.
func Verdicts() []Verdict {
	all := make([]Verdict, len(verdictNames))
	for i := range all {
		all[i] = Verdict(i)
	}
	return all
}

// Succeeds reports whether the verdict issues a token.
func (v Verdict) Succeeds() bool { return v >= Renewed && v <= Healed }

// MaxSkips is how many successors in a row may be burned unanswered.
const MaxSkips = 3

// healAlarm is how much older than the last rotation a healing token may be before it
// shows that an old token was used in between.
const healAlarm = 5 * time.Second

// State is the ephemeral state of one session; the zero State is a missing one.
type State struct {
	Cur       uint32    // the only generation that rotates
	Prev      uint32    // the generation that Cur succeeded
	RotatedAt time.Time // when Cur was issued, in milliseconds: the median of the clocks
	Skips     uint8     // successors burned in a row

	// Stamps is what Redis's clock and the database's said then, in milliseconds: each
	// measures the grace for itself. It is zero where there is one clock, which RotatedAt is
	// by, and in a state that an earlier binary wrote, where RotatedAt is by Redis's.
	Stamps clock.Clocks
}

// OrMissing is s, or the missing State if s is none that [Decide] returns: somebody wrote
// it by hand. Stores call it on what they have read.
func (s State) OrMissing() State {
	if s.Prev > s.Cur {
		return State{}
	}
	return s
}

// Row is what the durable row says of the session.
type Row struct {
	Revoked        bool
	AbsoluteExpiry time.Time
	Checkpoint     uint32
}

// Presented is what the presented token, its MAC verified, says of itself.
type Presented struct {
	Generation  uint32
	IssuedAt    time.Time
	Compromised bool // its MAC key is marked compromised: only the newest generation counts
}

// Policy is what the client's configuration says.
type Policy struct {
	Never bool          // the client's tokens don't rotate
	Idle  time.Duration // lifetime of a token from its issue
	Grace time.Duration // how long Prev repeats its successor; 0: strict one-time use
	Skip  bool          // may Prev come later than Grace? Off when Grace is 0
}

// Decision is the outcome of [Decide].
type Decision struct {
	Verdict Verdict
	State   State     // the state after; equal to the one given when nothing is to be stored
	Issue   uint32    // the generation to issue, when the verdict succeeds
	Issued  time.Time // the issued-at of that token: whole seconds
	Gap     uint32    // Healed: how many generations the store had forgotten
	Alarm   bool      // Healed: an older token was used after this one was issued
}

// Decide returns the verdict on a presented token and the new state. It is pure; the first
// case that matches wins. Moments are by the median of the clocks, so that no single one
// ends anything early or late; the grace is a duration, see elapsed.
func Decide(row Row, state State, presented Presented, clocks clock.Clocks, policy Policy) Decision {
	stay := func(v Verdict) Decision { return Decision{Verdict: v, State: state} }
	now := clocks.Median()
	current := state.asOf(row.Checkpoint)
	g := presented.Generation

	switch {
	case row.Revoked:
		return stay(Revoked)
	case !now.Before(presented.IssuedAt.Add(policy.Idle)), !now.Before(row.AbsoluteExpiry):
		return stay(Expired)
	case g == math.MaxUint32:
		return stay(Expired) // the last generation has no successor
	case policy.Never && g >= row.Checkpoint && !presented.Compromised:
		return Decision{Verdict: Renewed, State: state, Issue: g, Issued: now.Truncate(time.Second)}
	case g < row.Checkpoint:
		return stay(Replayed) // S7: also when a checkpoint arrives after a roll-back
	case g == current.Cur:
		return current.advance(Rotated, g, g+1, clocks)
	case presented.Compromised:
		return stay(Replayed)
	case g == current.Prev && current.elapsed(clocks) < policy.Grace:
		return Decision{Verdict: Repeated, State: state, Issue: current.Cur, Issued: current.RotatedAt.Truncate(time.Second)}
	case g == current.Prev && policy.Skip && policy.Grace > 0 && current.Skips < MaxSkips && current.Cur < math.MaxUint32:
		d := current.advance(Skipped, g, current.Cur+1, clocks)
		d.State.Skips = current.Skips + 1
		return d
	case g > current.Cur:
		d := current.advance(Healed, g, g+1, clocks)
		d.Gap = g - current.Cur
		d.Alarm = presented.IssuedAt.Before(current.RotatedAt.Add(-healAlarm))
		return d
	default:
		return stay(Replayed)
	}
}

// asOf reads a state that is missing, or that the checkpoint proves to be behind,
// as the checkpoint itself.
func (s State) asOf(checkpoint uint32) State {
	if s.Cur <= checkpoint {
		return State{Cur: checkpoint, Prev: checkpoint, RotatedAt: s.RotatedAt}
	}
	return s
}

// elapsed is the time since the last rotation, never negative. Redis's clock and the
// database's measure it, each by its own stamp, so that an error that stays makes no
// difference. The shorter measure counts, since a clock that was set forward must log nobody
// out; that of a clock which is behind its own stamp does not.
//
// A clock that was set back would let an old token repeat once it has passed its stamp again.
// Therefore, while two clocks agree, the time is no shorter than the median measures.
func (s State) elapsed(now clock.Clocks) time.Duration {
	switch {
	case s.Stamps != (clock.Clocks{}):
	case now.Redis.IsZero(): // embedded
		return max(0, now.Median().Sub(s.RotatedAt))
	default:
		return max(0, now.Redis.Sub(s.RotatedAt))
	}
	redis, database := now.Redis.Sub(s.Stamps.Redis), now.Database.Sub(s.Stamps.Database)
	shorter, longer := min(redis, database), max(redis, database)
	if shorter < -clock.Tolerance {
		shorter = longer
	}
	if now.TwoAgree() {
		shorter = max(shorter, min(now.Median().Sub(s.RotatedAt), longer))
	}
	return max(0, shorter)
}

// advance issues generation next as the successor of prev.
func (s State) advance(v Verdict, prev, next uint32, now clock.Clocks) Decision {
	at := now.Median().Truncate(time.Millisecond)
	return Decision{
		Verdict: v,
		State:   State{Cur: next, Prev: prev, RotatedAt: at, Stamps: stampsOf(now)},
		Issue:   next,
		Issued:  at.Truncate(time.Second),
	}
}

// stampsOf is what a state keeps of the clocks. This machine's is not kept: the next
// decision may be another machine's.
func stampsOf(now clock.Clocks) clock.Clocks {
	if now.Redis.IsZero() || now.Database.IsZero() {
		return clock.Clocks{}
	}
	return clock.Clocks{
		Redis:    now.Redis.UTC().Truncate(time.Millisecond),
		Database: now.Database.UTC().Truncate(time.Millisecond),
	}
}
