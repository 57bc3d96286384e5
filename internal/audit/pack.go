package audit

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// What the packed form says instead of what another field of the event tells.
const (
	itself    ActorKind = "self" // the actor is the user concerned
	noSession string    = "-"    // the start of a session that is not named
)

// Pack returns the event as stores keep it: clean, and without what its other fields tell.
// Logins are most of the trail: a login is its user's, and the event has the session's id
// ([Event.StartOf]). Stores call it, and [Event.Unpack] on what they read.
func (e Event) Pack() Event {
	e = e.Clean()
	if e.UserID != "" && e.Actor == ByUser(e.UserID) {
		e.Actor = Actor{Kind: itself}
	}
	if e.Kind == SessionStarted {
		switch e.SessionID {
		case e.ID:
			e.SessionID = ""
		case "":
			e.SessionID = noSession
		}
	}
	return e
}

// Unpack returns the event that was packed.
func (e Event) Unpack() Event {
	if e.Actor.Kind == itself {
		e.Actor = ByUser(e.UserID)
	}
	if e.Kind == SessionStarted {
		switch e.SessionID {
		case "":
			e.SessionID = e.ID
		case noSession:
			e.SessionID = ""
		}
	}
	return e
}

// StartOf returns a copy of the event that tells of the start of a session, and has its id:
// the trail is searched by ids, and needs no other index to find how a session began.
func (e Event) StartOf(sessionID, userID, clientID string) Event {
	e.Kind, e.ID, e.SessionID, e.UserID, e.ClientID = SessionStarted, sessionID, sessionID, userID, clientID
	return e
}

// How far the id of an event may be from that of the request that caused it. A request ends
// sooner; the margin before it is for machines that make ids out of order.
const (
	requestLead = time.Second
	requestLag  = time.Minute
)

// Near returns between which ids the events lie that a request caused, if its id is a UUIDv7,
// as those that we make are. Stores find them by the time in it, without an index. What is not
// so near is found by an index.
func Near(requestID string) (from, to string, ok bool) {
	at, ok := timeOf(requestID)
	if !ok {
		return "", "", false
	}
	return FirstID(at.Add(-requestLead)), FirstID(at.Add(requestLag)), true
}

// IsNear reports whether the event is found by [Near].
func (e Event) IsNear() bool {
	from, to, ok := Near(e.RequestID)
	return ok && from <= e.ID && e.ID < to
}

// timeOf reads the time from a UUIDv7.
func timeOf(id string) (time.Time, bool) {
	parsed, err := uuid.Parse(id)
	if err != nil || parsed.String() != id || parsed.Version() != 7 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(parsed[:8]) >> 16)), true
}

// FirstID is lower than every UUIDv7 of that time or later, and higher than every earlier one.
func FirstID(at time.Time) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(max(at.UnixMilli(), 0))<<16)
	return id.String()
}
