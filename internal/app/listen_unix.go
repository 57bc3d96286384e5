//go:build unix

package app

import "syscall"

// Why an address can't be listened on.
const (
	addressInUse     = syscall.EADDRINUSE
	addressElsewhere = syscall.EADDRNOTAVAIL
	portForbidden    = syscall.EACCES

	portAdvice = "ports below 1024 ask for a privilege (CAP_NET_BIND_SERVICE); grant it"
)
