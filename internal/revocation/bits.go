package revocation

import (
	"bytes"
	"compress/zlib"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// compress makes the compressed byte array of a list in which the status of these
// indexes is INVALID and of all others VALID, one bit each, the least significant
// bit of a byte first (draft-ietf-oauth-status-list §4.1).
func compress(indexes []int64) []byte {
	bits := make([]byte, session.StatusListSize/8)
	for _, i := range indexes {
		bits[i/8] |= 1 << (i % 8)
	}
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, zlib.BestCompression)
	if err == nil {
		_, err = w.Write(bits)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil { // a level that exists, into memory
		panic(err)
	}
	return out.Bytes()
}
