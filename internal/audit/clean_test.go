package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

func TestTextIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":               "",
		"abcdef":         "abcdef",
		"abcdefg":        "abcdef",
		"abcde\u00e9":    "abcde",
		"abc\u20ac":      "abc\u20ac",
		"abcd\u20ac":     "abcd",
		"a\x00b":         "a\uFFFDb",
		"a\xff\xfeb":     "a\uFFFDb",
		"abc\xf0\x9f":    "abc\uFFFD",
		"\x00\x00\x00":   "\uFFFD\uFFFD",
		"abcdef\x00\xff": "abcdef",
	} {
		if got := audit.Text(in, 6); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestACleanEventFitsEveryStore(t *testing.T) {
	t.Parallel()
	hostile := strings.Repeat("\xff\x00\u20ac", 1000)
	event := audit.Event{
		ID: hostile, Kind: audit.Kind(hostile), Actor: audit.Actor{Kind: audit.ActorKind(hostile), ID: hostile}, UserID: hostile, ClientID: hostile, SessionID: hostile,
		Address: hostile, UserAgent: hostile, RequestID: hostile, Detail: map[string]string{hostile: hostile},
	}
	for i := range 100 {
		event.Detail[fmt.Sprint(i)] = hostile
	}
	clean := event.Clean()
	fields := []string{
		clean.ID, string(clean.Kind), string(clean.Actor.Kind), clean.Actor.ID, clean.UserID, clean.ClientID, clean.SessionID,
		clean.Address, clean.UserAgent, clean.RequestID,
	}
	for key, value := range clean.Detail {
		fields = append(fields, key, value)
	}
	for _, field := range fields {
		if !utf8.ValidString(field) || strings.Contains(field, "\x00") || len(field) > 256 || field == "" {
			t.Errorf("field %q", field)
		}
	}
	if len(clean.Detail) > 32 {
		t.Errorf("%d details", len(clean.Detail))
	}
	if again := clean.Clean(); again.ID != clean.ID {
		t.Errorf("a good id was replaced")
	}
}

// TestEveryFieldOfAnEventHasABoundOfItsOwn: a column is as wide.
func TestEveryFieldOfAnEventHasABoundOfItsOwn(t *testing.T) {
	t.Parallel()
	text := func(n int) string { return strings.Repeat("x", n) }
	e := audit.Event{
		ID: "not one", Kind: audit.Kind(text(300)), Actor: audit.Actor{Kind: audit.ActorKind(text(300)), ID: text(300)}, UserID: text(300), ClientID: text(300), SessionID: text(300),
		Address: text(300), UserAgent: text(300), RequestID: text(300), Detail: map[string]string{text(300): text(300)},
	}
	got := e.Clean()
	if id, err := uuid.Parse(got.ID); err != nil || id.Version() != 7 {
		t.Errorf("id %q, want a new UUIDv7", got.ID)
	}
	want := audit.Event{
		ID: got.ID, Kind: audit.Kind(text(64)), Actor: audit.Actor{Kind: audit.ActorKind(text(64)), ID: text(256)}, UserID: text(64), ClientID: text(256), SessionID: text(64),
		Address: text(64), UserAgent: text(256), RequestID: text(256), Detail: map[string]string{text(64): text(256)},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("clean (-got +want):\n%s", diff)
	}
	if audit.Address(text(300)) != text(64) || audit.UserAgent(text(300)) != text(256) {
		t.Error("addresses and user agents of sessions are bounded otherwise")
	}
	upper := strings.ToUpper("01890000-abcd-7000-8000-000000000000")
	if id := (audit.Event{ID: upper}).Clean().ID; id == upper {
		t.Error("an id in another spelling is kept")
	}
	if empty := (audit.Event{Detail: map[string]string{}}).Clean(); empty.Detail != nil {
		t.Error("no detail is kept as an empty one")
	}
}

// TestAnEventOfManySessionsIsListedForEach under an id of its own.
func TestAnEventOfManySessionsIsListedForEach(t *testing.T) {
	t.Parallel()
	e := audit.New(audit.UserSessionsEnded, audit.ByOperator("root"))
	e.UserID, e.Address = "alice", "192.0.2.1"
	before := e
	got := e.OfSession("a session", "a client")
	want := e
	want.ID, want.SessionID, want.ClientID = got.ID, "a session", "a client"
	if diff := cmp.Diff(got, want); diff != "" || got.ID == e.ID || got.ID == e.OfSession("", "").ID {
		t.Errorf("id %s of %s (-got +want):\n%s", got.ID, e.ID, diff)
	}
	if id, err := uuid.Parse(got.ID); err != nil || id.Version() != 7 {
		t.Errorf("id %q", got.ID)
	}
	if diff := cmp.Diff(e, before); diff != "" {
		t.Errorf("the event itself (-got +want):\n%s", diff)
	}
	if id, err := uuid.Parse(e.ID); err != nil || id.Version() != 7 || e.Kind != audit.UserSessionsEnded || e.Actor != audit.ByOperator("root") {
		t.Errorf("a new event is %+v", e)
	}
}
