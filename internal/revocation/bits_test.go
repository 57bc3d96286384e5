package revocation

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/session"
)

func inflated(t *testing.T, compressed []byte) []byte {
	t.Helper()
	r, err := zlib.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestBitsAreThoseOfTheDraft packs the example of draft-ietf-oauth-status-list §4.1, and
// compares it with the draft's own compressed list, which is as short as its example.
func TestBitsAreThoseOfTheDraft(t *testing.T) {
	t.Parallel()
	compressed, err := base64.RawURLEncoding.DecodeString("eNrbuRgAAhcBXQ")
	if err != nil {
		t.Fatal(err)
	}
	draft := inflated(t, compressed)
	raw := inflated(t, compress([]int64{0, 3, 4, 5, 7, 8, 9, 13, 15}))
	if !bytes.Equal(raw[:len(draft)], draft) || !bytes.Equal(draft, []byte{0xb9, 0xa3}) || !bytes.Equal(raw[2:], make([]byte, len(raw)-2)) {
		t.Errorf("bytes %x, want %x and zeros", raw[:8], draft)
	}
}

// TestEveryIndexHasItsOwnBit, the least significant of an octet first, in a list that is
// whole however few are set.
func TestEveryIndexHasItsOwnBit(t *testing.T) {
	t.Parallel()
	const last = session.StatusListSize - 1
	for index, want := range map[int64]struct {
		octet int
		bits  byte
	}{
		0: {0, 0x01}, 1: {0, 0x02}, 7: {0, 0x80}, 8: {1, 0x01}, 15: {1, 0x80}, 16: {2, 0x01},
		last - 8: {last/8 - 1, 0x80}, last - 7: {last / 8, 0x01}, last: {last / 8, 0x80},
	} {
		expect := make([]byte, session.StatusListSize/8)
		expect[want.octet] = want.bits
		if raw := inflated(t, compress([]int64{index})); !bytes.Equal(raw, expect) {
			t.Errorf("index %d: %d octets, octet %d is %x; want %d, and %x alone", index, len(raw), want.octet, raw[want.octet], len(expect), want.bits)
		}
	}
	if raw := inflated(t, compress(nil)); !bytes.Equal(raw, make([]byte, session.StatusListSize/8)) {
		t.Errorf("an empty list has %d octets, or a bit", len(raw))
	}
}

// TestAListIsCompressedByZlibAtItsBest (RFC 1950 §2.2): it is sent to all who follow it.
func TestAListIsCompressedByZlibAtItsBest(t *testing.T) {
	t.Parallel()
	if got := compress(nil); got[0] != 0x78 || got[1] != 0xda || len(got) > 64 {
		t.Errorf("%d octets that begin with %x, want a few, and 78da", len(got), got[:2])
	}
}
