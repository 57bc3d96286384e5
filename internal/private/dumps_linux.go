package private

import (
	"errors"

	"golang.org/x/sys/unix"
)

// NoDumps keeps the memory of this process, and of those that it starts, out of core files, and from other processes of
// this user: by PR_SET_DUMPABLE and RLIMIT_CORE (prctl(2), core(5)). A debugger then needs the rights of root.
func NoDumps() error {
	return errors.Join(unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0), unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
}
