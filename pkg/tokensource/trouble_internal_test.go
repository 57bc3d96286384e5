package tokensource

import (
	"bufio"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

// TestErrorsHoldNoTextThatNetHTTPQuotes: it shows what it can't read.
func TestErrorsHoldNoTextThatNetHTTPQuotes(t *testing.T) {
	t.Parallel()
	const secret = "r1-and-the-secret"
	for name, answer := range map[string]string{
		"no HTTP": secret + "\r\n\r\n", "a status": "HTTP/1.1 " + secret + "\r\n\r\n", "a reason": "HTTP/1.1 407 " + secret + "\r\n\r\n",
		"a header":   "HTTP/1.1 200 OK\r\n" + secret + "\r\n\r\n",
		"a length":   "HTTP/1.1 200 OK\r\nContent-Length: " + secret + "\r\n\r\n",
		"a coding":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + secret + "\r\n\r\n",
		"a location": "HTTP/1.1 302 Found\r\nLocation: https://a:" + secret + "\r\n\r\n",
		"a chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secret + "\r\n",
	} {
		address := raw(t, answer)
		proxied := &http.Transport{
			Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: address, User: url.UserPassword("u", secret)}), DisableKeepAlives: true,
		}
		for kind, cfg := range map[string]Config{
			"authority": {TokenURL: "http://" + address + "/oauth/token"},
			"proxy":     {TokenURL: "https://auth.example.com/oauth/token", HTTPClient: &http.Client{Transport: proxied}},
		} {
			got := newEndpoint(cfg.withDefaults()).refresh(t.Context(), oauth2.Token{RefreshToken: "r1"})
			if got.err == nil || strings.Contains(got.err.Error(), secret) || got.kind != unknown {
				t.Errorf("%s of the %s: %+v", name, kind, got)
			}
		}
	}
}

// raw listens for requests and sends the same bytes to each.
func raw(t *testing.T, answer string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = conn.Write([]byte(answer))
			}
			conn.Close()
		}
	}()
	return listener.Addr().String()
}
