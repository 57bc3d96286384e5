package audit

import (
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/text"
)

// How much of each field is kept, in bytes. Much of an event is text from the sender of the
// request.
const (
	maxWord      = 64
	maxAddress   = 64
	maxUserAgent = 256
	maxText      = 256
	maxDetails   = 32
)

// Clean returns the event in a form that every store takes: valid UTF-8 without
// NUL, each field bounded, and an id. Stores call it, so that an event is never
// refused for what it says.
func (e Event) Clean() Event {
	if id, err := uuid.Parse(e.ID); err != nil || id.String() != e.ID {
		e.ID = uuid.Must(uuid.NewV7()).String()
	}
	e.Kind = Kind(Text(string(e.Kind), maxWord))
	e.Actor = Actor{Kind: ActorKind(Text(string(e.Actor.Kind), maxWord)), ID: Text(e.Actor.ID, maxText)}
	e.UserID = Text(e.UserID, maxWord)
	e.ClientID = Text(e.ClientID, maxText)
	e.SessionID = Text(e.SessionID, maxWord)
	e.Address = Address(e.Address)
	e.UserAgent = UserAgent(e.UserAgent)
	e.RequestID = Text(e.RequestID, maxText)
	e.Detail = cleanDetail(e.Detail)
	return e
}

// Address bounds an address for storing.
func Address(s string) string { return Text(s, maxAddress) }

// UserAgent bounds a user agent for storing.
func UserAgent(s string) string { return Text(s, maxUserAgent) }

// Text returns at most limit bytes of s, cut between characters, with the
// replacement character for whatever is no text.
func Text(s string, limit int) string {
	return text.Cut(text.Clean(s), limit)
}

func cleanDetail(detail map[string]string) map[string]string {
	if len(detail) == 0 {
		return nil
	}
	clean := make(map[string]string, len(detail))
	for _, key := range slices.Sorted(maps.Keys(detail)) {
		if len(clean) == maxDetails {
			break
		}
		clean[Text(key, maxWord)] = Text(detail[key], maxText)
	}
	return clean
}
