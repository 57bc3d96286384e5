package text_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mintmark-auth/mintmark/internal/text"
)

// everyCharacter calls do for each Unicode character.
func everyCharacter(do func(r rune)) {
	for r := range rune(unicode.MaxRune + 1) {
		if utf8.ValidRune(r) {
			do(r)
		}
	}
}

// What terminals obey, and what turns or breaks lines: Unicode's categories for that.
func TestNoCharacterThatATerminalObeysStaysVisibleAsItself(t *testing.T) {
	t.Parallel()
	everyCharacter(func(r rune) {
		seen := r == ' ' || unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S)
		obeyed := unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
		if stays := text.Visible("a"+string(r)+"b") == "a"+string(r)+"b"; stays != seen || stays && obeyed {
			t.Errorf("%U stays as it is: %v", r, stays)
		}
	})
	for hidden, want := range map[string]string{
		"\x1b[2J": `\u001b[2J`, "\u009b31m": `\u009b31m`, "\x7f": `\u007f`, "x\u202egnp.exe": `x\u202egnp.exe`, "\u2066\u2069\u200e\u200f\u061c": `\u2066\u2069\u200e\u200f\u061c`,
		"a\nb\tc\r": `a\u000ab\u0009c\u000d`, "\u2028\u2029": `\u2028\u2029`, "ad\u200bmin\ufeff": `ad\u200bmin\ufeff`, "\U000e0041": `\udb40\udc41`,
		"\xc2": "\ufffd", "\x9b": "\ufffd", "aé€🔑 \u0301": "aé€🔑 \u0301", `C:\u202e`: `C:\u202e`,
	} {
		if got := text.Visible(hidden); got != want {
			t.Errorf("%q becomes %q, want %q", hidden, got, want)
		}
	}
}

// encoding/json leaves DEL, the C1 controls and the bidirectional ones as they are.
func TestVisibleJSONHasTheSameValues(t *testing.T) {
	t.Parallel()
	var every strings.Builder
	everyCharacter(func(r rune) { every.WriteRune(r) })
	var plain, seen strings.Builder
	for _, w := range []io.Writer{&plain, text.NewVisibleWriter(&seen)} {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "\t")
		if err := encoder.Encode(map[string]string{"\u202e": every.String()}); err != nil {
			t.Fatal(err)
		}
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(seen.String()), &got); err != nil || got["\u202e"] != every.String() {
		t.Errorf("the value is another one, %v", err)
	}
	hidden := func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }
	if at := strings.IndexFunc(seen.String(), hidden); at >= 0 {
		t.Errorf("%q is there as itself", seen.String()[at:at+4])
	}
	if !strings.ContainsFunc(plain.String(), hidden) {
		t.Error("encoding/json would do without")
	}
}

// failing is a writer that can't.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAVisibleTextIsWrittenOnceAndWhole(t *testing.T) {
	t.Parallel()
	var seen strings.Builder
	if n, err := io.WriteString(text.NewVisibleWriter(&seen), "a\u202e\x1b\r\tb\n"); n != 9 || err != nil {
		t.Errorf("got %d, %v, want all 9 bytes", n, err)
	}
	if want := "a\\u202e\\u001b\\u000d\tb\n"; seen.String() != want {
		t.Errorf("got %q, want %q", seen.String(), want)
	}
	if n, err := text.NewVisibleWriter(failing{}).Write([]byte("x")); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %d, %v, want the writer's error", n, err)
	}
}

func BenchmarkAVisibleLine(b *testing.B) {
	line := []byte(strings.Repeat(`{"time":"2026-12-01T00:00:00Z","level":"INFO","msg":"request"}`, 4) + "\n")
	w := text.NewVisibleWriter(io.Discard)
	for b.Loop() {
		_, _ = w.Write(line)
	}
}
