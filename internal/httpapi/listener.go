package httpapi

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mintmark-auth/mintmark/internal/forwarded"
	"github.com/mintmark-auth/mintmark/internal/subscriber"
)

// Bounds are what a listener lets in.
type Bounds struct {
	Connections   int
	PerSubscriber int // connections of one subscriber
	Unfinished    int // octets, on all connections together, of requests that have not come to their end
}

// Listener guards a listener: it refuses ambiguous requests (framing.go), and bounds the connections and the memory of
// requests that are still coming. Beyond a bound a connection that waits for its peer gives way: one that is idle, whose
// request has not come to its end, or whose peer does not take the answer. A chunked request comes until it is answered:
// its end is not seen here. Beyond a subscriber's own bound that is its own which has waited for longest;
// beyond the bound of all, the one of the subscriber that has most of them waiting; and beyond the bound of memory, the
// one of the subscriber that takes most of it. A new connection for which none gives way is closed at once. Each
// connection of a trusted proxy counts as a subscriber of its own.
//
// [Listener.Track] must be the ConnState of the server that accepts.
type Listener struct {
	net.Listener
	bounds  Bounds
	places  *places
	trusted forwarded.Proxies
	last    []net.Conn // those that are still let in after Stop; of the goroutine that accepts
	apart   int        // connections that count as a subscriber of their own so far; likewise
	shed    atomic.Uint64

	mu         sync.Mutex
	waiting    *crowd // for their peer, each with the weight 1; guarded by mu
	unfinished *crowd // those with a request under way, by its octets; guarded by mu
	idle       int    // guarded by mu
}

// NewListener returns the guarded listener.
func NewListener(l net.Listener, bounds Bounds, trusted forwarded.Proxies) *Listener {
	return &Listener{
		Listener: l, bounds: bounds, places: newPlaces(bounds.Connections, bounds.PerSubscriber), trusted: trusted,
		waiting: newCrowd(), unfinished: newCrowd(),
	}
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
		l.shed.Add(1)
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

// admit takes a place for the subscriber, if need be that of a connection that waits.
func (l *Listener) admit(peer string) bool {
	for !l.places.take(peer) {
		c := l.yielding(peer)
		if c == nil {
			return false
		}
		l.drop(c)
	}
	return true
}

// yielding is the connection that gives way to a new one of the subscriber, or nil.
func (l *Listener) yielding(peer string) *guardedConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.places.spent(peer) {
		return l.waiting.firstOf(peer)
	}
	return l.waiting.firstOfHeaviest()
}

func (l *Listener) drop(c *guardedConn) {
	l.shed.Add(1)
	_ = c.Close() // its place is what matters
}

// Track notes which connections are idle.
func (l *Listener) Track(c net.Conn, state http.ConnState) {
	guarded, ok := c.(*guardedConn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if state == http.StateIdle {
		guarded.answered++
	}
	l.note(guarded, state == http.StateIdle)
}

// note is called with mu held.
func (l *Listener) note(c *guardedConn, idle bool) {
	if c.left {
		return
	}
	if idle != c.idle {
		c.idle = idle
		l.idle += weightOf(idle) - weightOf(!idle)
	}
	l.waiting.put(c, weightOf(c.writing || c.heard <= c.answered))
}

func weightOf(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Open is how many connections are open.
func (l *Listener) Open() int { return l.places.taken() }

// Shed is how many connections were closed because of a bound.
func (l *Listener) Shed() uint64 { return l.shed.Load() }

// Busy is how many connections are open and not idle: a request on them is answered, or about to come.
func (l *Listener) Busy() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places.taken() - l.idle
}

// subscriberOf is whom a connection counts for.
func (l *Listener) subscriberOf(remote net.Addr) string {
	address, err := netip.ParseAddrPort(remote.String())
	if err != nil || l.trusted.Trusted(address.Addr()) {
		l.apart++
		return "connection " + strconv.Itoa(l.apart)
	}
	return subscriber.Of(address.Addr()).String()
}
