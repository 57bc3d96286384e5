package deployment_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// longEnough is how long a test waits for another process.
const longEnough = 30 * time.Second

// TestNginxSendsNoRequestTwiceButARefresh stands replicas behind the real nginx that take each request and break off.
// The first try of a login may have begun a session, so nobody may repeat it but its client.
func TestNginxSendsNoRequestTwiceButARefresh(t *testing.T) {
	t.Parallel()
	first, second := newBreaker(t), newBreaker(t)
	address := startNginx(t, first.address, second.address)
	for path, want := range map[string]int64{
		"/api/authentication/refresh-token":  2, // within the grace it gets the same successor
		"/api/authentication/login":          1,
		"/api/authentication/register":       1,
		"/api/authentication/logout":         1,
		"/api/authentication/refresh-token/": 1,
		"/oauth/token":                       1,
		"/oauth/revoke":                      1,
		"/":                                  1,
	} {
		before := first.taken.Load() + second.taken.Load()
		status := post(t, "http://"+address+path)
		if got := first.taken.Load() + second.taken.Load() - before; got != want || status != http.StatusBadGateway {
			t.Errorf("POST %s was sent %d times and answered with %d, want %d and 502", path, got, status, want)
		}
	}
}

// TestNginxHoldsNoReplicaToBeDown: after failures of all of them, the next request still reaches one.
func TestNginxHoldsNoReplicaToBeDown(t *testing.T) {
	t.Parallel()
	first, second := newBreaker(t), newBreaker(t) // of one alone nginx would never think so
	address := startNginx(t, first.address, second.address)
	for i := range int64(5) {
		post(t, "http://"+address+"/oauth/token")
		if got := first.taken.Load() + second.taken.Load(); got != i+1 {
			t.Errorf("request %d: the replicas have got %d", i+1, got)
		}
	}
}

func post(t *testing.T, url string) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Timeout: longEnough}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// breaker is a replica that takes requests and answers none.
type breaker struct {
	address string
	taken   atomic.Int64
}

func newBreaker(t *testing.T) *breaker {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	b := &breaker{address: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					b.taken.Add(1)
				}
			}()
		}
	}()
	return b
}

// startNginx runs nginx with deploy/nginx.conf before these replicas and returns where it listens.
func startNginx(t *testing.T, replicas ...string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	var servers strings.Builder
	for _, replica := range replicas {
		fmt.Fprintf(&servers, "server %s $1;\n", replica)
	}
	text := string(read(t, "deploy/nginx.conf"))
	upstream := regexp.MustCompile(`server mintmark:8080 resolve (.*);`)
	if got := len(upstream.FindAllString(text, -1)); got != 2 {
		t.Fatalf("%d upstreams follow their name, want 2", got)
	}
	text = upstream.ReplaceAllString(text, servers.String())
	folder := t.TempDir()
	text = "daemon off;\n" + standing(strings.Replace(text, "listen 8080;", "listen "+address+";", 1))
	if err := os.WriteFile(filepath.Join(folder, "nginx.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx(t), "-e", "stderr", "-p", folder, "-c", "nginx.conf")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	tries := time.NewTicker(10 * time.Millisecond) // nginx does not tell when it listens
	defer tries.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), longEnough)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return address
		}
		select {
		case <-tries.C:
		case <-ctx.Done():
			t.Fatalf("nginx does not listen: %v", err)
		}
	}
}
