package operator_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/session"
)

func TestASessionIsLiveUntilItIsRevokedOrLapsesOrExpires(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada := b.user(t, "ada")
	s, _ := b.login(t, ada.ID)
	revoked, _ := b.login(t, ada.ID)
	wantError(t, "end", b.EndSession(t.Context(), grace(), revoked.ID), nil)
	for _, c := range []struct {
		days int
		want operator.SessionState
	}{{0, operator.Live}, {30, operator.Live}, {31, operator.Lapsed}, {179, operator.Lapsed}, {180, operator.Expired}} {
		b.now = begin().AddDate(0, 0, c.days)
		b.wantState(t, s.ID, c.want)
		b.wantState(t, revoked.ID, operator.Revoked)
	}
}

// TestAPageOfLiveSessionsIsFullWhileThereAreMore: the store does not know which have
// lapsed, and the newest ids are those.
func TestAPageOfLiveSessionsIsFullWhileThereAreMore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada, bob := b.user(t, "ada"), b.user(t, "bob")
	b.now = begin().Add(31 * day)
	first, _ := b.login(t, ada.ID)
	second, _ := b.login(t, bob.ID)
	third, _ := b.login(t, bob.ID)
	b.now = begin()
	var lapsed []string
	for range 3 {
		s, _ := b.login(t, ada.ID)
		lapsed = append(lapsed, s.ID)
	}
	b.now = begin().Add(31 * day)
	for name, c := range map[string]struct {
		query session.Query
		want  []string
	}{
		"all":          {session.Query{Limit: 10}, []string{lapsed[2], lapsed[1], lapsed[0], third.ID, second.ID, first.ID}},
		"live":         {session.Query{Live: session.LiveOnly, Limit: 10}, []string{third.ID, second.ID, first.ID}},
		"one page":     {session.Query{Live: session.LiveOnly, Limit: 1}, []string{third.ID}},
		"of two":       {session.Query{Live: session.LiveOnly, Limit: 2}, []string{third.ID, second.ID}}, // one of which is read with a lapsed one
		"the next":     {session.Query{Live: session.LiveOnly, Limit: 1, After: second.ID}, []string{first.ID}},
		"of one user":  {session.Query{Live: session.LiveOnly, Limit: 10, UserID: ada.ID}, []string{first.ID}},
		"of a nobody":  {session.Query{Limit: 10, UserID: unknown}, nil},
		"past the end": {session.Query{Live: session.LiveOnly, Limit: 10, After: first.ID}, nil},
	} {
		sessions, err := b.ListSessions(t.Context(), c.query)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range sessions {
			got = append(got, s.ID)
		}
		if diff := cmp.Diff(got, c.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
}

// TestASessionThatIsListedAsLiveSaysSo, though it lapses while it is listed.
func TestASessionThatIsListedAsLiveSaysSo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.login(t, b.user(t, "ada").ID)
	b.tick = time.Hour
	listed := 0
	for early := -6 * time.Hour; early < 2*time.Hour; early += 30 * time.Minute {
		b.now = begin().Add(idle + session.IdleLag + early)
		live, err := b.ListSessions(t.Context(), session.Query{Live: session.LiveOnly, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range live {
			listed++
			if s.State != operator.Live {
				t.Errorf("%s before it lapses, it is listed as live and says %s", -early, s.State)
			}
		}
	}
	if listed == 0 {
		t.Error("it was never listed")
	}
}

func TestASessionShowsTheNameOfItsUserUntilThatIsDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada := b.user(t, "ada")
	s, _ := b.login(t, ada.ID)
	wantName := func(want string) {
		t.Helper()
		if got, err := b.FindSession(t.Context(), s.ID); err != nil || got.Username != want {
			t.Errorf("it is of %s, %v; want %s", got.Username, err, want)
		}
	}
	wantName("ada")
	wantError(t, "delete", b.DeleteUser(t.Context(), grace(), ada.ID), nil)
	wantName(ada.ID)
}

// TestASessionIsEndedAlone: those beside it go on.
func TestASessionIsEndedAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ada := b.user(t, "ada")
	s, _ := b.login(t, ada.ID)
	other, _ := b.login(t, ada.ID)
	console := audit.ByClient("console")
	wantError(t, "end", b.EndSession(t.Context(), console, s.ID), nil)
	b.wantEvent(t, audit.Event{Kind: audit.SessionRevoked, Actor: console, UserID: ada.ID, ClientID: s.ClientID, SessionID: s.ID})
	b.wantState(t, s.ID, operator.Revoked)
	b.wantState(t, other.ID, operator.Live)
	if got, err := b.FindSession(t.Context(), s.ID); err != nil || got.RevokeReason != session.ReasonOperator {
		t.Errorf("it ended for the reason %q, %v", got.RevokeReason, err)
	}

	wantError(t, "end it again", b.EndSession(t.Context(), grace(), s.ID), nil)
	b.wantEvent(t, audit.Event{Kind: audit.SessionRevoked, Actor: console, UserID: ada.ID, ClientID: s.ClientID, SessionID: s.ID})
}

func TestAnUnknownSessionIsNotFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, err := b.FindSession(t.Context(), unknown)
	wantError(t, "find", err, session.ErrNotFound)
	wantError(t, "end", b.EndSession(t.Context(), grace(), unknown), session.ErrNotFound)
	b.wantNone(t, audit.SessionRevoked)
}
