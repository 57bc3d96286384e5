package httpapi

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/mintmark-auth/mintmark/internal/forwarded"
)

// Listener guards a listener: it refuses ambiguous requests (wire.go), and bounds
// the connections, in all and of one subscriber. Trusted proxies speak for many and have
// the bound of all. Beyond a bound the connection that has been idle for longest gives way
// to a new one, and where none is idle the new one is closed at once.
//
// [Listener.Track] must be the ConnState of the server that accepts.
type Listener struct {
	net.Listener
	places  *places
	trusted forwarded.Proxies
	last    []net.Conn // those that are still let in after Stop; of the goroutine that accepts

	mu   sync.Mutex
	idle idle // guarded by mu
}

// NewListener returns the guarded listener with a bounded number of connections, half of them
// for one subscriber.
func NewListener(l net.Listener, most int, trusted forwarded.Proxies) *Listener {
	return &Listener{Listener: l, places: newPlaces(most), trusted: trusted, idle: idle{by: make(map[string]*queue)}}
}

// Accept returns the next connection within the bounds. One goroutine calls it.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.next()
		if err != nil {
			return nil, err
		}
		peer := l.subscriberOf(c.RemoteAddr())
		if l.admit(peer) {
			return l.guard(c, peer), nil
		}
		_ = c.Close() // nothing was said on it
	}
}

// Stop refuses further connections. Those that the system has accepted for us are still let in before Accept ends
// with net.ErrClosed: a balancer may have sent its request already.
func (l *Listener) Stop() {
	waking, ok := l.Listener.(interface{ SetDeadline(t time.Time) error })
	if !ok || waking.SetDeadline(time.Unix(1, 0)) != nil {
		_ = l.Close() // it is closed already, or has no queue
	}
}

func (l *Listener) next() (net.Conn, error) {
	if l.last == nil {
		c, err := l.Listener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return c, err
		}
		l.last = closeAndTakeLast(l.Listener)
	}
	if len(l.last) == 0 {
		return nil, net.ErrClosed
	}
	c := l.last[0]
	l.last = l.last[1:]
	return c, nil
}

// admit takes a place for the subscriber, if need be that of an idle connection.
func (l *Listener) admit(peer string) bool {
	for !l.places.take(peer) {
		c := l.longestIdle(peer)
		if c == nil {
			return false
		}
		_ = c.Close() // its place is what matters
	}
	return true
}

// longestIdle is the idle connection to give way to the subscriber: its own, or anyone's if there is no place left
// at all; nil if there is none.
func (l *Listener) longestIdle(peer string) *guardedConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.idle.longestOf(peer); c != nil {
		return c
	}
	if l.places.full() {
		return l.idle.longest()
	}
	return nil
}

// Track notes which connections are idle.
func (l *Listener) Track(c net.Conn, state http.ConnState) {
	guarded, ok := c.(*guardedConn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle.remove(guarded)
	if state == http.StateIdle {
		l.idle.add(guarded)
	}
}

// Open is how many connections are open.
func (l *Listener) Open() int { return l.places.taken() }

// Busy is how many connections are open and not idle: a request on them is answered, or about to come.
func (l *Listener) Busy() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places.taken() - l.idle.len()
}

func (l *Listener) subscriberOf(remote net.Addr) string {
	address, err := netip.ParseAddrPort(remote.String())
	if err != nil || l.trusted.Trusted(address.Addr()) {
		return "" // not counted apart
	}
	return limitAddress(address.Addr().Unmap().WithZone("").String())
}

// guardedConn is a connection that is counted until it closes.
type guardedConn struct {
	strictConn
	peer  string
	leave func()
	spot  spot // guarded by the listener's mu
}

func (l *Listener) guard(c net.Conn, peer string) *guardedConn {
	guarded := &guardedConn{strictConn: strictConn{Conn: c}, peer: peer}
	guarded.leave = sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.idle.remove(guarded)
		l.places.leave(peer)
	})
	return guarded
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
