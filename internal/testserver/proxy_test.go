package testserver_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// patience is how long a test waits for what must come.
const patience = 50 * time.Second

func TestProxyCarriesBytesBothWays(t *testing.T) {
	t.Parallel()
	proxy := testserver.StartProxy(t, echo(t))
	if err := say(open(t, proxy)); err != nil {
		t.Error(err)
	}
}

func TestProxyURLIsTheTargetsWithItsOwnAddress(t *testing.T) {
	t.Parallel()
	proxy := testserver.StartProxy(t, "postgres://mintmark@127.0.0.1:1/postgres?sslmode=disable")
	want := "postgres://mintmark@" + proxy.Addr() + "/postgres?sslmode=disable"
	if got := proxy.URL(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestProxyCutResetsOldAndNewConnectionsUntilHealed(t *testing.T) {
	t.Parallel()
	proxy := testserver.StartProxy(t, echo(t))
	old := open(t, proxy)
	if err := say(old); err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	if err := say(old); err == nil {
		t.Error("a connection outlived the cut")
	}
	if conn, err := net.Dial("tcp", proxy.Addr()); err == nil {
		defer conn.Close()
		if err := say(conn); err == nil {
			t.Error("a new connection works through the cut")
		}
	}
	proxy.Heal()
	if err := say(open(t, proxy)); err != nil {
		t.Errorf("after the heal: %v", err)
	}
}

func TestProxyStallHoldsBytesBackUntilHealed(t *testing.T) {
	t.Parallel()
	proxy := testserver.StartProxy(t, echo(t))
	conn := open(t, proxy)
	proxy.Stall()
	if _, err := conn.Write([]byte("coin")); err != nil {
		t.Fatal(err)
	}
	deadline(t, conn, 100*time.Millisecond)
	answer := make([]byte, 4)
	if n, err := conn.Read(answer); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %d bytes and %v through a stalled proxy, want none and a timeout", n, err)
	}
	proxy.Heal()
	deadline(t, conn, patience)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "coin" {
		t.Errorf("after the heal: got %q and %v, want what was held back", answer, err)
	}
}

func TestProxyDelayHoldsEachDirectionBack(t *testing.T) {
	t.Parallel()
	proxy := testserver.StartProxy(t, echo(t))
	conn := open(t, proxy)
	const delay = 50 * time.Millisecond
	proxy.Delay(delay)
	began := time.Now()
	if err := say(conn); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back took %s, want at least %s", took, 2*delay)
	}
}

func TestProxyCutFromSparesClientsAtOtherAddresses(t *testing.T) {
	t.Parallel()
	proxy := testserver.StartProxy(t, echo(t))
	const inside = "127.0.0.2"
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(inside)}}
	dial := func() (net.Conn, error) {
		conn, err := from.Dial("tcp", proxy.Addr())
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { conn.Close() })
		deadline(t, conn, patience)
		return conn, say(conn)
	}
	cut, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	spared := open(t, proxy)
	for _, conn := range []net.Conn{cut, spared} {
		if err := say(conn); err != nil {
			t.Fatal(err)
		}
	}
	proxy.CutFrom(inside)
	if err := say(cut); err == nil {
		t.Error("a connection outlived the cut")
	}
	if _, err := dial(); err == nil { // refused or reset, now or at the first word
		t.Error("a new connection works through the cut")
	}
	for name, conn := range map[string]net.Conn{"an old": spared, "a new": open(t, proxy)} {
		if err := say(conn); err != nil {
			t.Errorf("%s connection from elsewhere: %v", name, err)
		}
	}
	proxy.Heal()
	if _, err := dial(); err != nil {
		t.Errorf("after the heal: %v", err)
	}
}

// TestWhatIsSwallowedIsGoneWithoutAWord, for good on a connection that lost a byte; another, and a new one, are whole
// after the heal.
func TestWhatIsSwallowedIsGoneWithoutAWord(t *testing.T) {
	t.Parallel()
	proxy := testserver.StartProxy(t, echo(t))
	lost, spared := open(t, proxy), open(t, proxy)
	for _, conn := range []net.Conn{lost, spared} {
		if err := say(conn); err != nil {
			t.Fatal(err)
		}
	}
	proxy.Swallow()
	silent := func(when string) {
		t.Helper()
		deadline(t, lost, 100*time.Millisecond)
		if err := say(lost); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v, want silence", when, err)
		}
	}
	silent("while it swallows")
	proxy.Heal()
	silent("after the heal")
	for name, conn := range map[string]net.Conn{"the spared": spared, "a new": open(t, proxy)} {
		if err := say(conn); err != nil {
			t.Errorf("%s connection: %v", name, err)
		}
	}
}

// echo is a server that sends back what it gets.
func echo(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func open(t *testing.T, proxy *testserver.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	deadline(t, conn, patience)
	return conn
}

func say(conn net.Conn) error {
	if _, err := conn.Write([]byte("mint")); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 4))
	return err
}

func deadline(t *testing.T, conn net.Conn, in time.Duration) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(in)); err != nil {
		t.Fatal(err)
	}
}
