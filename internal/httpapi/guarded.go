package httpapi

import (
	"net"
	"sync"
)

// guardedConn is a connection that is counted until it closes.
type guardedConn struct {
	strictConn
	peer     string // the subscriber
	listener *Listener
	leave    func()

	heard    int  // requests that have come to their end; guarded by the listener's mu
	answered int  // those that were answered; likewise
	writing  bool // likewise
	idle     bool // likewise
	left     bool // likewise
}

func (l *Listener) guard(c net.Conn, peer string) *guardedConn {
	guarded := &guardedConn{strictConn: strictConn{Conn: c}, peer: peer, listener: l}
	guarded.leave = sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.forget(guarded)
		l.places.leave(peer)
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(guarded, false)
	return guarded
}

// forget is called with mu held.
func (l *Listener) forget(c *guardedConn) {
	l.note(c, false)
	l.waiting.put(c, 0)
	l.unfinished.put(c, 0)
	c.left = true
}

// maxPending bounds what a request counts for while it comes: no more of it is kept.
const maxPending = 128 << 10

func (c *guardedConn) Read(p []byte) (int, error) {
	n, err := c.strictConn.Read(p)
	if n > 0 {
		for _, other := range c.listener.hear(c) {
			c.listener.drop(other)
		}
	}
	return n, err
}

// hear notes what has come on a connection, and returns those that must go for it.
func (l *Listener) hear(c *guardedConn) []*guardedConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.left {
		return nil
	}
	c.heard = c.whole
	l.note(c, c.idle)
	l.unfinished.put(c, min(c.pending, maxPending))
	var dropped []*guardedConn
	for l.unfinished.weight > l.bounds.Unfinished {
		heaviest := l.unfinished.firstOfHeaviest()
		l.forget(heaviest)
		dropped = append(dropped, heaviest)
	}
	return dropped
}

// Write notes that the connection waits for its peer meanwhile: one that takes no answers must not keep its place.
func (c *guardedConn) Write(p []byte) (int, error) {
	c.listener.noteWriting(c, true)
	defer c.listener.noteWriting(c, false)
	return c.Conn.Write(p)
}

func (l *Listener) noteWriting(c *guardedConn, writing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.writing = writing
	l.note(c, c.idle)
}

// Close closes the connection and gives its place back.
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
