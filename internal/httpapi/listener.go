package httpapi

import (
	"net"
	"net/netip"
	"sync"
)

// Listener guards a listener: it refuses ambiguous requests (wire.go), and bounds
// the connections, in all and of one subscriber, so that no single one can take
// the place of everybody. Beyond a bound a connection is closed at once. Trusted
// proxies speak for many and have the bound of all.
type Listener struct {
	net.Listener
	most    int
	trusted []netip.Prefix

	mu    sync.Mutex
	open  int            // guarded by mu
	peers map[string]int // open connections by subscriber; guarded by mu
}

// NewListener returns the guarded listener with at most so many connections, half
// of them for one subscriber.
func NewListener(l net.Listener, most int, trusted []netip.Prefix) *Listener {
	return &Listener{Listener: l, most: most, trusted: trusted, peers: make(map[string]int)}
}

// Accept returns the next connection within the bounds.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer := l.subscriberOf(c.RemoteAddr())
		if l.admit(peer) {
			return &guardedConn{strictConn: strictConn{Conn: c}, leave: sync.OnceFunc(func() { l.leave(peer) })}, nil
		}
		_ = c.Close() // nothing was said on it
	}
}

// Open is how many connections are open.
func (l *Listener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

func (l *Listener) subscriberOf(remote net.Addr) string {
	address, err := netip.ParseAddrPort(remote.String())
	if err != nil || within(address.Addr().Unmap(), l.trusted) {
		return "" // not counted apart
	}
	return limitAddress(address.Addr().Unmap().WithZone("").String())
}

func (l *Listener) admit(peer string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.most || peer != "" && l.peers[peer] >= (l.most+1)/2 {
		return false
	}
	l.open++
	l.peers[peer]++
	return true
}

func (l *Listener) leave(peer string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.peers[peer]--; l.peers[peer] == 0 {
		delete(l.peers, peer)
	}
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
