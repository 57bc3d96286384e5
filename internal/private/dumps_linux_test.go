package private_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mintmark-auth/mintmark/internal/private"
)

func TestTheMemoryOfTheProcessIsDumpedNowhere(t *testing.T) {
	t.Parallel()
	if err := private.NoDumps(); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit != (unix.Rlimit{}) {
		t.Errorf("core files may have %+v octets, %v; want none", limit, err)
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		t.Errorf("dumpable: %d, %v; want 0", dumpable, err)
	}
}
