package text

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Visible writes what can't be seen as \uXXXX, the escapes of JSON: control and format characters, of which terminals
// obey some and others turn the direction of a line, separators of lines and paragraphs, and every space but the
// ordinary one. What is no UTF-8 becomes the replacement character.
func Visible(s string) string { return visible(s, unicode.IsPrint) }

// VisibleWriter makes texts visible on their way to another writer, but lets line ends and tabs stand. What it makes of
// JSON is JSON with the same values: there, a character that it escapes can only stand in a string.
type VisibleWriter struct{ to io.Writer }

// NewVisibleWriter returns a writer to w.
func NewVisibleWriter(w io.Writer) *VisibleWriter { return &VisibleWriter{w} }

// Write writes p with one call of the writer behind. A character whose bytes come in two calls is no UTF-8.
func (w *VisibleWriter) Write(p []byte) (int, error) {
	kept := func(r rune) bool { return unicode.IsPrint(r) || r == '\n' || r == '\t' }
	if _, err := io.WriteString(w.to, visible(string(p), kept)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Fd is the descriptor of what is written to, if that has one.
func (w *VisibleWriter) Fd() uintptr {
	if file, ok := w.to.(interface{ Fd() uintptr }); ok {
		return file.Fd()
	}
	return ^uintptr(0)
}

func visible(s string, kept func(rune) bool) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	at := strings.IndexFunc(s, func(r rune) bool { return !kept(r) })
	if at < 0 {
		return s
	}
	var seen strings.Builder
	seen.WriteString(s[:at])
	for _, r := range s[at:] {
		if kept(r) {
			seen.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			writeEscape(&seen, unit)
		}
	}
	return seen.String()
}

func writeEscape(to *strings.Builder, unit uint16) {
	const digits = "0123456789abcdef"
	to.WriteString(`\u`)
	for shift := 12; shift >= 0; shift -= 4 {
		to.WriteByte(digits[unit>>shift&0xf])
	}
}
