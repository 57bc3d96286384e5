package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// Ageing makes all that happened to a session have happened that much earlier.
type Ageing func(tb testing.TB, sessionID string, by time.Duration)

// OpenAgeing opens a durable store of its own, whose sessions can be aged, for one test.
type OpenAgeing func(testing.TB) (Durable, Ageing)

// near is as close to a boundary as tests go, whose clock goes on meanwhile.
const near = 10 * time.Minute

// Statuses is the contract of status indexes, and of [revocation.Store].
func Statuses(t *testing.T, open OpenAgeing) {
	for name, rule := range map[string]func(*testing.T, Durable, Ageing){
		"R3NoTwoLiveSessionsShareAnIndex":     noTwoShareAnIndex,
		"R3OnlyTheDeadLoseTheirIndex":         onlyTheDeadLoseTheirIndex,
		"OfManyThatTakeAnIndexOneGetsIt":      oneTakesADeadIndex,
		"WithoutAFreeIndexNothingStarts":      withoutAFreeIndexNothingStarts,
		"R1ASessionWithoutAnIndexGetsOneOnce": assignsOnce,
		"IndexesAreBounded":                   indexesAreBounded,
		"EveryEndIsRead":                      everyEndIsRead,
		"WhatIsReadEndsWhereAsked":            whatIsReadEndsWhereAsked,
		"PagesHaveEachRevokedSessionOnce":     pagesHaveEachOnce,
		"AnEmptyStoreReadsAsNothing":          emptyStoreReadsAsNothing,
		"ACancelledContextIsAnError":          cancelledStatusCalls,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, age := open(t)
			rule(t, store, age)
		})
	}
}

// draw has the store draw these status indexes from now on, whatever is in use.
func draw(tb testing.TB, store Durable, indexes ...int64) {
	tb.Helper()
	drawFrom(tb, store, func(int64) []int64 { return indexes })
}

// drawFrom has the store draw status indexes by this function, which only the tests of a
// store can.
func drawFrom(tb testing.TB, store Durable, by func(highest int64) []int64) {
	tb.Helper()
	store.(interface {
		DrawFrom(draw func(highest int64) []int64)
	}).DrawFrom(by)
}

// shuffled draws every index below n, each time in another order.
func shuffled(n int) func(int64) []int64 {
	return func(int64) []int64 {
		var indexes []int64
		for _, i := range rand.Perm(n) { //nolint:gosec // an order for a test
			indexes = append(indexes, int64(i))
		}
		return indexes
	}
}

func indexOf(tb testing.TB, s session.Session) int64 {
	tb.Helper()
	if s.StatusIndex == nil {
		tb.Fatalf("session %s has no status index", s.ID)
	}
	return *s.StatusIndex
}

func noTwoShareAnIndex(t *testing.T, store Durable, _ Ageing) {
	alice := createUser(t, store, "alice")
	drawFrom(t, store, shuffled(contenders))
	terms := session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter, Reuse: always}
	sessions := make([]session.Session, contenders)
	wantNoErrors(t, contend(t, func(ctx context.Context, i int) error {
		x := newSession(alice.ID)
		s, err := store.StartSession(ctx, x, terms, aboutSession(audit.SessionStarted, x.ID))
		sessions[i] = s
		return err
	}))
	held := make(map[int64]bool)
	for _, s := range sessions {
		if s.StatusIndex == nil || held[*s.StatusIndex] {
			t.Fatalf("session %s: index %v is nobody's or another's", s.ID, s.StatusIndex)
		}
		held[*s.StatusIndex] = true
		if got := findSession(t, store, s.ID); indexOf(t, got) != *s.StatusIndex {
			t.Errorf("session %s is stored at %d, was told %d", s.ID, *got.StatusIndex, *s.StatusIndex)
		}
	}
}

// always lets the store's own clock say which sessions are over.
var always = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func onlyTheDeadLoseTheirIndex(t *testing.T, store Durable, age Ageing) {
	alice := createUser(t, store, "alice")
	revoke := func(s session.Session) {
		if err := drop(store.RevokeSession(t.Context(), s.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, s.ID))); err != nil {
			t.Fatal(err)
		}
	}
	const idle, long = 5 * time.Hour, 1000 * time.Hour
	freeIdle := idle + session.StatusReuseAfterIdle
	for index, holder := range []struct {
		name     string
		lifetime time.Duration
		end      func(session.Session)
		dead     bool
	}{
		{"is live", long, func(session.Session) {}, false},
		{"was revoked now", long, revoke, false},
		{"was revoked not long enough ago", long, func(s session.Session) { revoke(s); age(t, s.ID, session.StatusReuseAfter-near) }, false},
		{"was revoked long enough ago", long, func(s session.Session) { revoke(s); age(t, s.ID, session.StatusReuseAfter+near) }, true},
		{"expired not long enough ago", time.Hour, func(s session.Session) { age(t, s.ID, time.Hour+session.StatusReuseAfter-near) }, false},
		{"expired long enough ago", time.Hour, func(s session.Session) { age(t, s.ID, time.Hour+session.StatusReuseAfter+near) }, true},
		{"expired long enough ago, and was revoked now", time.Hour, func(s session.Session) { age(t, s.ID, long); revoke(s) }, false},
		{"was seen not long enough ago", long, func(s session.Session) { age(t, s.ID, freeIdle-near) }, false},
		{"was seen long enough ago", long, func(s session.Session) { age(t, s.ID, freeIdle+near) }, true},
		{"was seen long enough ago, and was revoked now", long, func(s session.Session) { age(t, s.ID, freeIdle+near); revoke(s) }, false},
	} {
		theirs, other := int64(index), int64(1000+index)
		terms := session.Terms{Lifetime: holder.lifetime, Seen: alice.SessionsValidAfter, Idle: idle, Reuse: always}
		draw(t, store, theirs)
		before := startSessionUnder(t, store, newSession(alice.ID), terms)
		holder.end(before)
		draw(t, store, theirs, other)
		after := startSessionUnder(t, store, newSession(alice.ID), terms)
		left := findSession(t, store, before.ID).StatusIndex
		if holder.dead && (indexOf(t, after) != theirs || left != nil) {
			t.Errorf("the holder %s: index %d went to nobody, and %v is left", holder.name, theirs, left)
		}
		if !holder.dead && (indexOf(t, after) != other || left == nil || *left != theirs) {
			t.Errorf("the holder %s: index %d was taken", holder.name, theirs)
		}
	}
	terms := session.Terms{Lifetime: long, Seen: alice.SessionsValidAfter, Reuse: always}
	draw(t, store, 2000)
	unseen := startSessionUnder(t, store, newSession(alice.ID), terms)
	age(t, unseen.ID, long-near)
	draw(t, store, 2000, 2001)
	if got := indexOf(t, startSessionUnder(t, store, newSession(alice.ID), terms)); got != 2001 {
		t.Error("without an idle lifetime, an index was taken before the absolute expiry")
	}
}

func oneTakesADeadIndex(t *testing.T, store Durable, age Ageing) {
	alice := createUser(t, store, "alice")
	terms := session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter, Reuse: always}
	draw(t, store, 7)
	dead := startSessionUnder(t, store, newSession(alice.ID), terms)
	age(t, dead.ID, 100*time.Hour)
	taken := make([]int64, contenders)
	var other atomic.Int64
	drawFrom(t, store, func(int64) []int64 { return []int64{7, 100 + other.Add(1)} })
	wantNoErrors(t, contend(t, func(ctx context.Context, i int) error {
		x := newSession(alice.ID)
		s, err := store.StartSession(ctx, x, terms, aboutSession(audit.SessionStarted, x.ID))
		if err == nil {
			taken[i] = *s.StatusIndex
		}
		return err
	}))
	slices.Sort(taken)
	if taken[0] != 7 || taken[1] == 7 || len(slices.Compact(taken)) != contenders {
		t.Errorf("indexes %v, want 7 once and every other once", taken)
	}
	if left := findSession(t, store, dead.ID).StatusIndex; left != nil {
		t.Errorf("the dead session still has index %d", *left)
	}
}

func withoutAFreeIndexNothingStarts(t *testing.T, store Durable, _ Ageing) {
	alice := createUser(t, store, "alice")
	terms := session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}
	draw(t, store, 7)
	startSessionUnder(t, store, newSession(alice.ID), terms)
	x := newSession(alice.ID)
	err := drop(store.StartSession(t.Context(), x, terms, aboutSession(audit.SessionStarted, x.ID)))
	wantError(t, "start at a taken index", err, session.ErrContended)
	wantError(t, "find it", drop(store.SessionByID(t.Context(), x.ID)), session.ErrNotFound)
	wantEvents(t, store, audit.Query{SessionID: x.ID})
}

// assignsOnce takes the index from a session, as if an earlier binary had started it.
func assignsOnce(t *testing.T, store Durable, age Ageing) {
	alice := createUser(t, store, "alice")
	terms := session.Terms{Lifetime: 1000 * time.Hour, Seen: alice.SessionsValidAfter, Idle: 5 * time.Hour, Reuse: always}
	draw(t, store, 7)
	s := startSessionUnder(t, store, newSession(alice.ID), terms)
	age(t, s.ID, 100*time.Hour)
	startSessionUnder(t, store, newSession(alice.ID), terms) // takes it
	if findSession(t, store, s.ID).StatusIndex != nil {
		t.Fatal("the session still has its index")
	}
	draw(t, store, 9)
	dead := startSessionUnder(t, store, newSession(alice.ID), session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter})
	age(t, dead.ID, 100*time.Hour)
	got := make([]int64, contenders)
	draw(t, store, 7, 9, 10)
	wantNoErrors(t, contend(t, func(ctx context.Context, i int) (err error) {
		got[i], err = store.AssignStatusIndex(ctx, s.ID, session.Terms{Reuse: always})
		if errors.Is(err, session.ErrNotFound) { // another is at it
			err = nil
		}
		return err
	}))
	index := indexOf(t, findSession(t, store, s.ID))
	if index != 9 || findSession(t, store, dead.ID).StatusIndex != nil {
		t.Errorf("the session is at %d, want the first free one, 9", index)
	}
	for _, g := range got {
		if g != 0 && g != index {
			t.Errorf("%d was told, it is at %d", g, index)
		}
	}
	draw(t, store, 11)
	if again, err := store.AssignStatusIndex(t.Context(), s.ID, session.Terms{}); again != index || err != nil {
		t.Errorf("assigned again: at %d, %v; want %d", again, err, index)
	}
	if err := drop(store.RevokeSession(t.Context(), s.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, s.ID))); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{s.ID, newID(), "x"} {
		wantError(t, "assign to "+id, drop(store.AssignStatusIndex(t.Context(), id, terms)), session.ErrNotFound)
	}
	draw(t, store, 12)
	full := startSessionUnder(t, store, newSession(alice.ID), session.Terms{Lifetime: 1000 * time.Hour, Seen: alice.SessionsValidAfter})
	age(t, full.ID, 1001*time.Hour+session.StatusReuseAfter)
	startSessionUnder(t, store, newSession(alice.ID), terms)
	wantError(t, "assign where nothing is free", drop(store.AssignStatusIndex(t.Context(), full.ID, terms)), session.ErrContended)
}

func indexesAreBounded(t *testing.T, store Durable, _ Ageing) {
	alice := createUser(t, store, "alice")
	terms := session.Terms{Lifetime: time.Hour, Seen: alice.SessionsValidAfter}
	for _, index := range []int64{-1, session.MaxStatusIndex + 1} {
		draw(t, store, index)
		x := newSession(alice.ID)
		if _, err := store.StartSession(t.Context(), x, terms, aboutSession(audit.SessionStarted, x.ID)); err == nil {
			t.Errorf("a session started at index %d", index)
		}
	}
	draw(t, store, session.MaxStatusIndex)
	startSessionUnder(t, store, newSession(alice.ID), terms)
	if read(t, store, time.Hour).Highest != session.MaxStatusIndex {
		t.Error("the highest index there is was not read")
	}
	drawFrom(t, store, session.DrawStatusIndexes) // below it
	startSessionUnder(t, store, newSession(alice.ID), terms)
}

// everyEndIsRead ends sessions in all the ways there are; each must reach the lists.
func everyEndIsRead(t *testing.T, store Durable, _ Ageing) {
	ctx := t.Context()
	event := audit.New(audit.SessionRevoked, audit.ByOperator("root"))
	ends := map[string]func(s, other session.Session) error{
		"logout, revoke or replay": func(s, _ session.Session) error {
			return drop(store.RevokeSession(ctx, s.ID, session.ReasonReplay, event))
		},
		"from another session": func(s, other session.Session) error {
			return drop(store.RevokeOther(ctx, s.ID, other.ID, session.ReasonElsewhere, event))
		},
		"all others": func(s, other session.Session) error {
			return drop(store.RevokeOthers(ctx, s.UserID, other.ID, session.ReasonElsewhere, event))
		},
		"all":             func(s, _ session.Session) error { return store.RevokeAll(ctx, s.UserID, session.ReasonOperator, event) },
		"a new password":  func(s, _ session.Session) error { return store.SetPassword(ctx, s.UserID, "hash", event) },
		"a disabled user": func(s, _ session.Session) error { return store.DisableUser(ctx, s.UserID, event) },
		"a deleted user":  func(s, _ session.Session) error { return store.DeleteUser(ctx, s.UserID, event) },
	}
	var ended []session.Session
	for name, end := range ends {
		owner := createUser(t, store, "u"+newID())
		s, other := startSession(t, store, owner.ID), startSession(t, store, owner.ID)
		if err := end(s, other); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ended = append(ended, s)
		if !findSession(t, store, other.ID).RevokedAt.IsZero() {
			ended = append(ended, other)
		}
		wantRevoked(t, store, name, ended)
	}
	live := startSession(t, store, createUser(t, store, "alice").ID)
	wantRevoked(t, store, "a live session", ended)
	if err := store.DisableClient(ctx, client.FirstParty, audit.New(audit.ClientDisabled, audit.ByOperator("root"))); err != nil {
		t.Fatal(err)
	}
	reading := read(t, store, time.Hour)
	if !slices.ContainsFunc(reading.Revoked, func(r revocation.Revoked) bool { return r.Index == *live.StatusIndex }) {
		t.Error("a session of a disabled client is not read")
	}
}

func read(t *testing.T, store Durable, within time.Duration) revocation.Reading {
	t.Helper()
	reading, err := store.Revoked(t.Context(), revocation.Page{Within: within, Rows: 1000})
	if err != nil {
		t.Fatal(err)
	}
	wantDatabaseTime(t, "Now", reading.Now)
	slices.SortFunc(reading.Revoked, func(a, b revocation.Revoked) int { return int(a.Index - b.Index) })
	return reading
}

// wantRevoked checks that these sessions are read as revoked, and no others.
func wantRevoked(t *testing.T, store Durable, doing string, sessions []session.Session) {
	t.Helper()
	var want []revocation.Revoked
	for _, s := range sessions {
		want = append(want, revocation.Revoked{Index: indexOf(t, s), At: findSession(t, store, s.ID).RevokedAt})
	}
	slices.SortFunc(want, func(a, b revocation.Revoked) int { return int(a.Index - b.Index) })
	if diff := gocmp.Diff(read(t, store, time.Hour).Revoked, want); diff != "" {
		t.Errorf("%s (-got +want):\n%s", doing, diff)
	}
}

func whatIsReadEndsWhereAsked(t *testing.T, store Durable, age Ageing) {
	alice := createUser(t, store, "alice")
	var sessions []session.Session
	for i := range int64(3) {
		terms := session.Terms{Lifetime: 10 * time.Hour, Seen: alice.SessionsValidAfter}
		draw(t, store, 5+i)
		s := startSessionUnder(t, store, newSession(alice.ID), terms)
		if err := drop(store.RevokeSession(t.Context(), s.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, s.ID))); err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	age(t, sessions[0].ID, time.Hour-near)
	age(t, sessions[1].ID, time.Hour+near)
	for within, want := range map[time.Duration][]int64{near: {7}, time.Hour: {5, 7}, 2 * time.Hour: {5, 6, 7}} {
		reading := read(t, store, within)
		var got []int64
		for _, r := range reading.Revoked {
			got = append(got, r.Index)
		}
		if !slices.Equal(got, want) || reading.Highest != 7 {
			t.Errorf("within %s: %v up to %d, want %v up to 7", within, got, reading.Highest, want)
		}
	}
}

func emptyStoreReadsAsNothing(t *testing.T, store Durable, _ Ageing) {
	if got := read(t, store, time.Hour); got.Highest != 0 || len(got.Revoked) > 0 {
		t.Errorf("read %+v", got)
	}
}

func cancelledStatusCalls(t *testing.T, store Durable, _ Ageing) {
	wantCancelled(t, map[string]func(context.Context) error{
		"AssignStatusIndex": func(ctx context.Context) error { return drop(store.AssignStatusIndex(ctx, newID(), session.Terms{})) },
		"Revoked": func(ctx context.Context) error {
			return drop(store.Revoked(ctx, revocation.Page{Within: time.Hour, Rows: 1}))
		},
	})
}
