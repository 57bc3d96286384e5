package authority_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	clocks "github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestAnEndingIsRecordedWithAllThatIsKnown, in the story of the session that it ends.
func TestAnEndingIsRecordedWithAllThatIsKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end     func(b *bench, mine, other authority.Pair, id string) error
		actor   audit.ActorKind
		another bool // on the word of the other session
	}{
		"log out": {func(b *bench, mine, _ authority.Pair, _ string) error { return b.Logout(b.ctx(), b.by(thief()), mine) }, audit.User, false},
		"revoke": {func(b *bench, mine, _ authority.Pair, _ string) error {
			return b.Revoke(b.ctx(), b.by(thief()), mine.RefreshToken)
		}, audit.Client, false},
		"end its own": {func(b *bench, mine, _ authority.Pair, id string) error {
			return b.EndSession(b.ctx(), b.by(thief()), mine, id)
		}, audit.User, false},
		"end one": {func(b *bench, _, other authority.Pair, id string) error {
			return b.EndSession(b.ctx(), b.by(thief()), other, id)
		}, audit.User, true},
		"end others": {func(b *bench, _, other authority.Pair, _ string) error {
			return b.EndOtherSessions(b.ctx(), b.by(thief()), other)
		}, audit.User, true},
	} {
		b := newBench(t, nil)
		mine, other := b.login(t, "alice"), b.login(t, "alice")
		s := b.standing(t, mine)
		if err := c.end(b, pairOf(mine), pairOf(other), s.ID); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := lastEvent(t, b, mine)
		want := audit.Event{
			ID: got.ID, At: b.clock.Now(), Kind: audit.SessionRevoked, Actor: audit.Actor{Kind: c.actor, ID: client.FirstParty}, UserID: s.UserID, ClientID: client.FirstParty,
			SessionID: s.ID, Address: thief().Address, UserAgent: thief().UserAgent, RequestID: thief().RequestID,
		}
		if want.Actor.Kind == audit.User {
			want.Actor.ID = s.UserID
		}
		if c.another {
			want.Detail = map[string]string{"by_session": b.standing(t, other).ID}
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s: event (-got +want):\n%s", name, diff)
		}
	}
}

// ctx is for verbs in tables.
func (*bench) ctx() context.Context { return context.Background() }

// TestTheListsLearnOnlyWhatTheyMayShow: an ending, said again or not, while its bit is in
// them; afterwards, and of a session that has no place, there is nothing to look for.
func TestTheListsLearnOnlyWhatTheyMayShow(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	logout := func(tokens authority.Tokens, want bool) {
		t.Helper()
		wantError(t, b.Logout(t.Context(), b.by(home()), pairOf(tokens)), nil)
		select {
		case <-b.Lists.Woken():
			if !want {
				t.Error("the lists were told of nothing")
			}
		default:
			if want {
				t.Error("the lists were not told")
			}
		}
	}
	logout(tokens, true)
	b.clock.pass(revocation.Window)
	logout(tokens, true)
	b.clock.pass(time.Millisecond)
	logout(tokens, false)
	other := b.login(t, "alice")
	b.calls.unassigned = true
	logout(other, false)
}

// TestAnEventHasTheTimeOfItsDecision, not that of its writing.
func TestAnEventHasTheTimeOfItsDecision(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	b.refresh(t, tokens, session.Rotated)
	b.clock.pass(time.Second)
	at := b.clock.Now()
	b.from(t, tokens, thief())
	b.clock.pass(time.Hour)
	if last := lastEvent(t, b, tokens); last.Kind != audit.SessionRepeated || !last.At.Equal(at) || last.Detail["issued_at"] != begin().Format(time.RFC3339) {
		t.Errorf("the last event is %+v, want one of %s", last, at)
	}
}

// TestARepeatFromElsewhereIsRecorded by its address as well as by its user agent, once an hour.
func TestARepeatFromElsewhereIsRecorded(t *testing.T) {
	t.Parallel()
	moved, updated := home(), home()
	moved.Address, updated.UserAgent = "198.51.100.4", "app/2"
	for name, c := range map[string]struct {
		from authority.Origin
		want int
	}{"home": {home(), 0}, "another address": {moved, 1}, "another program": {updated, 1}, "both": {thief(), 1}} {
		b := newBench(t, nil)
		tokens := b.login(t, "alice")
		b.refresh(t, tokens, session.Rotated)
		for range 3 {
			b.from(t, tokens, c.from)
		}
		if told := len(b.events(t, tokens)) - 1; told != c.want || b.counted["repeated"] != 3 {
			t.Errorf("%s: %d events of %v, want %d", name, told, b.counted, c.want)
		}
	}
}

// TestEverySkipAndHealIsRecorded, wherever it comes from.
func TestEverySkipAndHealIsRecorded(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *client.Client) { c.AllowSkip = true })
	tokens := b.login(t, "alice")
	last := b.refresh(t, tokens, session.Rotated)
	for range 2 {
		b.clock.pass(time.Minute)
		last = b.refresh(t, tokens, session.Skipped)
	}
	for range 2 {
		b.forget(t, last)
		last = b.refresh(t, last, session.Healed)
	}
	var kinds []audit.Kind
	for _, e := range b.events(t, tokens) {
		kinds = append(kinds, e.Kind)
	}
	want := []audit.Kind{audit.SessionStarted, audit.SessionSkipped, audit.SessionSkipped, audit.SessionHealed, audit.SessionHealed}
	if diff := cmp.Diff(kinds, want); diff != "" {
		t.Errorf("events (-got +want):\n%s", diff)
	}
	if b.log.Len() > 0 {
		t.Errorf("log: %s", b.log)
	}
}

// TestAnOldTokenAfterAFaultAlarms: it was issued before the last rotation that the store
// remembers, so an older one was used in between.
func TestAnOldTokenAfterAFaultAlarms(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	last := b.refresh(t, b.refresh(t, tokens, session.Rotated), session.Rotated)
	b.clock.pass(time.Minute)
	err := b.store.UpdateState(t.Context(), b.standing(t, tokens).ID, time.Hour, func(session.State, clocks.Clocks) (session.State, bool) {
		return session.State{Cur: 2, Prev: 1, RotatedAt: b.clock.Now()}, true
	})
	if err != nil {
		t.Fatal(err)
	}
	b.refresh(t, last, session.Healed)
	if got := lastEvent(t, b, tokens); got.Kind != audit.SessionHealed || got.Detail["alarm"] != "true" || got.Detail["gap"] != "1" || got.Detail["current"] != "2" {
		t.Errorf("the last event is %+v, want an alarm", got)
	}
	if log := b.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, b.standing(t, tokens).ID) {
		t.Errorf("log: %s", log)
	}
}

// TestAReplayIsLogged with what an operator looks for.
func TestAReplayIsLogged(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	b.refresh(t, b.refresh(t, tokens, session.Rotated), session.Rotated)
	b.from(t, tokens, thief())
	for _, want := range []string{"level=WARN", "replayed", b.standing(t, tokens).ID, thief().Address, "generation=1"} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("log %q does not tell %s", b.log, want)
		}
	}
}

// TestACheckpointIsTheGenerationPresented, and of a success only.
func TestACheckpointIsTheGenerationPresented(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	first := b.login(t, "alice")
	second := b.refresh(t, first, session.Rotated)
	b.clock.pass(2 * time.Hour)
	b.refresh(t, second, session.Rotated)
	flush := func(want uint32, seen time.Time) {
		t.Helper()
		if err := b.Checkpoints.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := b.standing(t, first); s.Checkpoint != want || !s.LastSeenAt.Equal(seen) {
			t.Errorf("checkpoint %d of %s, want %d of %s", s.Checkpoint, s.LastSeenAt, want, seen)
		}
	}
	flush(2, b.clock.Now())
	seen := b.clock.Now()
	b.clock.pass(2 * time.Hour)
	b.refused(t, second, session.Replayed)
	flush(2, seen)
}

// asked is a store that notes what sessions it is asked for.
type asked struct {
	*calls
	queries []session.Query
}

func (a *asked) Sessions(ctx context.Context, query session.Query) ([]session.Session, error) {
	a.queries = append(a.queries, query)
	return a.calls.Sessions(ctx, query)
}

// TestAListingIsOneRead of live sessions of the user.
func TestAListingIsOneRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	tokens := b.login(t, "alice")
	store := &asked{calls: b.calls}
	b.Sessions = store
	if listed := b.own(t, tokens); len(listed) != 1 {
		t.Errorf("listed %+v, want one", listed)
	}
	want := []session.Query{{UserID: b.user(t, "alice").ID, Live: session.LiveOnly, Idle: idle, Limit: 100}}
	if diff := cmp.Diff(store.queries, want); diff != "" {
		t.Errorf("queries (-got +want):\n%s", diff)
	}
}

// TestASessionLapsesByTheIdleLifetime and the lag of its checkpoint.
func TestASessionLapsesByTheIdleLifetime(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	old := b.login(t, "alice")
	b.clock.pass(idle + 80*time.Minute - time.Millisecond)
	young := b.login(t, "alice")
	if got := idsOf(b.own(t, young)); !slices.Equal(got, b.ids(t, young, old)) {
		t.Errorf("listed %v, want both", got)
	}
	b.clock.pass(time.Millisecond)
	if got := idsOf(b.own(t, young)); !slices.Equal(got, b.ids(t, young)) {
		t.Errorf("listed %v, want the young one", got)
	}
}

// RevokeOthers ends the session that keeps just before.
func (o overtaken) RevokeOthers(ctx context.Context, userID, keep, reason string, event audit.Event) ([]session.Ended, error) {
	if _, err := o.RevokeSession(ctx, keep, session.ReasonElsewhere, audit.New(audit.SessionRevoked, audit.ByUser("alice"))); err != nil {
		return nil, err
	}
	return o.Store.RevokeOthers(ctx, userID, keep, reason, event)
}

func TestASessionThatHasJustBeenEndedEndsNoOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	mine, other := b.login(t, "alice"), b.login(t, "alice")
	b.Sessions = overtaken{b.store}
	wantError(t, b.EndOtherSessions(t.Context(), b.by(home()), pairOf(mine)), authority.ErrGrant)
	b.Sessions = b.calls
	b.refresh(t, other, session.Rotated)
}

// TestTheListsLearnOfCommittedRevocations: told before, they would look too early and find
// nothing.
func TestTheListsLearnOfCommittedRevocations(t *testing.T) {
	t.Parallel()
	for name, story := range deeds() {
		b := newBench(t, nil)
		d := story(t, b)
		b.calls.after = func(call string) {
			select {
			case <-b.Lists.Woken():
				t.Errorf("%s: the lists were told before %s was done", name, call)
			default:
			}
		}
		if err := d.do(t.Context()); err != d.want || !d.done() { //nolint:errorlint // bare, as every refusal
			t.Errorf("%s: %v, want %v", name, err, d.want)
		}
	}
}
