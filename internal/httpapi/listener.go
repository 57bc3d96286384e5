package httpapi

import (
	"net"
	"net/netip"
	"sync"
)

// Listener guards a listener: it refuses ambiguous requests (wire.go), and bounds
// the connections, in all and of one subscriber. Beyond a bound a connection is
// closed at once. Trusted proxies speak for many and have the bound of all.
type Listener struct {
	net.Listener
	places  *places
	trusted []netip.Prefix
}

// NewListener returns the guarded listener with a bounded number of connections, half of them
// for one subscriber.
func NewListener(l net.Listener, most int, trusted []netip.Prefix) *Listener {
	return &Listener{Listener: l, places: newPlaces(most), trusted: trusted}
}

// Accept returns the next connection within the bounds.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer := l.subscriberOf(c.RemoteAddr())
		if l.places.take(peer) {
			return &guardedConn{strictConn: strictConn{Conn: c}, leave: sync.OnceFunc(func() { l.places.leave(peer) })}, nil
		}
		_ = c.Close() // nothing was said on it
	}
}

// Open is how many connections are open.
func (l *Listener) Open() int { return l.places.taken() }

func (l *Listener) subscriberOf(remote net.Addr) string {
	address, err := netip.ParseAddrPort(remote.String())
	if err != nil || within(address.Addr().Unmap(), l.trusted) {
		return "" // not counted apart
	}
	return limitAddress(address.Addr().Unmap().WithZone("").String())
}

// guardedConn is a connection that is counted until it closes.
type guardedConn struct {
	strictConn
	leave func()
}

func (c *guardedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// CloseWrite lets net/http end its side in good order after an early answer, so
// that the peer reads a 413 or 431 and not a reset.
func (c *guardedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
