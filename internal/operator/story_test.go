package operator_test

import (
	"context"
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// kinds are those of the events of a story.
func kinds(story *operator.Story) []audit.Kind {
	var kinds []audit.Kind
	for _, e := range story.Events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (b *bench) explain(t *testing.T, word string) *operator.Story {
	t.Helper()
	story, err := b.Explain(t.Context(), word)
	if err != nil {
		t.Fatal(err)
	}
	return story
}

// accessToken is one that names a session; nobody checks the rest.
func accessToken(sid string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"sid":"`+sid+`"}`)) + ".e30"
}

func TestASessionIsExplainedByItsIDAndByEitherToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada := b.user(t, "ada")
	s, refresh := b.login(t, ada.ID)
	b.login(t, ada.ID)
	for name, word := range map[string]string{"id": s.ID, "refresh": refresh, "access": accessToken(s.ID)} {
		story := b.explain(t, word)
		if story.Session == nil || story.Session.ID != s.ID || story.State != operator.Live || story.Policy.Idle != idle || !story.Now.Equal(b.now) {
			t.Errorf("%s: %+v", name, story)
		}
		if diff := cmp.Diff(kinds(story), []audit.Kind{audit.SessionStarted}); diff != "" || story.Events[0].Actor != audit.ByUser(ada.ID) {
			t.Errorf("%s, by %+v (-got +want):\n%s", name, story.Events[0].Actor, diff)
		}
		if (story.Token != nil) != (name == "refresh") || story.Access != (name == "access") {
			t.Errorf("%s is taken for another: %+v", name, story)
		}
	}
}

// TestARefreshTokenIsExplainedByWhatWouldBecomeOfIt, and nothing becomes of it.
func TestARefreshTokenIsExplainedByWhatWouldBecomeOfIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, refresh := b.login(t, b.user(t, "ada").ID)
	for range 2 {
		if v := b.explain(t, refresh).Verdict; v == nil || v.Verdict != session.Rotated {
			t.Errorf("it would be %+v, want rotated", v)
		}
	}
	damaged := refresh[:len(refresh)-1] + map[bool]string{true: "B", false: "A"}[refresh[len(refresh)-1] == 'A']
	if story := b.explain(t, damaged); story.Token.Defect == "" || story.Verdict != nil {
		t.Errorf("damaged: %+v", story)
	}
	stranger := b.mint.Format(session.RefreshToken{Family: session.NewFamily(), Generation: 1, IssuedAt: b.now})
	if story := b.explain(t, stranger); story.Token.Defect != "" || story.Session != nil || story.Verdict != nil {
		t.Errorf("of a session that is elsewhere: %+v", story)
	}
	if story := b.explain(t, "mrt_"); story.Token.Legible || story.Session != nil {
		t.Errorf("of nothing: %+v", story)
	}
}

// TestAStoryGoesByTheMedianOfTheClocks, as a refresh does.
func TestAStoryGoesByTheMedianOfTheClocks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s, refresh := b.login(t, b.user(t, "ada").ID)
	later := b.now.Add(idle + day)
	b.Rotation = func(_ context.Context, id string) (session.State, clock.Clocks, error) {
		if id != s.ID {
			t.Errorf("it is asked for that of %s", id)
		}
		return session.State{}, clock.Clocks{Redis: later, Machine: later.Add(time.Hour)}, nil
	}
	story := b.explain(t, refresh)
	if !story.Now.Equal(later) || story.State != operator.Lapsed || story.Verdict.Verdict != session.Expired {
		t.Errorf("at %s it is %s, and the token would be %s", story.Now, story.State, story.Verdict.Verdict)
	}
}

func TestAStoryIsGivenWithoutTheRotationStateThatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, refresh := b.login(t, b.user(t, "ada").ID)
	b.Rotation = func(context.Context, string) (session.State, clock.Clocks, error) {
		return session.State{}, clock.Clocks{}, errOut
	}
	story := b.explain(t, refresh)
	if story.Rotation != nil || story.Verdict != nil || len(story.Events) != 1 {
		t.Errorf("%+v", story)
	}
	wantError(t, "the story says why", story.RotationErr, errOut)
	b.Secrets = func() (operator.Secrets, error) { return operator.Secrets{}, errOut }
	_, err := b.Explain(t.Context(), refresh)
	wantError(t, "a refresh token without secrets", err, errOut)
}

// TestAStoryHasWhatEndedAllSessionsOfTheUser: that is an event of the user.
func TestAStoryHasWhatEndedAllSessionsOfTheUser(t *testing.T) {
	t.Parallel()
	for kind, end := range map[audit.Kind]func(*operator.Operator, context.Context, audit.Actor, string) error{
		audit.UserSessionsEnded: (*operator.Operator).EndSessions,
		audit.UserDisabled:      (*operator.Operator).DisableUser,
		audit.UserDeleted:       (*operator.Operator).DeleteUser,
	} {
		b := newBench(t)
		ada := b.user(t, "ada")
		s, _ := b.login(t, ada.ID)
		b.now = b.now.Add(time.Minute)
		wantError(t, string(kind), end(b.Operator, t.Context(), grace(), ada.ID), nil)
		story := b.explain(t, s.ID)
		if got := kinds(story); !slices.Equal(got, []audit.Kind{audit.SessionStarted, kind}) || story.Events[1].Actor != grace() || story.State != operator.Revoked {
			t.Errorf("%s: the story is %v and ends %s", kind, got, story.State)
		}
	}
}

func TestALongStoryKeepsWhatBeganAndEndedIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s, _ := b.login(t, b.user(t, "ada").ID)
	b.now = b.now.Add(time.Minute)
	var refusals []audit.Event
	for range operator.MaxStory + 1 {
		e := audit.New(audit.SessionRefused, audit.ByClient(s.ClientID))
		e.SessionID = s.ID
		refusals = append(refusals, e)
	}
	wantError(t, "append", b.store.AppendEvents(t.Context(), refusals), nil)
	b.now = b.now.Add(time.Minute)
	wantError(t, "end", b.EndSession(t.Context(), grace(), s.ID), nil)
	story := b.explain(t, s.ID)
	got := slices.Compact(kinds(story))
	if want := []audit.Kind{audit.SessionStarted, audit.SessionRefused, audit.SessionRevoked}; !story.Cut || len(story.Events) != operator.MaxStory+1 || !slices.Equal(got, want) {
		t.Errorf("cut %t, %d events, %v; want %d, %v", story.Cut, len(story.Events), got, operator.MaxStory+1, want)
	}
}

func TestARequestIsExplainedByWhatItCaused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s, _ := b.login(t, b.user(t, "ada").ID)
	id := "request of " + s.ID
	if story := b.explain(t, id); story.RequestID != id || story.Session != nil || !slices.Equal(kinds(story), []audit.Kind{audit.SessionStarted}) {
		t.Errorf("%+v", story)
	}
}

// TestASessionWhoseRowIsGoneIsExplainedByTheTrail, by its id and by an access token.
func TestASessionWhoseRowIsGoneIsExplainedByTheTrail(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada := b.user(t, "ada")
	s, _ := b.login(t, ada.ID)
	if err := b.EndSession(t.Context(), audit.ByOperator("root"), s.ID); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(2000 * time.Hour)
	swept, err := b.store.RemoveSessions(t.Context(), audit.Sweep{Before: time.Now().Add(1000 * time.Hour), Rows: 100}, idle)
	if err != nil || swept.Removed != 1 {
		t.Fatalf("removed %d, %v; want the session", swept.Removed, err)
	}
	for _, word := range []string{s.ID, accessToken(s.ID)} {
		story := b.explain(t, word)
		if diff := cmp.Diff(kinds(story), []audit.Kind{audit.SessionStarted, audit.SessionRevoked}); diff != "" || story.Removed != s.ID || story.Session != nil {
			t.Errorf("removed %q, session %v (-got +want):\n%s", story.Removed, story.Session, diff)
		}
	}
}

func TestWhatIsUnknownIsNotExplained(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for word, want := range map[string]error{
		unknown: operator.ErrUnexplained, "no request": operator.ErrUnexplained,
		accessToken(unknown): session.ErrNotFound, accessToken("nobody"): session.ErrNotFound, "not.base64!.x": session.ErrNotFound,
	} {
		_, err := b.Explain(t.Context(), word)
		wantError(t, word, err, want)
	}
}
