// Package text defines the text that every store accepts: valid UTF-8 without NUL. Postgres accepts nothing else, so
// the rule applies to SQLite too.
package text

import (
	"strings"
	"unicode/utf8"
)

// Valid reports whether s is text.
func Valid(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// Clean puts the replacement character in the place of whatever is not text.
func Clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Cut returns at most limit bytes of a valid s, cut between characters.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
