package storm_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/cli"
)

// asMintmark makes this test binary be `mintmark`, in a process that can be killed.
const asMintmark = "MINTMARK_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asMintmark) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go endWithParent()
	os.Exit(cli.Run(ctx, cli.Process{Args: os.Args[1:], Environ: os.Environ(), Stdin: strings.NewReader(""), Stdout: os.Stdout, Stderr: os.Stderr}))
}

// endWithParent ends this process when the one that started it is gone, however
// that ended: a pipe from it is our standard input.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end, too
	os.Exit(1)
}

// long is how long the storms of a long run last; 0 in a short one.
func long(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv("MINTMARK_TEST_STORM")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("MINTMARK_TEST_STORM is %q: write a duration such as 30m", text)
	}
	return d
}

// process is one life of `mintmark serve`.
type process struct {
	cmd    *exec.Cmd
	public string // its URL
	said   *tail
	ended  chan struct{} // closed when it is gone, and nothing of it runs any more
}

// spawn runs `mintmark serve` with these settings and returns when it is ready.
func spawn(t testing.TB, settings ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], "serve", "--output", "json"), said: &tail{}, ended: make(chan struct{})}
	p.cmd.Env = append([]string{asMintmark + "=1", "PATH=" + os.Getenv("PATH")}, settings...)
	p.cmd.Stderr = p.said
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.cmd.StdinPipe(); err != nil { // for endWithParent; Wait closes it
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	giveUp := time.AfterFunc(longEnough, func() { _ = p.cmd.Process.Kill() }) // ends its output, and the wait for it
	defer giveUp.Stop()
	var ready struct{ Issuer, Public, Operations string }
	err = json.NewDecoder(bufio.NewReader(stdout)).Decode(&ready)
	p.public = ready.Public
	go func() {
		_ = p.cmd.Wait() // killed: its status says nothing
		close(p.ended)
	}()
	if err != nil {
		p.kill() // now its log is whole
		t.Fatalf("serve did not become ready within %s: %v\n%s", longEnough, err, p.said)
	}
	return p
}

// kill ends the process by SIGKILL and returns when it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

func (p *process) isGone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// tail keeps the end of a log.
type tail struct {
	mu sync.Mutex
	b  []byte // guarded by mu
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const enough = 16 << 10
	l.b = append(l.b, p...)
	l.b = l.b[max(0, len(l.b)-enough):]
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}

// longEnough is how long a test waits for what must happen, on a busy machine, too.
const longEnough = 50 * time.Second

// eventually asks until the answer is yes.
func eventually(t testing.TB, what string, ask func() bool) {
	t.Helper()
	deadline := time.Now().Add(longEnough)
	for !ask() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, longEnough)
		}
		wait(20 * time.Millisecond)
	}
}

// wait lets time pass: how long a fault lasts or a client thinks, never a way to
// synchronise.
func wait(d time.Duration) {
	passed := time.NewTimer(d)
	<-passed.C
}

// milliseconds writes durations for people.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
