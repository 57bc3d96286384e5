package text_test

import (
	"testing"

	"github.com/mintmark-auth/mintmark/internal/text"
)

func TestTextIsUTF8WithoutNUL(t *testing.T) {
	t.Parallel()
	for s, clean := range map[string]string{
		"": "", "aé€🔑": "aé€🔑", "\uFFFD": "\uFFFD", "a\x00b": "a\uFFFDb", "\xffa\xfe\xfd": "\uFFFDa\uFFFD", "\xed\xa0\x80": "\uFFFD",
	} {
		if got := text.Valid(s); got != (s == clean) {
			t.Errorf("%q is text: %v, want %v", s, got, s == clean)
		}
		if got := text.Clean(s); got != clean || !text.Valid(got) {
			t.Errorf("%q is cleaned to %q, want %q", s, got, clean)
		}
	}
}

func TestACutFallsBetweenCharacters(t *testing.T) {
	t.Parallel()
	for limit, want := range []string{"", "a", "a", "aé", "aé", "aé", "aé€", "aé€"} {
		if got := text.Cut("aé€", limit); got != want {
			t.Errorf("%d bytes: %q, want %q", limit, got, want)
		}
	}
}
