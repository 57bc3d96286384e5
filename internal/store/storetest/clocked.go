package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// Clocked is a durable store whose clock stands until it is set.
type Clocked struct {
	Durable
	Set     func(tb testing.TB, now time.Time)
	Execute func(tb testing.TB, statement string) // SQL that both dialects know
	// SameTime gives all clients one time of their last change, as the migration did that
	// began to note it.
	SameTime func(tb testing.TB)
	// Userless lets sessions be without a user, as a later schema does.
	Userless func(tb testing.TB)
}

const (
	tick     = time.Microsecond // what the stores keep of a time
	lifetime = 1000 * time.Hour // of sessions that are not to expire
)

// clockStart is where the clock of a [Clocked] stands at first.
var clockStart = time.Date(2026, 11, 23, 7, 8, 9, 123456000, time.UTC)

// Clocks is the contract of what happens at an instant, and of clients that the schema
// has and no method makes.
func Clocks(t *testing.T, open func(testing.TB) Clocked) {
	for name, rule := range map[string]func(*testing.T, Clocked){
		"WhatIsWrittenHasTheClocksTime":         writtenHasClocksTime,
		"WhatIsReadHasTheClocksTime":            readHasClocksTime,
		"TheBoundaryMovesByATickAtLeast":        boundaryMovesByATick,
		"ASessionIsLiveBeforeItsExpiry":         sessionIsLiveBeforeExpiry,
		"ASessionLivesUntilItLapses":            sessionLivesUntilItLapses,
		"ASessionMayBeWithoutAUser":             sessionMayBeWithoutUser,
		"ACheckpointIsDueAfterTheInterval":      checkpointIsDueAfterInterval,
		"ACheckpointOfAWrongClockIsDue":         checkpointOfWrongClockIsDue,
		"ARevocationIsNoOlderThanItsEvent":      revocationIsNoOlderThanItsEvent,
		"ASessionStartsAtTheReliableTime":       sessionStartsAtTheReliableTime,
		"WhatWasRevokedWithinIsRead":            revokedWithinIsRead,
		"AnIndexIsFreeLaterThanItsHolderIsOver": indexIsFreeLater,
		"EachClientHasItsOwnTerms":              clientHasItsOwnTerms,
		"NobodyElseIsChanged":                   nobodyElseIsChanged,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			store.Set(t, clockStart)
			rule(t, store)
		})
	}
}

func wantTime(tb testing.TB, what string, got, want time.Time) {
	tb.Helper()
	if !got.Equal(want) {
		tb.Errorf("%s is %s, want %s", what, got, want)
	}
}

func writtenHasClocksTime(t *testing.T, store Clocked) {
	now := clockStart
	turn := func() time.Time { now = now.Add(time.Hour); store.Set(t, now); return now }
	alice := createUser(t, store, "alice")
	wantTime(t, "CreatedAt of a user", findUser(t, store, alice.ID).CreatedAt, now)
	wantTime(t, "SessionsValidAfter of a new user", findUser(t, store, alice.ID).SessionsValidAfter, now)
	turn()
	s := startSession(t, store, alice.ID)
	stored := findSession(t, store, s.ID)
	wantTime(t, "CreatedAt of a session", stored.CreatedAt, now)
	wantTime(t, "LastSeenAt of a new session", stored.LastSeenAt, now)
	wantTime(t, "AbsoluteExpiry", stored.AbsoluteExpiry, now.Add(time.Hour))
	turn()
	if err := store.SaveCheckpoints(t.Context(), []session.Checkpoint{{SessionID: s.ID, Generation: 2}}, 0); err != nil {
		t.Fatal(err)
	}
	wantTime(t, "LastSeenAt", findSession(t, store, s.ID).LastSeenAt, now)

	event := func() audit.Event { return about(audit.SessionRevoked, alice.ID) }
	for _, end := range []struct {
		name  string
		moves bool // the boundary
		end   func(s, other session.Session) error
	}{
		{"RevokeSession", false, func(s, _ session.Session) error {
			return drop(store.RevokeSession(t.Context(), s.ID, session.ReasonLogout, event()))
		}},
		{"RevokeOther", false, func(s, other session.Session) error {
			return drop(store.RevokeOther(t.Context(), s.ID, other.ID, session.ReasonElsewhere, event()))
		}},
		{"RevokeOthers", false, func(_, other session.Session) error {
			return drop(store.RevokeOthers(t.Context(), alice.ID, other.ID, session.ReasonElsewhere, event()))
		}},
		{"RevokeAll", true, func(_, _ session.Session) error {
			return store.RevokeAll(t.Context(), alice.ID, session.ReasonOperator, event())
		}},
		{"SetPassword", true, func(_, _ session.Session) error { return store.SetPassword(t.Context(), alice.ID, "hash", event()) }},
		{"DisableClient", false, func(_, _ session.Session) error {
			return store.DisableClient(t.Context(), client.FirstParty, event())
		}},
		{"DisableUser", true, func(_, _ session.Session) error { return store.DisableUser(t.Context(), alice.ID, event()) }},
		{"DeleteUser", true, func(_, _ session.Session) error { return store.DeleteUser(t.Context(), alice.ID, event()) }},
	} {
		if err := store.EnableClient(t.Context(), client.FirstParty, clientEvent(audit.ClientEnabled)); err != nil {
			t.Fatal(err)
		}
		if err := store.EnableUser(t.Context(), alice.ID, about(audit.UserEnabled, alice.ID)); err != nil {
			t.Fatal(err)
		}
		s, other := startSession(t, store, alice.ID), startSession(t, store, alice.ID)
		before := findUser(t, store, alice.ID).SessionsValidAfter
		turn()
		if err := end.end(s, other); err != nil {
			t.Fatalf("%s: %v", end.name, err)
		}
		wantTime(t, "RevokedAt after "+end.name, findSession(t, store, s.ID).RevokedAt, now)
		wantTime(t, "the event of "+end.name, listEvents(t, store, audit.Query{UserID: alice.ID, Limit: 1})[0].At, now)
		if end.moves {
			before = now
		}
		wantTime(t, "SessionsValidAfter after "+end.name, findUser(t, store, alice.ID).SessionsValidAfter, before)
	}
	wantTime(t, "DeletedAt", findUser(t, store, alice.ID).DeletedAt, now)
	turn()
	bob, disabledAt := createUser(t, store, "bob"), now
	for range 2 { // the second time changes nothing
		if err := store.DisableUser(t.Context(), bob.ID, event()); err != nil {
			t.Fatal(err)
		}
		if err := store.DisableClient(t.Context(), client.FirstParty, event()); err != nil {
			t.Fatal(err)
		}
		wantTime(t, "DisabledAt of a user", findUser(t, store, bob.ID).DisabledAt, disabledAt)
		wantTime(t, "DisabledAt of a client", firstParty(t, store).DisabledAt, disabledAt)
		turn()
	}
}

func readHasClocksTime(t *testing.T, store Clocked) {
	s := startSession(t, store, createUser(t, store, "alice").ID)
	now := clockStart.Add(time.Hour)
	store.Set(t, now)
	for _, standing := range []func() (session.Standing, error){
		func() (session.Standing, error) { return store.StandingByFamily(t.Context(), s.Family) },
		func() (session.Standing, error) { return store.StandingByID(t.Context(), s.ID) },
	} {
		got, err := standing()
		if err != nil {
			t.Fatal(err)
		}
		wantTime(t, "Now of a standing", got.Now, now)
	}
	reading, err := store.Revoked(t.Context(), revocation.Page{Within: time.Hour, Rows: 1})
	if err != nil {
		t.Fatal(err)
	}
	wantTime(t, "Now of a reading", reading.Now, now)
	clock, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantTime(t, "Now", clock, now)
	_, at, err := store.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantTime(t, "the clock of the keys", at, now)
	err = store.ChangeSigningKeys(t.Context(), func(_ []keyring.Stored, at time.Time) (keyring.Change, error) {
		wantTime(t, "the clock of a decision", at, now)
		return keyring.Change{Add: []keyring.Stored{NewKey(now.Add(time.Hour))}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, _, err := store.SigningKeys(t.Context())
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %+v, %v", keys, err)
	}
	wantTime(t, "PublishedAt", keys[0].PublishedAt, now)
}

func boundaryMovesByATick(t *testing.T, store Clocked) {
	alice := createUser(t, store, "alice")
	want := alice.SessionsValidAfter
	for _, now := range []time.Time{clockStart, clockStart, clockStart.Add(-time.Hour)} {
		store.Set(t, now)
		if err := store.RevokeAll(t.Context(), alice.ID, session.ReasonOperator, about(audit.UserSessionsEnded, alice.ID)); err != nil {
			t.Fatal(err)
		}
		want = want.Add(tick)
		wantTime(t, "the boundary", findUser(t, store, alice.ID).SessionsValidAfter, want)
		s := startSession(t, store, alice.ID)
		wantTime(t, "the start of a session behind it", findSession(t, store, s.ID).CreatedAt, want)
		wantTime(t, "its expiry", findSession(t, store, s.ID).AbsoluteExpiry, now.Add(time.Hour))
	}
}

func sessionIsLiveBeforeExpiry(t *testing.T, store Clocked) {
	s := startSession(t, store, createUser(t, store, "alice").ID)
	for at, want := range map[time.Duration]int{time.Hour - tick: 1, time.Hour: 0} {
		store.Set(t, clockStart.Add(at))
		if live := listSessions(t, store, session.Query{Live: session.LiveOnly, Limit: 9}); len(live) != want {
			t.Errorf("%s after the start of %s, %d sessions are live, want %d", at, s.ID, len(live), want)
		}
	}
}

// sessionLivesUntilItLapses by the idle lifetime of its client, else by that of the query;
// a checkpoint makes it live on, a revocation and the absolute expiry end it all the same.
func sessionLivesUntilItLapses(t *testing.T, store Clocked) {
	const idle, own = 5 * time.Hour, 7 * time.Hour
	alice := createUser(t, store, "alice")
	addClient(t, store, "own")
	store.Execute(t, `UPDATE clients SET idle_ttl = 25200000000 WHERE id = 'own'`)
	start := func(clientID string, lifetime time.Duration) string {
		x := newSession(alice.ID)
		x.ClientID = clientID
		return startSessionUnder(t, store, x, session.Terms{Lifetime: lifetime, Seen: alice.SessionsValidAfter}).ID
	}
	byDefault, byOwn, short := start(client.FirstParty, lifetime), start("own", lifetime), start("own", time.Hour)
	revoked := start("own", lifetime)
	if err := drop(store.RevokeSession(t.Context(), revoked, session.ReasonLogout, aboutSession(audit.SessionRevoked, revoked))); err != nil {
		t.Fatal(err)
	}
	const lag = session.IdleLag
	for _, c := range []struct {
		after, idle time.Duration
		want        []string
	}{
		{0, idle, []string{short, byOwn, byDefault}},
		{idle + lag - tick, idle, []string{byOwn, byDefault}},
		{idle + lag, idle, []string{byOwn}},
		{idle + lag, 0, []string{byOwn, byDefault}},
		{idle + lag, 2 * idle, []string{byOwn, byDefault}},
		{own + lag - tick, idle, []string{byOwn}},
		{own + lag, idle, nil},
		{own + lag, 0, []string{byDefault}},
		{own + lag, 2 * own, []string{byDefault}},
	} {
		store.Set(t, clockStart.Add(c.after))
		for _, query := range []session.Query{{}, {UserID: alice.ID}} {
			query.Live, query.Idle, query.Limit = session.LiveOnly, c.idle, 9
			var got []string
			for _, s := range listSessions(t, store, query) {
				got = append(got, s.ID)
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("%s after the start, where %s is idle (-got +want):\n%s", c.after, c.idle, diff)
			}
		}
	}
	if err := store.SaveCheckpoints(t.Context(), []session.Checkpoint{{SessionID: byOwn, Generation: 2}}, 0); err != nil {
		t.Fatal(err)
	}
	store.Set(t, clockStart.Add(own+lag+own+lag-tick))
	if live := listSessions(t, store, session.Query{Live: session.LiveOnly, Idle: idle, Limit: 9}); len(live) != 1 || live[0].ID != byOwn {
		t.Errorf("seen again, live are %+v, want %s", live, byOwn)
	}
}

func checkpointIsDueAfterInterval(t *testing.T, store Clocked) {
	s := startSession(t, store, createUser(t, store, "alice").ID)
	for _, c := range []struct {
		after time.Duration
		want  uint32
	}{{-session.SeenAhead, 1}, {time.Minute - tick, 1}, {time.Minute, 2}} {
		store.Set(t, clockStart.Add(c.after))
		if err := store.SaveCheckpoints(t.Context(), []session.Checkpoint{{SessionID: s.ID, Generation: 2}}, time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := findSession(t, store, s.ID); got.Checkpoint != c.want {
			t.Errorf("%s after the last write, the checkpoint is %d, want %d", c.after, got.Checkpoint, c.want)
		}
	}
}

func revokedWithinIsRead(t *testing.T, store Clocked) {
	s := startSession(t, store, createUser(t, store, "alice").ID)
	if err := drop(store.RevokeSession(t.Context(), s.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, s.ID))); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]int{time.Hour - tick: 1, time.Hour: 0} {
		store.Set(t, clockStart.Add(at))
		reading, err := store.Revoked(t.Context(), revocation.Page{Within: time.Hour, Rows: 9})
		if err != nil || len(reading.Revoked) != want {
			t.Errorf("%s after the revocation: read %+v, %v; want %d", at, reading.Revoked, err, want)
		}
	}
}

// indexIsFreeLater starts sessions at an index whose holder is over, at the last instant
// when it may not be taken, and at the first when it may: by the database's clock and by the
// one of the terms, of which the earlier counts, and none does when there is no other.
func indexIsFreeLater(t *testing.T, store Clocked) {
	const idle, own = 5 * time.Hour, 7 * time.Hour
	alice := createUser(t, store, "alice")
	other := addClient(t, store, "other")
	store.Execute(t, `UPDATE clients SET idle_ttl = 25200000000 WHERE id = 'other'`) // own
	revoke := func(s session.Session) error {
		return drop(store.RevokeSession(t.Context(), s.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, s.ID)))
	}
	live := func(session.Session) error { return nil }
	for i, holder := range []struct {
		name     string
		lifetime time.Duration
		client   string
		end      func(session.Session) error
		over     time.Duration
	}{
		{"revoked", lifetime, client.FirstParty, revoke, session.StatusReuseAfter},
		{"expired", time.Hour, client.FirstParty, live, time.Hour + session.StatusReuseAfter},
		{"idle", lifetime, client.FirstParty, live, idle + session.StatusReuseAfterIdle},
		{"idle by its client's lifetime", lifetime, other, live, own + session.StatusReuseAfterIdle},
	} {
		index := int64(10 * i)
		store.Set(t, clockStart)
		x := newSession(alice.ID)
		x.ClientID = holder.client
		terms := session.Terms{Lifetime: holder.lifetime, Seen: alice.SessionsValidAfter, Idle: idle}
		draw(t, store.Durable, index)
		held := startSessionUnder(t, store, x, terms)
		if err := holder.end(held); err != nil {
			t.Fatal(err)
		}
		const later = 31 * 24 * time.Hour
		for k, c := range []struct {
			after time.Duration
			reuse time.Time
			free  bool
		}{
			{holder.over, clockStart.Add(later), false},
			{later, clockStart.Add(holder.over), false},
			{later, time.Time{}, false},
			{holder.over + tick, clockStart.Add(holder.over + tick), true},
		} {
			store.Set(t, clockStart.Add(c.after))
			terms.Reuse = c.reuse
			elsewhere := index + int64(k) + 1
			draw(t, store.Durable, index, elsewhere)
			next := startSessionUnder(t, store, newSession(alice.ID), terms)
			if got := indexOf(t, next); (got == index) != c.free {
				t.Errorf("the holder is %s, %s after: index %d, free %t", holder.name, c.after, got, c.free)
			}
		}
	}
}
