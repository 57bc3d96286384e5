package revocation

import (
	"bytes"
	"compress/zlib"
	"io"
	"testing"
)

// TestBitsAreThoseOfTheDraft packs the example of draft-ietf-oauth-status-list §4.1.
func TestBitsAreThoseOfTheDraft(t *testing.T) {
	t.Parallel()
	r, err := zlib.NewReader(bytes.NewReader(compress([]int64{0, 3, 4, 5, 7, 8, 9, 13, 15})))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if raw[0] != 0xb9 || raw[1] != 0xa3 || !bytes.Equal(raw[2:], make([]byte, len(raw)-2)) {
		t.Errorf("bytes %x, want b9 a3 and zeros", raw[:8])
	}
}
