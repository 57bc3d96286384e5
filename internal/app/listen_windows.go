package app

import "golang.org/x/sys/windows"

// Why an address can't be listened on. Winsock has numbers of its own, which package syscall's names don't match.
const (
	addressInUse     = windows.WSAEADDRINUSE
	addressElsewhere = windows.WSAEADDRNOTAVAIL
	portForbidden    = windows.WSAEACCES

	portAdvice = "another program has that port for itself, or Windows reserves it (`netsh interface ipv4 show excludedportrange tcp` lists those); stop that program"
)
