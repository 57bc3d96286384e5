package e2e_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// wire sends octets over a connection of its own and reads every answer until the
// other side hangs up. Octets that are no longer taken are no failure.
func wire(t testing.TB, a *authority, octets io.Reader) (answers []answer, hungUp bool) {
	t.Helper()
	conn, err := dial(a)
	if err != nil {
		t.Error(err)
		return nil, false
	}
	defer conn.Close()
	go func() { _, _ = io.Copy(conn, octets) }()
	return readAnswers(conn)
}

func dial(a *authority) (net.Conn, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.URL, "http://"))
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

func readAnswers(conn net.Conn) (answers []answer, hungUp bool) {
	r := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers, !errors.Is(err, os.ErrDeadlineExceeded)
		}
		body, _ := io.ReadAll(res.Body)
		answers = append(answers, answer{Status: res.StatusCode, Header: res.Header, Body: body})
	}
}

// wantWire sends a request and asserts one answer of one of the statuses, and the
// end of the connection.
func wantWire(t testing.TB, a *authority, what string, request io.Reader, statuses ...int) answer {
	t.Helper()
	answers, hungUp := wire(t, a, request)
	if len(answers) != 1 || !slices.Contains(statuses, answers[0].Status) || !hungUp {
		t.Errorf("%s: answers %v, hung up: %v; want one of %v and the end", what, statusesOf(answers), hungUp, statuses)
		return answer{Header: http.Header{}}
	}
	return answers[0]
}

func statusesOf(answers []answer) []int {
	var statuses []int
	for _, a := range answers {
		statuses = append(statuses, a.Status)
	}
	return statuses
}

// slowConnections: each kind is cut off by a timeout, and well-behaved callers don't notice.
func slowConnections(t *testing.T, _ *authority) {
	a := startEmbedded(t)
	a.register(t, testUser)
	p := a.login(t, testUser)
	slow := map[string]string{
		"header": "POST /api/authentication/login HTTP/1.1\r\nHost: localhost\r\nX-A: ",
		"body":   "POST /api/authentication/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
		"reader": strings.Repeat("GET /.well-known/openid-configuration HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
	}
	conns := make(map[string]net.Conn)
	for range 200 {
		for kind, octets := range slow {
			conn, err := dial(a)
			if err == nil {
				_, err = io.WriteString(conn, octets)
			}
			if err != nil {
				t.Fatalf("slow %s: %v", kind, err)
			}
			defer conn.Close()
			conns[kind] = conn
		}
	}
	for range 20 {
		p.Refresh = wantGrant(t, a, "a client that behaves", p.Refresh)
	}
	for _, kind := range []string{"header", "body"} {
		answers, hungUp := readAnswers(conns[kind])
		if !hungUp || len(answers) > 1 || len(answers) == 1 && answers[0].Status != http.StatusRequestTimeout {
			t.Errorf("a slow %s: %v, hung up: %v, want at most 408 and the end", kind, statusesOf(answers), hungUp)
		}
	}
}

// postRoutes are the paths that take a body, with the content type they take.
func postRoutes() map[string]string {
	routes := make(map[string]string)
	for _, r := range httpapi.PublicRoutes() {
		if r.Method != http.MethodPost {
			continue
		}
		routes[r.Path] = "application/json"
		if strings.HasPrefix(r.Path, "/oauth/") {
			routes[r.Path] = "application/x-www-form-urlencoded"
		}
	}
	return routes
}

// forever repeats a piece of text.
type forever string

func (f forever) Read(p []byte) (int, error) {
	return copy(p, strings.Repeat(string(f), len(p)/len(f)+1)[:len(p)/len(f)*len(f)]), nil
}

// endlessBodies come a few at a time: of too many, the first would be dropped without an answer.
func endlessBodies(t *testing.T, _ *authority) {
	a := startEmbedded(t)
	var wg sync.WaitGroup
	for path, contentType := range postRoutes() {
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n", path, contentType)
		chunk := fmt.Sprintf("%x\r\n%s\r\n", 4096, strings.Repeat(" ", 4096))
		for what, request := range map[string]io.Reader{
			"10 MiB":          io.MultiReader(strings.NewReader(head+"Content-Length: 10485760\r\n\r\n"), io.LimitReader(forever(" "), 10<<20)),
			"1 GiB":           io.MultiReader(strings.NewReader(head+"Content-Length: 1073741824\r\n\r\n"), io.LimitReader(forever(" "), 1<<30)),
			"a byte too much": strings.NewReader(head + "Connection: close\r\nContent-Length: 65537\r\n\r\n" + strings.Repeat(" ", 65537)),
			"endless chunks":  io.MultiReader(strings.NewReader(head+"Transfer-Encoding: chunked\r\n\r\n"), forever(chunk)),
		} {
			wg.Go(func() {
				got := wantWire(t, a, path+" with "+what, request, http.StatusRequestEntityTooLarge)
				if got.Header.Get("Content-Type") != "application/json; charset=utf-8" || got.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s with %s: %v, want JSON that nobody stores", path, what, got.Header)
				}
			})
		}
		extensions := io.MultiReader(strings.NewReader(head+"Transfer-Encoding: chunked\r\n\r\n"), forever("1;x="+strings.Repeat("x", 200)+"\r\n \r\n"))
		wg.Go(func() {
			wantWire(t, a, path+" with chunk extensions", extensions, http.StatusBadRequest, http.StatusRequestEntityTooLarge)
		})
		wg.Wait()
	}
}

func endlessHeaders(t *testing.T, _ *authority) {
	a := startEmbedded(t)
	const (
		start   = "GET /livez HTTP/1.1\r\nHost: localhost\r\n"
		target  = " HTTP/1.1\r\nHost: localhost\r\n\r\n"
		header  = http.StatusRequestHeaderFieldsTooLarge
		tooLong = http.StatusRequestURITooLong
	)
	text, then := func(s string) io.Reader { return strings.NewReader(s) }, io.MultiReader
	tests := map[string]struct {
		request  io.Reader
		statuses []int
	}{
		"a field of 33 KiB":         {text(start + "X-A: " + strings.Repeat("a", 33<<10) + "\r\n\r\n"), []int{header}},
		"a field of 1 MiB":          {text(start + "X-A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n"), []int{header}},
		"an endless field":          {then(text(start+"X-A: "), forever("a")), []int{header}},
		"an endless field name":     {then(text(start), forever("a")), []int{header}},
		"101 fields":                {text(start + strings.Repeat("X-A: b\r\n", 101) + "\r\n"), []int{header}},
		"10,000 fields":             {text(start + strings.Repeat("X-A: b\r\n", 10_000) + "\r\n"), []int{header}},
		"endless fields":            {then(text(start), forever("X-A: b\r\n")), []int{header}},
		"100,000 cookies":           {text(start + "Cookie: " + strings.Repeat("a=b; ", 100_000) + "\r\n\r\n"), []int{header}},
		"100,000 fields of cookies": {text(start + strings.Repeat("Cookie: a=b\r\n", 100_000) + "\r\n"), []int{header}},
		"a target of 9 KiB":         {text("GET /livez?" + strings.Repeat("a", 9<<10) + target), []int{tooLong}},
		"a target of 100 KiB":       {text("GET /" + strings.Repeat("a", 100<<10) + target), []int{tooLong, header}},
		"an endless target":         {then(text("GET /"), forever("a")), []int{tooLong, header}},
		"an endless method":         {forever("a"), []int{http.StatusBadRequest, header}},
	}
	var wg sync.WaitGroup
	for what, test := range tests {
		wg.Go(func() { wantWire(t, a, what, test.request, test.statuses...) })
	}
	wg.Wait()
}

// smuggledRequests hide a second request where another server may see a body.
func smuggledRequests(t *testing.T, a *authority) {
	const (
		start  = "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
		hidden = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
	)
	for what, request := range map[string]string{
		"length and chunks":       start + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunks and length":       start + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + hidden,
		"chunked twice":           start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a list of codings":       start + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a coding nobody knows":   start + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunks in HTTP/1.0":      strings.Replace(start, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"two lengths":             start + "Content-Length: 0\r\nContent-Length: 32\r\n\r\n" + hidden,
		"a signed length":         start + "Content-Length: +32\r\n\r\n" + hidden,
		"obs-fold":                start + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + hidden,
		"space before the colon":  start + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a bare LF in the header": start + "X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a bare LF in a chunk":    start + "Transfer-Encoding: chunked\r\n\r\n3;\nxx\r\nx=y\r\n0\r\n\r\n" + hidden,
		"a bare CR in the header": start + "X-A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"NUL in the header":       start + "X-A: b\x00\r\n\r\n" + hidden,
		"a negative chunk":        start + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + hidden,
		"an overlong chunk size":  start + "Transfer-Encoding: chunked\r\n\r\n00000000000000000001\r\nx\r\n0\r\n\r\n" + hidden,
	} {
		wantWire(t, a, what, strings.NewReader(request), http.StatusBadRequest)
	}
	if answers, hungUp := wire(t, a, strings.NewReader(start+"Transfer-Encoding: chunked\r\n\r\n3\r\nx=y\r\n0\r\n\r\n"+hidden)); len(answers) != 1 || answers[0].Status != http.StatusUnauthorized || !hungUp {
		t.Errorf("a chunked request: %v, hung up: %v, want 401 and the end, since nothing may follow", statusesOf(answers), hungUp)
	}
	pipelined := start + "Content-Length: 3\r\n\r\nx=y" + hidden + strings.Replace(hidden, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	if answers, _ := wire(t, a, strings.NewReader(pipelined)); !slices.Equal(statusesOf(answers), []int{401, 200, 200}) {
		t.Errorf("honest requests in one go: %v, want 401, 200 and 200", statusesOf(answers))
	}
}
