package app

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// passingErrnos are of a network, or a server, that is not there at the moment. Those of package syscall are invented
// on this system.
var passingErrnos = []syscall.Errno{
	windows.WSAECONNREFUSED, windows.WSAECONNRESET, windows.WSAECONNABORTED,
	windows.WSAEHOSTUNREACH, windows.WSAEHOSTDOWN, windows.WSAENETUNREACH, windows.WSAENETDOWN, windows.WSAETIMEDOUT,
}
