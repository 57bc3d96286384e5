package testserver

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy is a TCP proxy on loopback in front of a server: the network, for a test to break.
type Proxy struct {
	target   *url.URL // only Host is set if no URL was given
	listener net.Listener
	open     sync.WaitGroup // one for the accepting loop and each copying one

	mu    sync.Mutex
	conns map[net.Conn]struct{} // under mu: both ends of every connection
	lost  map[net.Conn]struct{} // under mu: the ends from which bytes were swallowed
	state state                 // under mu
	moved chan struct{}         // under mu: closed when state changes
}

// state is what the network does to new connections and to bytes on their way.
type state struct {
	cut, stalled, swallows, closed bool
	cutFrom                        string // "": nobody is cut off
	delay                          time.Duration
	other                          [][2]string // what is written otherwise, and how
}

// written is a piece of data as it goes on.
func (s state) written(piece []byte) []byte {
	for _, pair := range s.other {
		piece = bytes.ReplaceAll(piece, []byte(pair[0]), []byte(pair[1]))
	}
	return piece
}

// refuses reports whether the network lets no connection with that other end be.
func (s state) refuses(conn net.Conn) bool {
	if s.cut || s.closed || s.cutFrom == "" {
		return s.cut || s.closed
	}
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	return err == nil && host == s.cutFrom
}

// StartProxy starts a proxy in front of target, a URL or host:port, that ends with the test.
func StartProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	there := &url.URL{Host: target}
	if strings.Contains(target, "://") {
		var err error
		if there, err = url.Parse(target); err != nil {
			tb.Fatalf("start proxy: %v", err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("start proxy: %v", err)
	}
	p := &Proxy{target: there, listener: listener, conns: map[net.Conn]struct{}{}, lost: map[net.Conn]struct{}{}, moved: make(chan struct{})}
	p.open.Go(p.accept)
	tb.Cleanup(func() {
		p.set(func(s *state) { s.closed = true })
		p.listener.Close()
		p.hangUp()
		p.open.Wait()
	})
	return p
}

// Addr is the proxy's host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// URL is the target's URL with the proxy's host and port in it.
func (p *Proxy) URL() string {
	here := *p.target
	here.Host = p.Addr()
	return here.String()
}

// Cut resets every connection, and new ones as soon as they are made.
func (p *Proxy) Cut() {
	p.set(func(s *state) { s.cut = true })
	p.hangUp()
}

// CutFrom does so to clients at one address only, such as 127.0.0.2: a partition with clients on
// either side. It takes the place of what an earlier CutFrom did.
func (p *Proxy) CutFrom(host string) {
	p.set(func(s *state) { s.cutFrom = host })
	p.hangUp()
}

// Stall lets connections be but no byte through, as a partition without a reset does.
func (p *Proxy) Stall() { p.set(func(s *state) { s.stalled = true }) }

// Swallow drops every byte and every hang-up without a word. A connection that lost a byte stays silent for good; what
// hung up meanwhile is told after Heal.
func (p *Proxy) Swallow() { p.set(func(s *state) { s.swallows = true }) }

// Delay holds every piece of data back for d, in each direction.
func (p *Proxy) Delay(d time.Duration) { p.set(func(s *state) { s.delay = d }) }

// Write has text that comes in one piece, in either direction, written otherwise: as a server of another version would
// say it. Both have the same length.
func (p *Proxy) Write(old, otherwise string) {
	p.set(func(s *state) { s.other = append(slices.Clone(s.other), [2]string{old, otherwise}) })
}

// Heal ends Cut, CutFrom, Stall, Swallow, Delay and Write. What a stall held back is delivered.
func (p *Proxy) Heal() { p.set(func(s *state) { *s = state{closed: s.closed} }) }

func (p *Proxy) set(change func(*state)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.state)
	close(p.moved)
	p.moved = make(chan struct{})
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			<-time.After(10 * time.Millisecond) // out of descriptors, say: others must close some first
			continue
		}
		p.open.Go(func() { p.connect(client) })
	}
}

func (p *Proxy) connect(client net.Conn) {
	if !p.keep(client) {
		return
	}
	server, err := net.DialTimeout("tcp", p.target.Host, stepLimit)
	if err != nil {
		p.drop(client)
		return
	}
	if !p.keep(server) {
		p.drop(client)
		return
	}
	p.open.Go(func() { p.pipe(server, client) })
	p.pipe(client, server)
}

// pipe carries bytes one way until either end closes, and then closes both.
func (p *Proxy) pipe(to, from net.Conn) {
	defer p.drop(to)
	defer p.drop(from)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !p.swallowed(from, to) {
			if _, err := to.Write(p.hold().written(buffer[:n])); err != nil {
				return
			}
		}
		if err != nil {
			p.awaitSound()
			return
		}
	}
}

// swallowed reports whether what came now, from one end for the other, is lost.
func (p *Proxy) swallowed(from, to net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.swallows {
		p.lost[from], p.lost[to] = struct{}{}, struct{}{}
	}
	_, lost := p.lost[from]
	return lost
}

// awaitSound returns when a hang-up that came now is heard.
func (p *Proxy) awaitSound() {
	for {
		p.mu.Lock()
		now, moved := p.state, p.moved
		p.mu.Unlock()
		if !now.swallows || now.cut || now.closed {
			return
		}
		<-moved
	}
}

// hold returns when a piece of data that came now may go on, with the state of that moment.
func (p *Proxy) hold() state {
	came := time.Now()
	for {
		p.mu.Lock()
		now, moved := p.state, p.moved
		p.mu.Unlock()
		left := now.delay - time.Since(came)
		switch {
		case now.cut || now.closed:
			return now
		case now.stalled:
			<-moved
		case left > 0:
			timer := time.NewTimer(left)
			select {
			case <-moved:
			case <-timer.C:
			}
			timer.Stop()
		default:
			return now
		}
	}
}

// keep takes a connection into the books, or resets it while the network is cut.
func (p *Proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.refuses(conn) {
		reset(conn)
		return false
	}
	p.conns[conn] = struct{}{}
	return true
}

func (p *Proxy) drop(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	delete(p.lost, conn)
	conn.Close()
}

func (p *Proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		if p.state.refuses(conn) {
			reset(conn)
		}
	}
}

// reset closes so that the other side sees an error, not an end of data.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it is closed all the same
	}
	conn.Close()
}
