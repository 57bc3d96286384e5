//go:build !linux

package dial

import "syscall"

// control is nothing where the system has no such option that Go knows: keep-alive, and the caller's deadline, remain.
func control(string, string, syscall.RawConn) error { return nil }
