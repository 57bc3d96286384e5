package storetest

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

func checkpointOnlyRises(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	s, other := startSession(t, store, alice.ID), startSession(t, store, alice.ID)
	last := s
	for _, c := range []struct {
		batch []session.Checkpoint
		want  uint32
	}{
		{[]session.Checkpoint{{SessionID: s.ID, Generation: 7}}, 7},
		{[]session.Checkpoint{{SessionID: s.ID, Generation: 5}}, 7},
		{[]session.Checkpoint{{SessionID: s.ID, Generation: 9}, {SessionID: s.ID, Generation: 12}, {SessionID: s.ID, Generation: 8}}, 12},
		{[]session.Checkpoint{{SessionID: unknownID, Generation: 20}, {SessionID: "garbage", Generation: 20}, {SessionID: s.ID, Generation: 13}}, 13},
		{nil, 13},
		{[]session.Checkpoint{{SessionID: s.ID, Generation: math.MaxUint32}}, math.MaxUint32},
	} {
		if err := store.SaveCheckpoints(t.Context(), c.batch, 0); err != nil {
			t.Fatal(err)
		}
		got := findSession(t, store, s.ID)
		if len(c.batch) > 0 && !got.LastSeenAt.After(last.LastSeenAt) {
			t.Errorf("%v: last seen went from %s to %s", c.batch, last.LastSeenAt, got.LastSeenAt)
		}
		last = got
		want := s
		want.Checkpoint, want.LastSeenAt = c.want, got.LastSeenAt
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%v (-got +want):\n%s", c.batch, diff)
		}
	}
	if diff := cmp.Diff(findSession(t, store, other.ID), other); diff != "" {
		t.Errorf("the other session (-got +want):\n%s", diff)
	}
}

func checkpointOncePerInterval(t *testing.T, store Durable) {
	s := startSession(t, store, createUser(t, store, "alice").ID)
	save := func(generation uint32, interval time.Duration) session.Session {
		t.Helper()
		batch := []session.Checkpoint{{SessionID: s.ID, Generation: generation}}
		if err := store.SaveCheckpoints(t.Context(), batch, interval); err != nil {
			t.Fatal(err)
		}
		return findSession(t, store, s.ID)
	}
	if got := save(5, time.Hour); !cmp.Equal(got, s) {
		t.Errorf("within the interval (-got +want):\n%s", cmp.Diff(got, s))
	}
	if got := save(5, 0); got.Checkpoint != 5 || !got.LastSeenAt.After(s.LastSeenAt) {
		t.Errorf("after the interval: checkpoint %d of %s", got.Checkpoint, got.LastSeenAt)
	}
	s = findSession(t, store, s.ID)
	if got := save(6, time.Hour); !cmp.Equal(got, s) {
		t.Errorf("within the next interval (-got +want):\n%s", cmp.Diff(got, s))
	}
}

func checkpointsMeetSetPassword(t *testing.T, store Durable) {
	alice := createUser(t, store, "alice")
	checkpointsMeet(t, store, alice, func(ctx context.Context) error {
		return store.SetPassword(ctx, alice.ID, "hash", about(audit.UserPasswordChanged, alice.ID))
	})
}

func checkpointsMeetDisableClient(t *testing.T, store Durable) {
	checkpointsMeet(t, store, createUser(t, store, "alice"), func(ctx context.Context) error {
		return store.DisableClient(ctx, client.FirstParty, clientEvent(audit.ClientDisabled))
	})
}

// checkpointsMeet has batches meet each other and what ends many sessions in
// every order of the same rows: nobody may wait forever, or be told of a deadlock.
func checkpointsMeet(t *testing.T, store Durable, alice user.User, endAll func(context.Context) error) {
	sessions := make([]session.Session, 20)
	for i := range sessions {
		sessions[i] = newSession(alice.ID)
	}
	for k := range sessions { // not in order of id, so that the database has to see to it
		s := sessions[k*7%len(sessions)]
		err := drop(store.StartSession(t.Context(), s, session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}, aboutSession(audit.SessionStarted, s.ID)))
		if err != nil {
			t.Fatal(err)
		}
	}
	wantNoErrors(t, contend(t, func(ctx context.Context, i int) error {
		if i%25 == 24 {
			return endAll(ctx)
		}
		var batch []session.Checkpoint
		for k := range sessions {
			at := (k*7 + i) % len(sessions)
			batch = append(batch, session.Checkpoint{SessionID: sessions[at].ID, Generation: uint32(i + 2)})
		}
		return store.SaveCheckpoints(ctx, batch, 0)
	}))
	for _, s := range sessions {
		if got := findSession(t, store, s.ID); got.Checkpoint != contenders || got.RevokedAt.IsZero() {
			t.Errorf("session %+v, want revoked at checkpoint %d", got, contenders)
		}
	}
}

// checkpointOfWrongClockIsDue: the database's clock was ahead as the checkpoint was written, and
// is right again.
func checkpointOfWrongClockIsDue(t *testing.T, store Clocked) {
	s := startSession(t, store, createUser(t, store, "alice").ID)
	save := func(generation uint32, at time.Time) session.Session {
		t.Helper()
		store.Set(t, at)
		if err := store.SaveCheckpoints(t.Context(), []session.Checkpoint{{SessionID: s.ID, Generation: generation}}, time.Hour); err != nil {
			t.Fatal(err)
		}
		return findSession(t, store, s.ID)
	}
	wrong := clockStart.Add(31 * 24 * time.Hour)
	if got := save(2, wrong); got.Checkpoint != 2 || !got.LastSeenAt.Equal(wrong) {
		t.Errorf("checkpoint %d of %s, want 2 of %s", got.Checkpoint, got.LastSeenAt, wrong)
	}
	if got := save(3, wrong.Add(-session.SeenAhead)); got.Checkpoint != 2 {
		t.Errorf("a little behind: checkpoint %d, want 2", got.Checkpoint)
	}
	right := wrong.Add(-session.SeenAhead - tick)
	if got := save(3, right); got.Checkpoint != 3 || !got.LastSeenAt.Equal(right) {
		t.Errorf("checkpoint %d of %s, want 3 of %s", got.Checkpoint, got.LastSeenAt, right)
	}
}
