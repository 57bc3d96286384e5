package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
)

// caller keeps one connection to a listener open.
type caller struct {
	net.Conn
	answers *bufio.Reader
}

func (p *pipes) call(t *testing.T) *caller {
	t.Helper()
	c, err := p.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &caller{c, bufio.NewReader(c)}
}

func (c *caller) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// hear reads an answer.
func (c *caller) hear(t *testing.T) *http.Response {
	t.Helper()
	got, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	if _, err := io.Copy(io.Discard, got.Body); err != nil {
		t.Fatal(err)
	}
	return got
}

// ended reports whether the other side has closed.
func (c *caller) ended() bool {
	_, err := c.answers.ReadByte()
	return errors.Is(err, io.EOF)
}

const askKeys = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\n\r\n"

// TestRequestsAreWelcomeUntilBalancersKnow: through the delay /readyz is red, and whoever comes all the same is served, on
// new connections and on those that were open.
func TestRequestsAreWelcomeUntilBalancersKnow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, "MINTMARK_SHUTDOWN_DELAY=5s")
		stop := h.run(t)
		kept := h.public.call(t)
		kept.send(t, askKeys)
		if got := kept.hear(t); got.StatusCode != 200 || got.Close {
			t.Errorf("before: %d, close %v", got.StatusCode, got.Close)
		}
		begun := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- stop() }()
		for range 4 {
			synctest.Wait()
			if status, body := h.operations.get(t, "/readyz"); status != 503 || body != "not ready: "+errNotReady.Error()+"\n" {
				t.Errorf("to operators, after %s: %d %q", time.Since(begun), status, body)
			}
			if status, _ := h.public.get(t, "/readyz"); status != 503 {
				t.Errorf("in public, after %s: %d", time.Since(begun), status)
			}
			if status, _ := h.public.get(t, "/.well-known/jwks.json"); status != 200 {
				t.Errorf("a request after %s: %d", time.Since(begun), status)
			}
			time.Sleep(time.Second)
		}
		kept.send(t, askKeys)
		if got := kept.hear(t); got.StatusCode != 200 || !got.Close || !kept.ended() {
			t.Errorf("on a connection that was open: %d, close %v; want 200, and the end", got.StatusCode, got.Close)
		}
		if err := <-ended; err != nil || time.Since(begun) < 5*time.Second || time.Since(begun) > 6*time.Second {
			t.Errorf("ended with %v after %s, want 5s", err, time.Since(begun))
		}
		if _, err := h.public.dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a connection at the end: %v", err)
		}
		wantLine(t, h.said.String(), `msg="leaving; requests are still served until balancers have noticed" for=5s`)
	})
}

// TestWhoWaitsForAListIsSentHomeAtOnce, and comes back on another connection.
func TestWhoWaitsForAListIsSentHomeAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, "MINTMARK_SHUTDOWN_DELAY=5s")
		stop := h.run(t)
		const wait = "GET /oauth/status-lists/0?wait=25 HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\n\r\n"
		waiting := h.public.call(t)
		waiting.send(t, wait)
		synctest.Wait()
		begun := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- stop() }()
		late := h.public.call(t)
		for _, c := range []*caller{waiting, late} {
			if c == late {
				synctest.Wait()
				c.send(t, wait)
			}
			if got := c.hear(t); got.StatusCode != http.StatusNotModified || !got.Close || time.Since(begun) > time.Second {
				t.Errorf("who waits hears %d, close %v, after %s; want a 304 and the end at once", got.StatusCode, got.Close, time.Since(begun))
			}
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestTheAuthorityGoesOnWhileItLeaves: what is revoked meanwhile still reaches its lists.
func TestTheAuthorityGoesOnWhileItLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, "MINTMARK_SHUTDOWN_DELAY=1m")
		stop := h.run(t)
		ended := make(chan error, 1)
		go func() { ended <- stop() }()
		time.Sleep(50 * time.Second)
		if age := h.lists.Age(); age > revocation.PollEvery {
			t.Errorf("the lists are %s old", age)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestADoorThatFailsEndsTheDelay, as nothing is left to be waited for.
func TestADoorThatFailsEndsTheDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, "MINTMARK_SHUTDOWN_DELAY=1m")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx, func() {}) }()
		synctest.Wait()
		begun := time.Now()
		cancel()
		time.Sleep(time.Second)
		h.public.close()
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "serve 127.0.0.1:1") || time.Since(begun) > 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

// TestWhoHasJustConnectedIsServed: net/http would drop its request.
func TestWhoHasJustConnectedIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		stop := h.run(t)
		c := h.public.call(t)
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- stop() }()
		synctest.Wait()
		c.send(t, askKeys)
		if got := c.hear(t); got.StatusCode != 200 || !got.Close {
			t.Errorf("%d, close %v", got.StatusCode, got.Close)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestAnIdleConnectionDoesNotHoldUpTheEnd.
func TestAnIdleConnectionDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		stop := h.run(t)
		idle := h.public.call(t)
		idle.send(t, askKeys)
		idle.hear(t)
		begun := time.Now()
		if err := stop(); err != nil || time.Since(begun) > time.Second || !idle.ended() {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}
