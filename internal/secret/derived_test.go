package secret_test

import (
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// TestValuesDerivedFromARootNeverChange holds the derivations against those of testdata:
// what they sealed and signed is stored, and in the hands of clients.
func TestValuesDerivedFromARootNeverChange(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/derived.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 4 {
			t.Fatalf("line %q", line)
		}
		purpose := fields[1]
		length, err := strconv.Atoi(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(mustParse(t, fields[0]).Active().Derive(purpose, length)); got != fields[3] {
			t.Errorf("%s for %q: %s, want %s", fields[0], purpose, got, fields[3])
		}
		seen[purpose]++
	}
	for _, purpose := range []string{secret.PurposeRefreshTokenMAC, secret.PurposeKeySealing} {
		if seen[purpose] < 5 {
			t.Errorf("%d derivations for %q, want 5 or more: did its label change?", seen[purpose], purpose)
		}
	}
}
