package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

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
		ID: hostile, Kind: audit.Kind(hostile), Actor: hostile, UserID: hostile, ClientID: hostile, SessionID: hostile,
		Address: hostile, UserAgent: hostile, RequestID: hostile, Detail: map[string]string{hostile: hostile},
	}
	for i := range 100 {
		event.Detail[fmt.Sprint(i)] = hostile
	}
	clean := event.Clean()
	fields := []string{
		clean.ID, string(clean.Kind), clean.Actor, clean.UserID, clean.ClientID, clean.SessionID,
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
