//go:build unix

package httpapi

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// mostLast bounds how many connections are taken from the queue of a listener that closes.
const mostLast = 4096

// closeAndTakeLast closes a listener and returns the connections that waited in the system's queue, which closing
// would reset. Between the last look into the queue and the close, nothing is done that takes time.
func closeAndTakeLast(l net.Listener) []net.Conn {
	last := make([]net.Conn, 0)
	raw, ok := l.(syscall.Conn)
	if !ok {
		_ = l.Close() // nothing can be done about it
		return last
	}
	var waited []int
	if control, err := raw.SyscallConn(); err == nil {
		_ = control.Control(func(fd uintptr) { waited = acceptAll(int(fd)) }) // it is closed already
	}
	_ = l.Close() // nothing can be done about it
	for _, fd := range waited {
		if c, err := connOf(fd); err == nil {
			last = append(last, c)
		}
	}
	return last
}

// acceptAll accepts what waits on a listener that doesn't block.
func acceptAll(listener int) []int {
	var accepted []int
	for len(accepted) < mostLast {
		fd, _, err := syscall.Accept(listener)
		switch {
		case err == nil:
			accepted = append(accepted, fd)
		case !errors.Is(err, syscall.EINTR) && !errors.Is(err, syscall.ECONNABORTED):
			return accepted
		}
	}
	return accepted
}

func connOf(fd int) (net.Conn, error) {
	syscall.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "")
	defer file.Close() // the connection has a descriptor of its own
	return net.FileConn(file)
}
