package dial_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mintmark-auth/mintmark/internal/dial"
)

// TestADeadPeerIsFoundOutByTheSystem: the options are set on the socket of a connection.
func TestADeadPeerIsFoundOutByTheSystem(t *testing.T) {
	t.Parallel()
	conn := connect(t, "tcp", "127.0.0.1:0").(*net.TCPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ level, option, want int }{
		"user timeout":       {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 5000},
		"keep-alive":         {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		"keep-alive after":   {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 5},
		"keep-alive every":   {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 2},
		"keep-alives so far": {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
	} {
		if err := raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), c.level, c.option); got != c.want || err != nil {
				t.Errorf("%s: %d, %v; want %d", name, got, err, c.want)
			}
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestASocketOfAFolderIsDialledToo(t *testing.T) {
	t.Parallel()
	connect(t, "unix", filepath.Join(t.TempDir(), "s"))
}

func connect(t *testing.T, network, address string) net.Conn {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	conn, err := dial.Dialer(30*time.Second).DialContext(t.Context(), network, listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
