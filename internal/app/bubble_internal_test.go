package app

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/config"
)

// pipes is a listener in memory, so that time stands still in a bubble while nobody
// speaks.
type pipes struct {
	coming  chan net.Conn
	closed  chan struct{}
	close   func()
	onClose func()
	port    int
}

func newPipes() *pipes {
	p := &pipes{coming: make(chan net.Conn), closed: make(chan struct{}), onClose: func() {}, port: 1}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.coming:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.onClose()
	p.close()
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.port} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.coming <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// get asks for a path on a connection of its own.
func (p *pipes) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	status, body, err := p.ask(t.Context(), path, "")
	if err != nil {
		t.Fatal(err)
	}
	return status, body
}

func (p *pipes) ask(ctx context.Context, path, etag string) (status int, body string, err error) {
	client := &http.Client{Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return 0, "", err
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// testApp is an authority in a bubble, with listeners in memory.
type testApp struct {
	*App
	public, operations *pipes
	said               *told
}

// build opens an authority on a fresh data directory. It does not run yet.
func build(t *testing.T, settings ...string) *testApp {
	t.Helper()
	dir := t.TempDir()
	for name, content := range seed(t) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return buildIn(t, dir, settings...)
}

func buildIn(t *testing.T, dir string, settings ...string) *testApp {
	t.Helper()
	h := &testApp{public: newPipes(), operations: newPipes(), said: &told{}}
	var err error
	if h.App, err = Open(t.Context(), configured(t, append(settings, "MINTMARK_DATA_DIR="+dir)...), h.said.logger()); err != nil {
		t.Fatal(err)
	}
	for _, real := range []net.Listener{h.App.public, h.App.operations} {
		if err := real.Close(); err != nil {
			t.Fatal(err)
		}
	}
	h.App.public, h.App.operations = h.public, h.operations
	return h
}

func configured(t *testing.T, settings ...string) config.Config {
	t.Helper()
	cfg, err := config.Load(nil, append([]string{
		"MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0",
		"MINTMARK_PASSWORD_MEMORY_KIB=8192", "MINTMARK_PASSWORD_TIME=1",
	}, settings...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// run serves until the function it returns is called, which gives Run's error.
func (h *testApp) run(t *testing.T) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- h.Run(ctx, func() { close(ready) }) }()
	<-ready
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// seeding makes the data directory that bubbles start from: a key takes long to draw.
var seeding struct {
	sync.Once
	files map[string][]byte
}

// seed must be called in a bubble, whose time the first key is published in.
func seed(t *testing.T) map[string][]byte {
	t.Helper()
	seeding.Do(func() {
		dir := t.TempDir()
		a, err := Open(t.Context(), configured(t, "MINTMARK_DATA_DIR="+dir, "MINTMARK_ISSUER=http://localhost:1"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.keys.Maintain(t.Context()); err != nil { // a standby
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		files := make(map[string][]byte)
		for _, name := range []string{databaseFile, secretFile, issuerFile} {
			if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		seeding.files = files
	})
	if seeding.files == nil {
		t.Fatal("the data directory that bubbles start from could not be made")
	}
	time.Sleep(time.Minute) // as old as the seed, at least
	synctest.Wait()
	return seeding.files
}

func wantLine(t *testing.T, log, line string) {
	t.Helper()
	if strings.Count(log, line) != 1 {
		t.Errorf("the log says %d times %q, want it once:\n%s", strings.Count(log, line), line, log)
	}
}
