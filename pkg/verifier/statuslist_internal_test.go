package verifier

import (
	"bytes"
	"compress/zlib"
	"runtime"
	"testing"
	"time"
)

// TestABombIsNotInflated is not parallel: it counts the memory of the whole process.
func TestABombIsNotInflated(t *testing.T) {
	var bomb bytes.Buffer
	z := zlib.NewWriter(&bomb)
	for range 256 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := inflate(bomb.Bytes()); err == nil {
		t.Error("accepted 256 MiB")
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 16 {
		t.Errorf("%d MiB were allocated for it", got)
	}
}

func TestListsOfOneSecondAddUp(t *testing.T) {
	t.Parallel()
	second := time.Unix(1_800_000_000, 0)
	old := &statuses{bits: 1, packed: []byte{0b0001, 0}, issuedAt: second}
	for name, c := range map[string]struct {
		next *statuses
		want []byte
	}{
		"of the same second":   {&statuses{bits: 1, packed: []byte{0b0100, 1}, issuedAt: second}, []byte{0b0101, 1}},
		"of the next":          {&statuses{bits: 1, packed: []byte{0b0100, 1}, issuedAt: second.Add(time.Second)}, []byte{0b0100, 1}},
		"of another width":     {&statuses{bits: 2, packed: []byte{0b0100, 1}, issuedAt: second}, []byte{0b0100, 1}},
		"of the same, shorter": {&statuses{bits: 1, packed: []byte{0b0100}, issuedAt: second}, []byte{0b0101, 0}},
		"of the same, longer":  {&statuses{bits: 1, packed: []byte{0b0100, 0, 1}, issuedAt: second}, []byte{0b0101, 0, 1}},
	} {
		if got := c.next.with(old); !bytes.Equal(got.packed, c.want) {
			t.Errorf("%s: got %08b, want %08b", name, got.packed, c.want)
		}
	}
	if !bytes.Equal(old.packed, []byte{0b0001, 0}) {
		t.Error("the old list has changed under its readers")
	}
}
