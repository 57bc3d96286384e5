package secret_test

import (
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

func TestAnInventedRootIsGuessable(t *testing.T) {
	t.Parallel()
	counted := func(first, step byte) string {
		octets := make([]byte, 32)
		for i := range octets {
			octets[i] = first + byte(i)*step
		}
		return string(octets)
	}
	random := secret.GenerateRoots().Encode().Reveal()[2:18] // 16 octets of text, all of which may differ
	for name, c := range map[string]struct{ octets, want string }{
		"a passphrase":              {"correct horse battery staple 123", "is text"},
		"one from echo":             {"correct horse battery staple 12\n", "is text"},
		"every kind of text":        {"~ \t\r\n!" + "abcdefghijklmnopqrstuvwxyz", "is text"},
		"hex digits":                {"0123456789abcdef0123456789abcdef", "is text"},
		"one octet":                 {strings.Repeat("\xff", 32), "repeats a few octets"},
		"one octet but for the end": {strings.Repeat("\x00", 31) + "\x01", "repeats a few octets"},
		"a period of two":           {strings.Repeat("\xde\xad", 16), "repeats a few octets"},
		"a period of five":          {strings.Repeat("\xca\xfe\xba\xbe\x00", 7)[:32], "repeats a few octets"},
		"a half, twice":             {strings.Repeat("\x80"+random[1:], 2), "repeats a few octets"},
		"16-bit numbers":            {"\x00\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06\x00\x07\x00\x08\x00\x09\x00\x0a\x00\x0b\x00\x0c\x00\x0d\x00\x0e\x00\x0f\x00\x00", "repeats a few octets"},
		"counted up":                {counted(0, 1), "counts up or down"},
		"counted down":              {counted(3, 255), "counts up or down"},
		"counted in sevens":         {counted(200, 7), "counts up or down"},
		"seventeen distinct octets": {counted(128, 1)[:17] + strings.Repeat("\x80", 15), ""},
		"text but for one octet":    {"abcdefghijklmnopqrstuvwxyz01234\x80", ""},
		"text but for a delete":     {"abcdefghijklmnopqrstuvwxyz01234\x7f", ""},
		"counted, but for the last": {counted(0, 1)[:31] + "\x80", ""},
	} {
		if got := mustParse(t, "1:"+encode(c.octets)).Active().Guessable(); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestNoRandomRootIsGuessable(t *testing.T) {
	t.Parallel()
	for range 100_000 {
		roots := secret.GenerateRoots()
		if why := roots.Active().Guessable(); why != "" {
			t.Fatalf("%s %s", roots.Encode().Reveal(), why)
		}
	}
}
