package storetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// Call is a call of one method of a durable store.
type Call struct {
	Name   string // the method, and after a space how it is called
	Writes bool
	// Prepare puts the records there that the call is about. The call may be repeated
	// as long as it has not succeeded.
	Prepare func(testing.TB, Durable) func(context.Context) error
}

// Calls are calls of every method that the store promises, and fails the test when one
// is missing: a new method needs a row here.
func Calls(tb testing.TB, store Durable) []Call {
	tb.Helper()
	promised := methods(reflect.TypeFor[Durable]())
	calls := slices.Concat(userCalls(), clientCalls(), sessionCalls(), endingCalls(), listCalls(), otherCalls())
	if _, keepsStates := store.(session.States); keepsStates {
		promised = append(promised, methods(reflect.TypeFor[session.States]())...)
		calls = append(calls, Call{"UpdateState", true, callUpdateState})
	}
	for _, method := range promised {
		if !slices.ContainsFunc(calls, func(c Call) bool { return c.method() == method }) {
			tb.Errorf("no call of %s is known: add one, and say whether it writes", method)
		}
	}
	return calls
}

func (c Call) method() string {
	name, _, _ := strings.Cut(c.Name, " ")
	return name
}

func methods(of reflect.Type) []string {
	var names []string
	for method := range of.Methods() {
		names = append(names, method.Name)
	}
	return names
}

// onUser is a call on a user with a live session.
func onUser(call func(context.Context, Durable, user.User) error) func(testing.TB, Durable) func(context.Context) error {
	return func(tb testing.TB, store Durable) func(context.Context) error {
		owner := createUser(tb, store, "u"+newID())
		startSession(tb, store, owner.ID)
		return func(ctx context.Context) error { return call(ctx, store, owner) }
	}
}

func userCalls() []Call {
	return []Call{
		{"CreateUser", true, func(_ testing.TB, store Durable) func(context.Context) error {
			u := user.User{ID: newID(), Username: "n" + newID(), Email: newID() + "@example.com", PasswordHash: "hash"}
			return func(ctx context.Context) error {
				return drop(store.CreateUser(ctx, u, about(audit.UserCreated, u.ID)))
			}
		}},
		{"ReplaceHash", true, onUser(func(ctx context.Context, store Durable, u user.User) error {
			return store.ReplaceHash(ctx, u.ID, u.PasswordHash, "better")
		})},
		{"SetPassword", true, onUser(func(ctx context.Context, store Durable, u user.User) error {
			return store.SetPassword(ctx, u.ID, "new hash", about(audit.UserPasswordChanged, u.ID))
		})},
		{"DisableUser", true, onUser(func(ctx context.Context, store Durable, u user.User) error {
			return store.DisableUser(ctx, u.ID, about(audit.UserDisabled, u.ID))
		})},
		{"EnableUser", true, func(tb testing.TB, store Durable) func(context.Context) error {
			u := createUser(tb, store, "u"+newID())
			if err := store.DisableUser(tb.Context(), u.ID, about(audit.UserDisabled, u.ID)); err != nil {
				tb.Fatal(err)
			}
			return func(ctx context.Context) error {
				return store.EnableUser(ctx, u.ID, about(audit.UserEnabled, u.ID))
			}
		}},
		{"DeleteUser", true, onUser(func(ctx context.Context, store Durable, u user.User) error {
			return store.DeleteUser(ctx, u.ID, about(audit.UserDeleted, u.ID))
		})},
		{"UserByUsername", false, onUser(func(ctx context.Context, store Durable, u user.User) error {
			return drop(store.UserByUsername(ctx, u.Username))
		})},
		{"UserByEmail", false, onUser(func(ctx context.Context, store Durable, u user.User) error {
			return drop(store.UserByEmail(ctx, u.Email))
		})},
		{"UserByLogin", false, onUser(func(ctx context.Context, store Durable, u user.User) error {
			return drop(store.UserByLogin(ctx, user.ParseLogin(u.Email)))
		})},
		{"UserBySkeleton", false, onUser(func(ctx context.Context, store Durable, u user.User) error {
			return drop(store.UserBySkeleton(ctx, user.Skeleton(u.Username)))
		})},
		{"UsersWithoutSkeleton", false, onUser(func(ctx context.Context, store Durable, u user.User) error {
			if err := forget(ctx, store, u); err != nil {
				return err
			}
			return drop(store.UsersWithoutSkeleton(ctx, user.Page{Limit: 10}))
		})},
		{"SetSkeleton", true, onUser(func(ctx context.Context, store Durable, u user.User) error {
			u.Skeleton = "another look"
			return store.SetSkeleton(ctx, u)
		})},
		{"UserByID", false, onUser(func(ctx context.Context, store Durable, u user.User) error {
			return drop(store.UserByID(ctx, u.ID))
		})},
		{"Users", false, onUser(func(ctx context.Context, store Durable, u user.User) error {
			return drop(store.Users(ctx, user.Page{After: u.ID, Limit: 10}))
		})},
	}
}

func clientCalls() []Call {
	disable := func(ctx context.Context, store Durable, _ user.User) error {
		return store.DisableClient(ctx, client.FirstParty, clientEvent(audit.ClientDisabled))
	}
	return []Call{
		{"Clients", false, onUser(func(ctx context.Context, store Durable, _ user.User) error {
			return drop(store.Clients(ctx))
		})},
		{"ClientByID", false, onUser(func(ctx context.Context, store Durable, _ user.User) error {
			return drop(store.ClientByID(ctx, client.FirstParty))
		})},
		{"ClientsChanged", false, onUser(func(ctx context.Context, store Durable, _ user.User) error {
			return drop(store.ClientsChanged(ctx, client.Mark{}, client.MostChanged))
		})},
		{"AwaitClients", false, callAwait(Durable.AwaitClients)},
		{"DisableClient", true, onUser(disable)},
		{"EnableClient", true, func(tb testing.TB, store Durable) func(context.Context) error {
			if err := disable(tb.Context(), store, user.User{}); err != nil {
				tb.Fatal(err)
			}
			return func(ctx context.Context) error {
				return store.EnableClient(ctx, client.FirstParty, clientEvent(audit.ClientEnabled))
			}
		}},
	}
}

// onSession is a call on a live session of somebody who has another one.
func onSession(call func(ctx context.Context, store Durable, s, other session.Session) error) func(testing.TB, Durable) func(context.Context) error {
	return func(tb testing.TB, store Durable) func(context.Context) error {
		owner := createUser(tb, store, "u"+newID())
		s, other := startSession(tb, store, owner.ID), startSession(tb, store, owner.ID)
		return func(ctx context.Context) error { return call(ctx, store, s, other) }
	}
}

func sessionCalls() []Call {
	return []Call{
		{"StartSession", true, func(tb testing.TB, store Durable) func(context.Context) error {
			owner := createUser(tb, store, "u"+newID())
			x := newSession(owner.ID)
			return func(ctx context.Context) error {
				return drop(store.StartSession(ctx, x, session.Terms{Lifetime: time.Hour, Seen: owner.SessionsValidAfter}, aboutSession(audit.SessionStarted, x.ID)))
			}
		}},
		{"StartSession at a dead index", true, callStartAtDeadIndex},
		{"AssignStatusIndex", true, callAssignStatusIndex},
		{"StandingByFamily", false, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return drop(store.StandingByFamily(ctx, s.Family))
		})},
		{"StandingByID", false, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return drop(store.StandingByID(ctx, s.ID))
		})},
		{"SessionByID", false, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return drop(store.SessionByID(ctx, s.ID))
		})},
		{"SaveCheckpoints", true, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return store.SaveCheckpoints(ctx, []session.Checkpoint{{SessionID: s.ID, Generation: 9}}, 0)
		})},
	}
}

// startOver starts a session at index 7 that was over when it began.
func startOver(tb testing.TB, store Durable) (session.Session, session.Terms) {
	tb.Helper()
	owner := createUser(tb, store, "u"+newID())
	terms := session.Terms{Lifetime: -2 * session.StatusReuseAfter, Seen: owner.SessionsValidAfter, Reuse: always}
	draw(tb, store, 7)
	defer drawFrom(tb, store, session.DrawStatusIndexes)
	return startSessionUnder(tb, store, newSession(owner.ID), terms), terms
}

// callStartAtDeadIndex takes the index from another session.
func callStartAtDeadIndex(tb testing.TB, store Durable) func(context.Context) error {
	dead, terms := startOver(tb, store)
	x := newSession(dead.UserID)
	return func(ctx context.Context) error {
		draw(tb, store, 7)
		defer drawFrom(tb, store, session.DrawStatusIndexes)
		return drop(store.StartSession(ctx, x, terms, aboutSession(audit.SessionStarted, x.ID)))
	}
}

// callAssignStatusIndex assigns an index to a session that has lost its index.
func callAssignStatusIndex(tb testing.TB, store Durable) func(context.Context) error {
	lost, terms := startOver(tb, store)
	draw(tb, store, 7)
	startSessionUnder(tb, store, newSession(lost.UserID), terms) // takes it
	drawFrom(tb, store, session.DrawStatusIndexes)
	return func(ctx context.Context) error {
		draw(tb, store, 8)
		defer drawFrom(tb, store, session.DrawStatusIndexes)
		return drop(store.AssignStatusIndex(ctx, lost.ID, session.Terms{Reuse: always}))
	}
}

func endingCalls() []Call {
	return []Call{
		{"RevokeSession", true, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return drop(store.RevokeSession(ctx, s.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, s.ID)))
		})},
		{"RevokeOther", true, onSession(func(ctx context.Context, store Durable, s, other session.Session) error {
			return drop(store.RevokeOther(ctx, s.ID, other.ID, session.ReasonElsewhere, aboutSession(audit.SessionRevoked, s.ID)))
		})},
		{"RevokeOthers", true, onSession(func(ctx context.Context, store Durable, s, other session.Session) error {
			return drop(store.RevokeOthers(ctx, s.UserID, other.ID, session.ReasonElsewhere, about(audit.SessionRevoked, s.UserID)))
		})},
		{"RevokeAll", true, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return store.RevokeAll(ctx, s.UserID, session.ReasonOperator, about(audit.UserSessionsEnded, s.UserID))
		})},
	}
}

func listCalls() []Call {
	return []Call{
		{"Sessions of everybody", false, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return drop(store.Sessions(ctx, session.Query{After: s.ID, Limit: 10}))
		})},
		{"Sessions that live", false, onSession(func(ctx context.Context, store Durable, _, _ session.Session) error {
			return drop(store.Sessions(ctx, session.Query{Live: session.LiveOnly, Limit: 10}))
		})},
		{"Sessions of a user", false, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return drop(store.Sessions(ctx, session.Query{UserID: s.UserID, Live: session.LiveOnly, After: s.ID, Limit: 10}))
		})},
		{"UnendedSessions", false, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return drop(store.UnendedSessions(ctx, s.UserID, s.ClientID, 10))
		})},
		{"Sessions of a user, all", false, onSession(func(ctx context.Context, store Durable, s, other session.Session) error {
			return drop(store.Sessions(ctx, session.Query{UserID: s.UserID, After: other.ID, Limit: 10}))
		})},
		{"Revoked first", false, onSession(func(ctx context.Context, store Durable, _, _ session.Session) error {
			return drop(store.Revoked(ctx, revocation.Page{Within: time.Hour, Rows: 10}))
		})},
		{"Revoked next", false, onSession(func(ctx context.Context, store Durable, _, _ session.Session) error {
			before := revocation.Revoked{At: time.Now().Add(-time.Minute), Index: 7}
			return drop(store.Revoked(ctx, revocation.Page{Within: time.Hour, Before: before, Rows: 10}))
		})},
		{"Events of all", false, onSession(func(ctx context.Context, store Durable, _, _ session.Session) error {
			return drop(store.Events(ctx, audit.Query{Limit: 10}))
		})},
		{"Events of a kind", false, onSession(func(ctx context.Context, store Durable, _, _ session.Session) error {
			return drop(store.Events(ctx, audit.Query{Kind: audit.SessionStarted, Limit: 10}))
		})},
		{"Events of a user", false, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return drop(store.Events(ctx, audit.Query{UserID: s.UserID, Limit: 10}))
		})},
		{"Events of a session", false, onSession(func(ctx context.Context, store Durable, s, _ session.Session) error {
			return drop(store.Events(ctx, audit.Query{SessionID: s.ID, Limit: 10}))
		})},
		{"Events of a request", false, onSession(func(ctx context.Context, store Durable, _, _ session.Session) error {
			return drop(store.Events(ctx, audit.Query{RequestID: newID(), Limit: 10}))
		})},
	}
}

func otherCalls() []Call {
	return []Call{
		{"SigningKeys", false, func(_ testing.TB, store Durable) func(context.Context) error {
			return func(ctx context.Context) error { _, _, err := store.SigningKeys(ctx); return err }
		}},
		{"ChangeSigningKeys", true, callChangeKeys},
		{"AwaitSigningKeys", false, callAwait(Durable.AwaitSigningKeys)},
		{"Now", false, func(_ testing.TB, store Durable) func(context.Context) error {
			return func(ctx context.Context) error { return drop(store.Now(ctx)) }
		}},
		{"AppendEvents", true, func(_ testing.TB, store Durable) func(context.Context) error {
			event := audit.New(audit.SessionHealed, audit.ByClient(client.FirstParty))
			return func(ctx context.Context) error { return store.AppendEvents(ctx, []audit.Event{event}) }
		}},
		{"RemoveEvents", true, func(tb testing.TB, store Durable) func(context.Context) error {
			appendEvents(tb, store, OldEvent(time.Unix(1, 0)))
			return func(ctx context.Context) error {
				return drop(store.RemoveEvents(ctx, audit.Sweep{Before: time.Unix(2, 0), Rows: 10}))
			}
		}},
		{"RemoveSessions", false, onSession( // none is over for long enough: it removes nothing
			func(ctx context.Context, store Durable, _, _ session.Session) error {
				return drop(store.RemoveSessions(ctx, audit.Sweep{Before: time.Now().Add(time.Hour), Rows: 10}, 0))
			})},
		{"MoveEvents", false, func(_ testing.TB, store Durable) func(context.Context) error {
			return func(ctx context.Context) error { return drop(store.MoveEvents(ctx, 500)) }
		}},
	}
}

// callAwait awaits a hint for a moment.
func callAwait(await func(Durable, context.Context) error) func(testing.TB, Durable) func(context.Context) error {
	return func(_ testing.TB, store Durable) func(context.Context) error {
		return func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer time.AfterFunc(time.Millisecond, cancel).Stop()
			if err := await(store, ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
}

// callChangeKeys adds one key and revokes another.
func callChangeKeys(tb testing.TB, store Durable) func(context.Context) error {
	old, fresh := NewKey(time.Now().Add(time.Hour)), NewKey(time.Now().Add(2*time.Hour))
	if _, err := addKeys(tb, store, old); err != nil {
		tb.Fatal(err)
	}
	old.RevokedAt = old.ActivatesAt
	return func(ctx context.Context) error {
		return store.ChangeSigningKeys(ctx, func([]keyring.Stored, time.Time) (keyring.Change, error) {
			return keyring.Change{
				Add: []keyring.Stored{fresh}, Update: []keyring.Stored{old},
				Events: []audit.Event{audit.New(audit.KeyRotated, audit.ByOperator("root"))},
			}, nil
		})
	}
}

func callUpdateState(tb testing.TB, store Durable) func(context.Context) error {
	id := NewSession(tb, store)
	return func(ctx context.Context) error {
		return store.(session.States).UpdateState(ctx, id, statesKeep, func(session.State, clock.Clocks) (session.State, bool) {
			return session.State{Cur: 2, Prev: 1, RotatedAt: stateTime}, true
		})
	}
}
