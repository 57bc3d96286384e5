package session

import (
	"context"
	"errors"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/clock"
)

// Errors that the stores promise.
var (
	// ErrNotFound says that no session has that id or family.
	ErrNotFound = errors.New("no such session")
	// ErrUserChanged says that the user's sessions were ended, or the user
	// disabled, between the check of the password and the start of the session.
	ErrUserChanged = errors.New("user changed during login")
	// ErrContended says that what was to be written kept changing under a bounded
	// number of tries.
	ErrContended = errors.New("state is contended")
)

// Checkpoint is a generation that was presented with success.
type Checkpoint struct {
	SessionID  string
	Generation uint32
}

// Query selects sessions, newest first. Zero fields select everything.
type Query struct {
	UserID string
	Live   Liveness
	Idle   time.Duration // as of [Terms], for LiveOnly; 0: none lapses but by its client's own
	After  string        // the id of the last row seen, "" for the first page
	Limit  int           // 1 to 1000
}

// IdleFor is how long a session may go unseen before it has lapsed, if its client has
// no idle lifetime of its own.
func (q Query) IdleFor() time.Duration { return idleFor(q.Idle, IdleLag) }

// Terms are what a session is started under.
type Terms struct {
	Lifetime time.Duration // from the start to the absolute expiry
	Seen     time.Time     // the user's SessionsValidAfter when the password was checked
	// Start is the time by clocks of which no single one can be wrong. The session starts at it
	// where the store's clock is further from it than clock.Tolerance, else by the store's clock;
	// zero: in any case by the store's clock.
	Start time.Time
	// Idle is the idle lifetime of sessions whose client has none of its own: those
	// past it make room in the status lists. 0: none does before its absolute expiry.
	Idle time.Duration
	// Reuse is the time by clocks that agree. A session's status index goes to another only if
	// the session was over for long enough before it, and before the store's time. Zero, as
	// while the clocks disagree: no session gives its index up.
	Reuse time.Time
	// Allow is asked before anything is committed, with the time at which the session starts.
	// What it returns is the error of StartSession, and no session is started. Nil allows
	// every session.
	Allow func(start time.Time) error
}

// Allowed asks [Terms.Allow].
func (t Terms) Allowed(start time.Time) error {
	if t.Allow == nil {
		return nil
	}
	return t.Allow(start)
}

// StartAt is when the session starts and when it ends, given the store's clock. It does not start
// before Seen; that a wrong clock set Seen makes it no longer.
func (t Terms) StartAt(now time.Time) (start, end time.Time) {
	if !t.Start.IsZero() && now.Sub(t.Start).Abs() > clock.Tolerance {
		now = t.Start
	}
	end = now.Add(t.Lifetime)
	if now.Before(t.Seen) {
		return t.Seen, end
	}
	return now, end
}

// longestIdle is more than any idle lifetime.
const longestIdle = 100 * 365 * 24 * time.Hour

// IdleFor is how long a session of a client without an idle lifetime of its own has not
// been seen when its status index is free.
func (t Terms) IdleFor() time.Duration { return idleFor(t.Idle, StatusReuseAfterIdle) }

func idleFor(idle, lag time.Duration) time.Duration {
	if idle == 0 {
		return longestIdle
	}
	return idle + lag
}

// Liveness narrows a [Query].
type Liveness int

// Which sessions a query wants.
const (
	Any      Liveness = iota
	LiveOnly          // neither revoked nor past the absolute expiry, nor lapsed ([Session.Lapsed])
)

// Store keeps sessions. A change commits its audit event in the same transaction,
// before the method returns. Times are the database's.
type Store interface {
	// StartSession adds the session if the user is active and its
	// SessionsValidAfter still equals terms.Seen; the user's row is locked meanwhile,
	// so a revoke-all wins or comes after. It returns the session with CreatedAt,
	// LastSeenAt, AbsoluteExpiry (CreatedAt + terms.Lifetime) and StatusIndex set: the
	// first of [DrawStatusIndexes] that no session holds, or one that is over for longer than
	// [StatusReuseAfter] both now and at terms.Reuse, which loses it. ErrUserChanged, ErrContended, and the error of
	// terms.Allow.
	StartSession(ctx context.Context, s Session, terms Terms, event audit.Event) (Session, error)
	// AssignStatusIndex gives a session that has no status index one, as StartSession does,
	// and returns the one it has. Of the terms, Idle and Reuse count. ErrNotFound if it is revoked, or
	// if another process changes it meanwhile; ErrContended.
	AssignStatusIndex(ctx context.Context, id string, terms Terms) (int64, error)
	// StandingByFamily reads all a refresh needs, in one primary-key read. ErrNotFound.
	StandingByFamily(ctx context.Context, family FamilyHash) (Standing, error)
	// StandingByID reads the same of the session with that id. ErrNotFound.
	StandingByID(ctx context.Context, id string) (Standing, error)
	// SessionByID finds a session. ErrNotFound.
	SessionByID(ctx context.Context, id string) (Session, error)
	// Sessions lists the sessions that the query selects, newest first.
	Sessions(ctx context.Context, query Query) ([]Session, error)
	// UnendedSessions returns at most limit sessions of the user with the client that are not
	// revoked, in no particular order. They may have expired or lapsed.
	UnendedSessions(ctx context.Context, userID, clientID string, limit int) ([]Session, error)
	// RevokeSession ends the session for good. When it was revoked before, nothing
	// changes and no event is written. It is revoked now by the database's clock, or at the
	// event's At if that is later: a clock that is far behind must not make the revocation look
	// old. ErrNotFound.
	RevokeSession(ctx context.Context, id, reason string, event audit.Event) (Ended, error)
	// RevokeOther ends a session as RevokeSession does, on the word of another session
	// of its user. That one must not be revoked, in the same transaction, else nothing
	// changes and the error is ErrNotFound: of two that end each other, one is left.
	RevokeOther(ctx context.Context, id, by, reason string, event audit.Event) (Ended, error)
	// RevokeOthers ends every session of the user but one, in one transaction, and
	// returns those that it ended; each gets a copy of the event ([audit.Event.OfSession]).
	// The one to keep must be the user's and not revoked, else nothing changes and the
	// error is ErrNotFound: of two that end each other at once, one is left. A session
	// being started is ended too, or comes after.
	RevokeOthers(ctx context.Context, userID, keep, reason string, event audit.Event) ([]Ended, error)
	// RevokeAll ends every session of the user and moves SessionsValidAfter, in one
	// transaction: a login that races with it loses or comes after. ErrNotFound when
	// there is no such user.
	RevokeAll(ctx context.Context, userID, reason string, event audit.Event) error
	// SaveCheckpoints raises checkpoints, never lowers one, and sets LastSeenAt, of
	// the sessions whose LastSeenAt is at least as long ago as the interval, or ahead by more
	// than [SeenAhead]: replicas that find a session due at once write it once. Others and unknown ones are
	// passed over.
	SaveCheckpoints(ctx context.Context, batch []Checkpoint, interval time.Duration) error
}

// Sweeper removes sessions that were over long ago. A token of a session that is not there is
// refused like that of a revoked one.
type Sweeper interface {
	// RemoveSessions looks at the next sessions of the sweep, in the order of their ids, and removes
	// those that were over before s.Before for longer than [StatusReuseAfter], by the times in
	// their ids and by their own. idle is as of [Terms].
	RemoveSessions(ctx context.Context, s audit.Sweep, idle time.Duration) (audit.Swept, error)
}

// Ended is what is stored of a session that is revoked.
type Ended struct {
	Before      bool      // it was revoked before
	At          time.Time // when it was revoked
	StatusIndex *int64    // that it has in the status lists; nil: none
}

// Decider computes the next state of a session from the stored one; the second
// value reports whether next must be stored. It is called again on the fresh state
// when another request won the race, so it must be pure.
//
// The store gives its own clock: Redis's, or the database's in embedded mode.
type Decider func(stored State, now clock.Clocks) (next State, write bool)

// States keeps the rotation state of live sessions: the ephemeral store.
type States interface {
	// UpdateState reads the state of the session, calls decide on it with the
	// store's clock, and stores what it returns if the state is still the one
	// read; otherwise it decides again on the stored one. A missing state reads as
	// the zero State. A stored value equal to the one to be written counts as
	// written: the store's client may have sent it twice. The state is forgotten
	// keep after the last write. ErrContended after a bounded number of losses.
	UpdateState(ctx context.Context, sessionID string, keep time.Duration, decide Decider) error
}
