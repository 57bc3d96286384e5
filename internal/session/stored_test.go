package session_test

import (
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestAnIssuedRefreshTokenStaysReadable, and written in the same bytes: a repeat gives
// the token again that an earlier version gave. So is the hash that finds its session.
func TestAnIssuedRefreshTokenStaysReadable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/refresh_tokens.txt")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 7 {
			t.Fatalf("line %q", line)
		}
		family, errFamily := hex.DecodeString(fields[2])
		generation, errGeneration := strconv.ParseUint(fields[3], 10, 32)
		issued, errIssued := strconv.ParseInt(fields[4], 10, 64)
		if errFamily != nil || errGeneration != nil || errIssued != nil {
			t.Fatalf("line %q", line)
		}
		read++
		want := session.RefreshToken{Family: session.Family(family), Generation: uint32(generation), IssuedAt: time.Unix(issued, 0).UTC()}
		m := mint(t, fields[1], fields[0])
		got, err := m.Parse(fields[6])
		if diff := cmp.Diff(got, want); err != nil || diff != "" || got.Family != want.Family {
			t.Errorf("%s: %v (-got +want):\n%s", fields[6], err, diff)
		}
		if written := m.Format(want); written != fields[6] {
			t.Errorf("written as %s, want %s", written, fields[6])
		}
		if hash := want.Family.Hash(); hex.EncodeToString(hash[:]) != fields[5] {
			t.Errorf("its family's hash is %x, want %s", hash, fields[5])
		}
	}
	if read != 6 {
		t.Errorf("%d tokens were read, want 6", read)
	}
}
