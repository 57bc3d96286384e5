package session_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// The table's time: a session begun at login, whose newest rotation was at
// rotated, and a refresh at now.
var (
	login   = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	rotated = login.Add(time.Hour).Add(345 * time.Millisecond)
	now     = rotated.Add(10*time.Second + 111*time.Millisecond + 222*time.Microsecond)
	late    = rotated.Add(30 * time.Second) // the first moment after grace
)

const (
	idle     = 30 * 24 * time.Hour
	absolute = 180 * 24 * time.Hour
)

// refresh is a row of the table: what is changed of a plain refresh of generation
// 5 in a session at cur 6, prev 5, checkpoint 3.
type refresh struct {
	row       session.Row
	state     session.State
	presented session.Presented
	clocks    clock.Clocks
	policy    session.Policy
}

// now is the moment of the refresh.
func (r refresh) now() time.Time { return r.clocks.Median() }

// all is what three clocks show that are right.
func all(t time.Time) clock.Clocks { return clock.Clocks{Redis: t, Database: t, Machine: t} }

// stamps is what a state keeps of such clocks.
func stamps(t time.Time) clock.Clocks { return clock.Clocks{Redis: t, Database: t} }

// stateAt is a state since rotated.
func stateAt(cur, prev uint32) session.State {
	return session.State{Cur: cur, Prev: prev, RotatedAt: rotated, Stamps: stamps(rotated)}
}

func plain(generation uint32) refresh {
	return refresh{
		row:       session.Row{AbsoluteExpiry: login.Add(absolute), Checkpoint: 3},
		state:     stateAt(6, 5),
		presented: session.Presented{Generation: generation, IssuedAt: login},
		clocks:    all(now),
		policy:    session.Policy{Idle: idle, Grace: 30 * time.Second, Skip: true},
	}
}

func (r refresh) but(change func(*refresh)) refresh {
	change(&r)
	return r
}

func (r refresh) decide() session.Decision {
	return session.Decide(r.row, r.state, r.presented, r.clocks, r.policy)
}

// advanced is a decision that issues generation cur as the successor of prev, at t.
func advanced(v session.Verdict, prev, cur uint32, t time.Time) session.Decision {
	at := t.Truncate(time.Millisecond)
	return session.Decision{
		Verdict: v,
		State:   session.State{Cur: cur, Prev: prev, RotatedAt: at, Stamps: stamps(at)},
		Issue:   cur,
		Issued:  at.Truncate(time.Second),
	}
}

func skipped(prev, cur uint32, skips uint8, t time.Time) session.Decision {
	d := advanced(session.Skipped, prev, cur, t)
	d.State.Skips = skips
	return d
}

func healed(prev, gap uint32) session.Decision {
	d := advanced(session.Healed, prev, prev+1, now)
	d.Gap = gap
	return d
}

func alarmed(d session.Decision) session.Decision {
	d.Alarm = true
	return d
}

// decided is a row of the table: a refresh, and what becomes of it.
type decided struct {
	name   string
	given  refresh
	change []func(*refresh)
	want   session.Decision // a zero State: nothing is stored
}

// decisions is the table. Its clocks are right.
func decisions() []decided {
	revoked := func(r *refresh) { r.row.Revoked = true }
	strict := func(r *refresh) { r.policy.Grace = 0 }
	noSkip := func(r *refresh) { r.policy.Skip = false }
	never := func(r *refresh) { r.policy.Never = true }
	compromised := func(r *refresh) { r.presented.Compromised = true }
	lateNow := func(r *refresh) { r.clocks = all(late) }
	missing := func(r *refresh) { r.state = session.State{} }
	stale := func(r *refresh) { r.state = stateAt(3, 2) }
	idleEnd := func(r *refresh) { r.presented.IssuedAt = r.now().Add(-idle) }
	absoluteEnd := func(r *refresh) { r.row.AbsoluteExpiry = r.now() }
	skips := func(n uint8) func(*refresh) { return func(r *refresh) { r.state.Skips = n } }
	checkpoint := func(n uint32) func(*refresh) { return func(r *refresh) { r.row.Checkpoint = n } }
	issued := func(at time.Time) func(*refresh) { return func(r *refresh) { r.presented.IssuedAt = at } }
	at := func(cur, prev uint32) func(*refresh) {
		return func(r *refresh) { r.state = stateAt(cur, prev) }
	}
	repeated := session.Decision{Verdict: session.Repeated, Issue: 6, Issued: rotated.Truncate(time.Second)}
	renewed := func(g uint32) session.Decision {
		return session.Decision{Verdict: session.Renewed, Issue: g, Issued: now.Truncate(time.Second)}
	}
	only := func(v session.Verdict) session.Decision { return session.Decision{Verdict: v} }

	return []decided{
		// row revoked → Revoked; terminal
		{"revoked, newest", plain(6), []func(*refresh){revoked}, only(session.Revoked)},
		{"revoked, replayed", plain(4), []func(*refresh){revoked}, only(session.Revoked)},
		{"revoked, repeated", plain(5), []func(*refresh){revoked}, only(session.Revoked)},
		{"revoked, client never rotates", plain(6), []func(*refresh){revoked, never}, only(session.Revoked)},
		{"revoked and expired", plain(6), []func(*refresh){revoked, idleEnd}, only(session.Revoked)},
		{"revoked and flushed", plain(6), []func(*refresh){revoked, missing}, only(session.Revoked)},

		// now ≥ issued-at + idle, or ≥ absolute expiry → Expired
		{"idle ends now", plain(6), []func(*refresh){idleEnd}, only(session.Expired)},
		{"idle ends in a nanosecond", plain(6), []func(*refresh){issued(now.Add(-idle + 1))}, advanced(session.Rotated, 6, 7, now)},
		{"absolute ends now", plain(6), []func(*refresh){absoluteEnd}, only(session.Expired)},
		{"absolute ends in a nanosecond", plain(6), []func(*refresh){func(r *refresh) { r.row.AbsoluteExpiry = r.now().Add(1) }}, advanced(session.Rotated, 6, 7, now)},
		{"expired, replayed: too old to tell anything", plain(4), []func(*refresh){idleEnd}, only(session.Expired)},
		{"expired, flushed", plain(6), []func(*refresh){idleEnd, missing}, only(session.Expired)},
		{"expired, client never rotates", plain(6), []func(*refresh){idleEnd, never}, only(session.Expired)},
		{"absolute ends, client never rotates", plain(6), []func(*refresh){absoluteEnd, never}, only(session.Expired)},

		// the client's tokens don't rotate → Renewed
		{"never, newest", plain(6), []func(*refresh){never}, renewed(6)},
		{"never, an earlier copy", plain(4), []func(*refresh){never}, renewed(4)},
		{"never, at the checkpoint", plain(3), []func(*refresh){never}, renewed(3)},
		{"never, below the checkpoint", plain(2), []func(*refresh){never}, only(session.Replayed)},
		{"never, no state", plain(3), []func(*refresh){never, missing}, renewed(3)},
		{"never, above what is known", plain(9), []func(*refresh){never}, renewed(9)},
		{"never, grace 0", plain(6), []func(*refresh){never, strict}, renewed(6)},
		{"never, compromised: it moves on to a good key", plain(6), []func(*refresh){never, compromised}, advanced(session.Rotated, 6, 7, now)},
		{"never, compromised, older", plain(5), []func(*refresh){never, compromised}, only(session.Replayed)},

		// g = cur → Rotated
		{"newest", plain(6), nil, advanced(session.Rotated, 6, 7, now)},
		{"newest, long after", plain(6), []func(*refresh){lateNow}, advanced(session.Rotated, 6, 7, late)},
		{"newest, after skips: the count starts anew", plain(6), []func(*refresh){skips(3)}, advanced(session.Rotated, 6, 7, now)},
		{"newest, strict", plain(6), []func(*refresh){strict}, advanced(session.Rotated, 6, 7, now)},
		{"newest, compromised", plain(6), []func(*refresh){compromised}, advanced(session.Rotated, 6, 7, now)},
		{"newest, the clock went back", plain(6), []func(*refresh){func(r *refresh) { r.clocks = all(rotated.Add(-time.Minute)) }}, advanced(session.Rotated, 6, 7, rotated.Add(-time.Minute))},
		{"first refresh after login", plain(1), []func(*refresh){missing, checkpoint(1)}, advanced(session.Rotated, 1, 2, now)},

		// g = prev, elapsed < G → Repeated
		{"previous within grace", plain(5), nil, repeated},
		{"previous, the last moment of grace", plain(5), []func(*refresh){func(r *refresh) { r.clocks = all(late.Add(-1)) }}, repeated},
		{"previous, the clock went back", plain(5), []func(*refresh){func(r *refresh) { r.clocks = all(rotated.Add(-time.Hour)) }}, repeated},
		{"previous within grace, without skips allowed", plain(5), []func(*refresh){noSkip}, repeated},
		{"previous within grace, skips spent", plain(5), []func(*refresh){skips(3)}, repeated},
		{"previous within grace, at the checkpoint", plain(5), []func(*refresh){checkpoint(5)}, repeated},
		{"previous within grace, compromised", plain(5), []func(*refresh){compromised}, only(session.Replayed)},
		{"previous far behind, after skips", plain(5), []func(*refresh){at(8, 5)}, session.Decision{Verdict: session.Repeated, Issue: 8, Issued: rotated.Truncate(time.Second)}},

		// g = prev, policy allows, skips < 3 → Skipped
		{"previous after grace", plain(5), []func(*refresh){lateNow}, skipped(5, 7, 1, late)},
		{"previous after grace, again", plain(5), []func(*refresh){lateNow, at(7, 5), skips(1)}, skipped(5, 8, 2, late)},
		{"previous after grace, third time", plain(5), []func(*refresh){lateNow, at(8, 5), skips(2)}, skipped(5, 9, 3, late)},
		{"previous after grace, skips spent", plain(5), []func(*refresh){lateNow, at(9, 5), skips(3)}, only(session.Replayed)},
		{"previous after grace, not allowed", plain(5), []func(*refresh){lateNow, noSkip}, only(session.Replayed)},
		{"previous after grace, compromised", plain(5), []func(*refresh){lateNow, compromised}, only(session.Replayed)},
		{"previous, strict: skips are off too", plain(5), []func(*refresh){strict}, only(session.Replayed)},
		{"previous, strict, at once", plain(5), []func(*refresh){strict, func(r *refresh) { r.clocks = all(rotated) }}, only(session.Replayed)},
		{"previous, strict, the clock went back", plain(5), []func(*refresh){strict, func(r *refresh) { r.clocks = all(rotated.Add(-time.Minute)) }}, only(session.Replayed)},
		{"the burned generation", plain(6), []func(*refresh){at(7, 5), skips(1)}, only(session.Replayed)},

		// g > cur → Healed
		{"newer than known", plain(7), nil, alarmed(healed(7, 1))},
		{"much newer than known", plain(90), nil, alarmed(healed(90, 84))},
		{"newer, issued with the last rotation", plain(7), []func(*refresh){issued(rotated.Truncate(time.Second))}, healed(7, 1)},
		{"newer, issued 5 s before the last rotation", plain(7), []func(*refresh){issued(rotated.Add(-5 * time.Second))}, healed(7, 1)},
		{"newer, issued more than 5 s before the last rotation", plain(7), []func(*refresh){issued(rotated.Add(-5*time.Second - 1))}, alarmed(healed(7, 1))},
		{"flushed, above the checkpoint", plain(6), []func(*refresh){missing}, healed(6, 3)},
		{"flushed, strict", plain(6), []func(*refresh){missing, strict}, healed(6, 3)},
		{"flushed, compromised: only the newest known counts", plain(6), []func(*refresh){missing, compromised}, only(session.Replayed)},

		// a state that is missing or behind the checkpoint reads as the checkpoint
		{"flushed, at the checkpoint", plain(3), []func(*refresh){missing}, advanced(session.Rotated, 3, 4, now)},
		{"flushed, below the checkpoint", plain(2), []func(*refresh){missing}, only(session.Replayed)},
		{"rolled back to the checkpoint", plain(3), []func(*refresh){stale}, advanced(session.Rotated, 3, 4, now)},
		{"rolled back to the checkpoint: its prev is gone", plain(2), []func(*refresh){stale}, only(session.Replayed)},
		{"rolled back below the checkpoint", plain(5), []func(*refresh){stale, checkpoint(5)}, advanced(session.Rotated, 5, 6, now)},
		{"rolled back, skips and all", plain(3), []func(*refresh){stale, skips(3)}, advanced(session.Rotated, 3, 4, now)},
		{"rolled back, above the checkpoint", plain(5), []func(*refresh){stale}, alarmed(healed(5, 2))},
		{"a prev below the checkpoint is not repeated", plain(5), []func(*refresh){at(9, 5), checkpoint(6)}, only(session.Replayed)},

		// anything else → Replayed
		{"before previous", plain(4), nil, only(session.Replayed)},
		{"at the checkpoint, long replaced", plain(3), nil, only(session.Replayed)},
		{"below the checkpoint", plain(2), nil, only(session.Replayed)},
		{"the first", plain(1), nil, only(session.Replayed)},
		{"generation 0 was never issued", plain(0), nil, only(session.Replayed)},

		// generation 2³²−1 is refused
		{"the last generation", plain(math.MaxUint32), nil, only(session.Expired)},
		{"the last generation, newest", plain(math.MaxUint32), []func(*refresh){at(math.MaxUint32, math.MaxUint32-1)}, only(session.Expired)},
		{"the last generation, client never rotates", plain(math.MaxUint32), []func(*refresh){never}, only(session.Expired)},
		{"the last generation, revoked", plain(math.MaxUint32), []func(*refresh){revoked}, only(session.Revoked)},
		{"the last but one still rotates", plain(math.MaxUint32 - 1), []func(*refresh){at(math.MaxUint32-1, 5)}, advanced(session.Rotated, math.MaxUint32-1, math.MaxUint32, now)},
		{"no skip beyond the last", plain(5), []func(*refresh){lateNow, at(math.MaxUint32, 5)}, only(session.Replayed)},
	}
}

// refresh is the row's, with its changes and a further one, and the decision on it.
func (row decided) refresh(further func(*refresh)) (refresh, session.Decision) {
	given, want := row.given, row.want
	for _, change := range append(row.change, further) {
		given = given.but(change)
	}
	if want.State == (session.State{}) {
		want.State = given.state
	}
	return given, want
}

func TestDecide(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, tt := range decisions() {
		if seen[tt.name] {
			t.Errorf("two rows are named %q", tt.name)
		}
		seen[tt.name] = true
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			given, want := tt.refresh(func(*refresh) {})
			if diff := cmp.Diff(given.decide(), want); diff != "" {
				t.Errorf("decision (-got +want):\n%s", diff)
			}
		})
	}
}

func TestAStateWhoseOrderIsWrongReadsAsMissing(t *testing.T) {
	t.Parallel()
	for prev := range uint32(4) {
		for cur := range uint32(4) {
			given := session.State{Cur: cur, Prev: prev, RotatedAt: rotated, Skips: 1}
			want := given
			if prev > cur {
				want = session.State{}
			}
			if got := given.OrMissing(); got != want {
				t.Errorf("%+v reads as %+v, want %+v", given, got, want)
			}
		}
	}
}

func TestVerdictsSayWhetherATokenIsIssued(t *testing.T) {
	t.Parallel()
	tests := map[session.Verdict]struct {
		name     string
		succeeds bool
	}{
		session.Revoked: {"revoked", false}, session.Expired: {"expired", false}, session.Renewed: {"renewed", true},
		session.Rotated: {"rotated", true}, session.Repeated: {"repeated", true}, session.Skipped: {"skipped", true},
		session.Healed: {"healed", true}, session.Replayed: {"replayed", false},
	}
	for v, want := range tests {
		if v.String() != want.name || v.Succeeds() != want.succeeds {
			t.Errorf("verdict %d: %q, succeeds %t; want %q, %t", v, v, v.Succeeds(), want.name, want.succeeds)
		}
	}
}

func TestAStandingEndsForEveryReason(t *testing.T) {
	t.Parallel()
	live := session.Standing{
		Session:    session.Session{CreatedAt: login, AbsoluteExpiry: login.Add(absolute), Checkpoint: 4},
		UserActive: true, ClientEnabled: true, SessionsValidAfter: login,
	}
	tests := map[string]struct {
		change func(*session.Standing)
		ended  bool
	}{
		"live":                     {func(*session.Standing) {}, false},
		"revoked":                  {func(s *session.Standing) { s.RevokedAt = now }, true},
		"user disabled":            {func(s *session.Standing) { s.UserActive = false }, true},
		"client disabled":          {func(s *session.Standing) { s.ClientEnabled = false }, true},
		"sessions ended just then": {func(s *session.Standing) { s.SessionsValidAfter = login.Add(1) }, true},
	}
	for name, tt := range tests {
		standing := live
		tt.change(&standing)
		want := session.Row{Revoked: tt.ended, AbsoluteExpiry: login.Add(absolute), Checkpoint: 4}
		if diff := cmp.Diff(standing.Row(), want); diff != "" {
			t.Errorf("%s: row (-got +want):\n%s", name, diff)
		}
	}
}
