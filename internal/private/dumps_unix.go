//go:build unix && !linux

package private

import "golang.org/x/sys/unix"

// NoDumps keeps the memory of this process, and of those that it starts, out of core files (RLIMIT_CORE).
func NoDumps() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
