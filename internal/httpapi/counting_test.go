package httpapi_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// scripted is a listener of connections that come from the addresses in turn.
type scripted struct {
	net.Listener
	from  []string
	peers []net.Conn // the other ends
}

// halves are bounds that let one subscriber have half of the connections.
func halves(most int) httpapi.Bounds {
	return httpapi.Bounds{Connections: most, PerSubscriber: most / 2, Unfinished: 1 << 20}
}

var errNoMore = errors.New("no more connections")

func (s *scripted) Accept() (net.Conn, error) {
	if len(s.from) == 0 {
		return nil, errNoMore
	}
	here, there := net.Pipe()
	from := named{s.from[0]}
	s.from, s.peers = s.from[1:], append(s.peers, there)
	return addressed{here, from}, nil
}

type addressed struct {
	net.Conn
	from named
}

func (a addressed) RemoteAddr() net.Addr { return a.from }

// named is an address of that text.
type named struct{ text string }

func (named) Network() string  { return "tcp" }
func (n named) String() string { return n.text }

// accept takes all connections that come, within the bounds.
func accept(t *testing.T, most int, trusted string, from ...string) (*httpapi.Listener, []net.Conn) {
	t.Helper()
	var prefixes []netip.Prefix
	if trusted != "" {
		prefixes = append(prefixes, netip.MustParsePrefix(trusted))
	}
	script := &scripted{from: from}
	l := httpapi.NewListener(script, halves(most), prefixes)
	var open []net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			if !errors.Is(err, errNoMore) {
				t.Fatal(err)
			}
			break
		}
		open = append(open, c)
	}
	t.Cleanup(func() {
		for _, c := range append(open, script.peers...) {
			c.Close()
		}
	})
	open = slices.DeleteFunc(open, func(c net.Conn) bool { return c.SetDeadline(time.Time{}) != nil }) // it gave way
	if l.Open() != len(open) {
		t.Errorf("%d are counted, %d are open", l.Open(), len(open))
	}
	return l, open
}

// TestAConnectionIsCountedOutOnce, though net/http may close it twice: else the bound would grow with every one.
func TestAConnectionIsCountedOutOnce(t *testing.T) {
	t.Parallel()
	l, open := accept(t, 10, "", "192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1")
	for i, c := range open {
		for range 2 {
			if err := c.Close(); err != nil && !errors.Is(err, io.ErrClosedPipe) {
				t.Error(err)
			}
			if got, want := l.Open(), len(open)-1-i; got != want {
				t.Errorf("%d are open, want %d", got, want)
			}
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a connection that was closed: %v", err)
		}
	}
}

func TestConnectionsAreBoundedBySubscriber(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trusted string
		from    []string
		want    int
	}{
		"in all":                       {"", []string{"192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1", "192.0.2.5:1"}, 4},
		"one address has half":         {"", []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"}, 2},
		"a subscriber of IPv6 too":     {"", []string{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"}, 2},
		"two subscribers of IPv6":      {"", []string{"[2001:db8:0:1ff::1]:1", "[2001:db8:0:200::1]:1", "[2001:db8:0:1ff::1]:1", "[2001:db8:0:2ff::1]:1"}, 4},
		"IPv4 in IPv6 is IPv4":         {"", []string{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", "192.0.2.1:2"}, 2},
		"a zone is no subscriber":      {"", []string{"[fe80::1%a]:1", "[fe80::1%b]:1", "[fe80::1%c]:1"}, 2},
		"a trusted proxy has all":      {"192.0.2.0/24", []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.1:4", "192.0.2.1:5"}, 4},
		"in IPv6 as well":              {"192.0.2.0/24", []string{"[::ffff:192.0.2.1]:1", "192.0.2.1:2", "192.0.2.1:3"}, 3},
		"and leaves the others theirs": {"192.0.2.0/24", []string{"192.0.2.1:1", "192.0.2.1:2", "203.0.113.1:1", "203.0.113.1:2"}, 4},
		"a peer without an address":    {"", []string{"@", "@", "@"}, 3},
	} {
		if _, open := accept(t, 4, c.trusted, c.from...); len(open) != c.want {
			t.Errorf("%s: %d connections, want %d", name, len(open), c.want)
		}
	}
}

// TestAConnectionTooManyIsClosedAtOnce, and its place is there again once another one leaves.
func TestAConnectionTooManyIsClosedAtOnce(t *testing.T) {
	t.Parallel()
	script := &scripted{from: []string{"192.0.2.1:1", "192.0.2.1:2"}}
	l := httpapi.NewListener(script, httpapi.Bounds{Connections: 1, PerSubscriber: 1}, nil)
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	go io.WriteString(script.peers[0], plain)
	if _, err := io.ReadFull(first, make([]byte, len(plain))); err != nil { // it waits no longer
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, errNoMore) {
		t.Fatalf("a second one of the address: %v", err)
	}
	if _, err := script.peers[1].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the one too many: %v, want its end", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	script.from = []string{"192.0.2.1:3"}
	third, err := l.Accept()
	if err != nil {
		t.Fatalf("after the first one left: %v", err)
	}
	third.Close()
}
