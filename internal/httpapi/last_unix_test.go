//go:build unix

package httpapi_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// TestWhoWaitsAtTheDoorIsServedWhenItCloses: closing a listener resets what the system has accepted for it, and a
// balancer may have sent its request there already.
func TestWhoWaitsAtTheDoorIsServedWhenItCloses(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	guarded := httpapi.NewListener(l, halves(100), nil)
	var waiting []net.Conn
	for range 20 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, plain); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, c)
	}
	guarded.Stop()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.NotFoundHandler(), ConnState: guarded.Track}
	defer server.Close()
	if err := server.Serve(guarded); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve ended with %v, want %v", err, net.ErrClosed)
	}
	for i, c := range waiting {
		if got, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Errorf("connection %d: %q, %v", i, got, err)
		}
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("the listener is still open")
	}
}
