package httpapi_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

const (
	plain   = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	posted  = "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	chunked = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)

// strictServer answers every request with its body behind a strict listener.
func strictServer(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
			_, _ = w.Write(append([]byte(r.URL.Path+" "), body...))
		}),
	}
	go server.Serve(httpapi.NewListener(l, halves(100), nil))
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// statuses sends octets, in pieces of the given size, and reads the answers.
func statuses(t *testing.T, addr, octets string, piece int) (got []int, bodies []string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() {
		for len(octets) > 0 {
			n := min(piece, len(octets))
			if _, err := io.WriteString(conn, octets[:n]); err != nil {
				return
			}
			octets = octets[n:]
		}
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	r := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return got, bodies
		}
		body, _ := io.ReadAll(res.Body)
		got, bodies = append(got, res.StatusCode), append(bodies, string(body))
	}
}

func TestWellFramedRequestsPassInAnyPieces(t *testing.T) {
	t.Parallel()
	addr := strictServer(t)
	for _, piece := range []int{1, 2, 7, 4096} {
		got, bodies := statuses(t, addr, plain+posted+"\r\n"+plain+posted+chunked, piece)
		if len(got) != 5 || strings.Join(bodies, ",") != "/a ,/b hello,/a ,/b hello,/c hello" {
			t.Errorf("pieces of %d: %v %q", piece, got, bodies)
		}
	}
}

// TestLongLinesPass: a CR LF ends them where nothing else is wrong, also one that comes in two pieces or just does not fit.
func TestLongLinesPass(t *testing.T) {
	t.Parallel()
	addr := strictServer(t)
	for _, length := range []int{8 << 10, 8<<10 + 64 - 1, 8<<10 + 64, 8<<10 + 65, 30 << 10} {
		long := "X-A: " + strings.Repeat("b", length-len("X-A: "))
		for _, piece := range []int{1 << 10, len("GET /a HTTP/1.1\r\n") + length + 1, 64 << 10} {
			request := "GET /a HTTP/1.1\r\n" + long + "\r\nHost: x\r\n\r\n"
			if got, _ := statuses(t, addr, request+plain, piece); len(got) != 2 || got[0] != 200 || got[1] != 200 {
				t.Errorf("a line of %d in pieces of %d: %v, want 200 twice", length, piece, got)
			}
		}
	}
}

func TestAmbiguousFramingIsRefused(t *testing.T) {
	t.Parallel()
	addr := strictServer(t)
	const start = "POST /b HTTP/1.1\r\nHost: x\r\n"
	tests := map[string]string{
		"length and chunks":                        start + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks and length":                        start + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
		"two equal lengths":                        start + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"a list of lengths":                        start + "Content-Length: 5, 5\r\n\r\nhello",
		"a signed length":                          start + "Content-Length: +5\r\n\r\nhello",
		"an empty length":                          start + "Content-Length:\r\n\r\n",
		"a huge length":                            start + "Content-Length: 99999999999999999999\r\n\r\n",
		"chunked twice":                            start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a list of codings":                        start + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		"another coding":                           start + "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
		"chunks in HTTP/1.0":                       "POST /b HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"obs-fold":                                 start + "X-A: b\r\n c: d\r\n\r\n",
		"obs-fold with tab":                        start + "Transfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n",
		"space before the colon":                   start + "Content-Length : 5\r\n\r\nhello",
		"bare LF after a field":                    start + "X-A: b\n\r\n",
		"bare LF after a long field":               start + "X-A: " + strings.Repeat("b", 9000) + "\n\r\n",
		"bare LF after a long target":              "GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\nHost: x\r\n\r\n",
		"bare LF after the longest that fits":      start + "X-A: " + strings.Repeat("b", 8<<10+64-len("X-A: ")) + "\n\r\n",
		"bare LF after the shortest that does not": start + "X-A: " + strings.Repeat("b", 8<<10+65-len("X-A: ")) + "\n\r\n",
		"bare LF after the target":                 "GET /a HTTP/1.1\nHost: x\r\n\r\n",
		"bare LF at the end":                       start + "Content-Length: 0\r\n\n",
		"a line that is no field":                  start + "Content-Length 5\r\n\r\nhello",
		"bare CR in a field":                       start + "X-A: b\rTransfer-Encoding: chunked\r\n\r\n",
		"a bare LF in a chunk's end":               start + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
		"padding beyond any number":                start + "Content-Length: " + strings.Repeat(" ", 9000) + "5\r\n\r\nhello",
	}
	for name, request := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 4096} {
				if got, _ := statuses(t, addr, request+plain, piece); len(got) != 1 || got[0] != http.StatusBadRequest {
					t.Errorf("pieces of %d: %v, want 400 and the end of the connection", piece, got)
				}
				if got, _ := statuses(t, addr, posted+request+plain, piece); len(got) != 2 || got[1] != http.StatusBadRequest {
					t.Errorf("after another request, pieces of %d: %v, want 200 and 400", piece, got)
				}
			}
		})
	}
}

// readConn is a connection that only reads.
type readConn struct {
	net.Conn
	io.Reader
}

func (c readConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func readStrictly(t *testing.T, r io.Reader) []byte {
	t.Helper()
	conn := httpapi.StrictConn(readConn{Reader: r})
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// FuzzFraming: a strict connection gives what was sent, or a beginning of it with
// an end that no server takes for a request; and where it breaks off doesn't
// depend on how the octets arrived.
func FuzzFraming(f *testing.F) {
	f.Add([]byte(plain + posted + chunked))
	f.Add([]byte(posted + "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		got := readStrictly(t, bytes.NewReader(sent))
		if slowly := readStrictly(t, iotest.OneByteReader(bytes.NewReader(sent))); !bytes.Equal(got, slowly) {
			t.Errorf("%q at once, %q in pieces", got, slowly)
		}
		if bytes.Equal(got, sent) {
			return
		}
		good, spoiled := bytes.CutSuffix(got, []byte("\x00\r\n\r\n"))
		if !spoiled || !bytes.HasPrefix(sent, append(good, '\n')) {
			t.Errorf("%q became %q", sent, got)
		}
	})
}
