package httpapi_test

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// listen serves a handler behind a guarded listener.
func listen(t *testing.T, most int, trusted []netip.Prefix, h http.HandlerFunc) (*httpapi.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	guarded := httpapi.NewListener(l, halves(most), trusted)
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go server.Serve(guarded)
	t.Cleanup(func() { server.Close() })
	return guarded, l.Addr().String()
}

// served dials and reports whether the connection is answered.
func served(t *testing.T, addr string) bool {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, plain); err != nil {
		return false
	}
	one := make([]byte, 1)
	_, err = c.Read(one)
	return err == nil
}

func TestOneSubscriberHasHalfOfTheConnections(t *testing.T) {
	t.Parallel()
	answer := func(http.ResponseWriter, *http.Request) {}
	_, addr := listen(t, 6, nil, answer)
	for i := range 6 {
		if got, want := served(t, addr), i < 3; got != want {
			t.Errorf("connection %d of one address: served %v, want %v", i+1, got, want)
		}
	}
	_, addr = listen(t, 6, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, answer)
	for i := range 7 {
		if got, want := served(t, addr), i < 6; got != want {
			t.Errorf("connection %d of a trusted proxy: served %v, want %v", i+1, got, want)
		}
	}
}

func TestAnEarlyAnswerIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	_, addr := listen(t, 10, nil, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1)
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := strings.Repeat("x", 3<<20)
	go io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3145728\r\n\r\n"+body)
	got, err := io.ReadAll(c)
	if !strings.HasPrefix(string(got), "HTTP/1.1 413 ") || err != nil {
		t.Errorf("got %q, %v; want a 413", got, err)
	}
}
