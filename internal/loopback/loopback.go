// Package loopback knows which hosts are this machine, where plain http is not read on
// the way. It resolves no name.
package loopback

import (
	"net/netip"
	"strings"
)

// Host reports whether host, without port and brackets, is this machine: localhost or a
// loopback address. Any other name could resolve to another machine.
func Host(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
