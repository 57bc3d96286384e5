package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestConnectionsAreCutAfterTheDrainTime, all of both listeners, and not before.
func TestConnectionsAreCutAfterTheDrainTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var doors []*door
		var conns []net.Conn
		for range 2 {
			p := newPipes()
			d := opened(p, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
			c, err := p.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			doors, conns = append(doors, d), append(conns, c)
		}
		synctest.Wait()
		begun := time.Now()
		var cut [2]time.Duration
		var wg sync.WaitGroup
		for i, c := range conns {
			wg.Go(func() {
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("a connection in flight ends with %v", err)
				}
				cut[i] = time.Since(begun)
			})
		}
		err := drain(doors...)
		if took := time.Since(begun); took != drainTimeout || !errors.Is(err, context.DeadlineExceeded) || strings.Count(err.Error(), "drain: ") != 2 {
			t.Errorf("drained after %s: %v; want both to be told after %s", took, err, drainTimeout)
		}
		synctest.Wait()
		wg.Wait()
		if want := [2]time.Duration{drainTimeout, drainTimeout}; cut != want {
			t.Errorf("cut after %v, want %v", cut, want)
		}
		close(release)
	})
}

// opened is a door of an authority that is ready, with a handler of the test behind it.
func opened(p *pipes, h http.Handler) *door {
	a := &App{log: slog.New(slog.DiscardHandler), cfg: config.Config{HTTPIdleTimeout: time.Hour}}
	a.ready.serving.Store(true)
	d := a.door(httpapi.NewListener(p, publicBounds(), nil), h)
	go d.serve(make(chan error, 1))
	return d
}

// kept is a store of events and checkpoints that a test looks into, and breaks.
type kept struct {
	session.Store
	mu          sync.Mutex
	fails       func(ctx context.Context) error // guarded by mu
	events      int                             // guarded by mu
	checkpoints int                             // guarded by mu
}

func (k *kept) AppendEvents(ctx context.Context, events []audit.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.fails(ctx); err != nil {
		return err
	}
	k.events += len(events)
	return nil
}

func (k *kept) Events(context.Context, audit.Query) ([]audit.Event, error) { return nil, nil }

func (k *kept) SaveCheckpoints(ctx context.Context, batch []session.Checkpoint, _ time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.fails(ctx); err != nil {
		return err
	}
	k.checkpoints += len(batch)
	return nil
}

func (k *kept) saved() [2]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return [2]int{k.events, k.checkpoints}
}

func never(context.Context) error { return nil }

// keep puts other stores behind the queues.
func (h *testApp) keep(events, checkpoints *kept) {
	h.events, h.checkpoints = audit.NewQueue(events), session.NewCheckpoints(checkpoints)
	h.api.Authority.Events, h.api.Authority.Checkpoints = h.events, h.checkpoints
}

// note queues one event and one checkpoint.
func (h *testApp) note(id string) {
	h.events.Add(audit.New(audit.SessionRefused, audit.ByClient("first-party")))
	seen := session.Standing{Session: session.Session{ID: id, Checkpoint: 1}, Now: time.Now()} // never seen before
	h.checkpoints.Note(seen, 2)
}

func TestWhatIsQueuedIsWrittenEveryTwoSecondsAndAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{fails: never}
		h := build(t)
		h.keep(k, k)
		stop := h.run(t)
		time.Sleep(time.Second)
		h.note("a")
		time.Sleep(time.Second - time.Millisecond)
		if got := k.saved(); got != [2]int{} {
			t.Errorf("%v are written at once", got)
		}
		time.Sleep(2 * time.Millisecond)
		if got, want := k.saved(), [2]int{1, 1}; got != want {
			t.Errorf("after two seconds %v are written, want %v", got, want)
		}
		h.note("b")
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got, want := k.saved(), [2]int{2, 2}; got != want {
			t.Errorf("after the end %v are written, want %v", got, want)
		}
	})
}

// TestWhatTheLastRequestQueuesIsWritten: the last flush comes after the drain.
func TestWhatTheLastRequestQueuesIsWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{fails: never}
		h := build(t)
		h.keep(k, k)
		entered, release := make(chan struct{}), make(chan struct{})
		h.metricsServe(func() {
			close(entered)
			<-release
			h.note("last")
		})
		stop := h.run(t)
		answered := make(chan int, 1)
		go func() {
			status, _, err := h.operations.ask(t.Context(), "/metrics", "")
			if err != nil {
				t.Error(err)
			}
			answered <- status
		}()
		<-entered
		time.Sleep(500 * time.Millisecond)
		time.AfterFunc(1600*time.Millisecond, func() { close(release) }) // just after a tick of the queues
		if err := stop(); err != nil {
			t.Errorf("a request that ends in time fails the shutdown: %v", err)
		}
		if status := <-answered; status != http.StatusOK {
			t.Errorf("a request in flight was answered %d", status)
		}
		if got, want := k.saved(), [2]int{1, 1}; got != want {
			t.Errorf("%v are written, want %v", got, want)
		}
	})
}

// metricsServe lets a test into a request of the operations.
func (h *testApp) metricsServe(serve func()) {
	h.api.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { serve() })
}

// TestOneQueueThatFailsLeavesTheOtherToBeWritten at the end, and is logged.
func TestOneQueueThatFailsLeavesTheOtherToBeWritten(t *testing.T) {
	t.Parallel()
	broken := func(context.Context) error { return errors.New("disk full") }
	for name, c := range map[string]struct {
		events, checkpoints func(context.Context) error
		want                [2]int
	}{
		"events":      {broken, never, [2]int{0, 1}},
		"checkpoints": {never, broken, [2]int{1, 0}},
	} {
		synctest.Test(t, func(t *testing.T) {
			events, checkpoints := &kept{fails: c.events}, &kept{fails: c.checkpoints}
			h := build(t)
			h.keep(events, checkpoints)
			stop := h.run(t)
			synctest.Wait() // the first ticks are over, so that only the end writes
			h.note("a")
			if err := stop(); err != nil {
				t.Errorf("%s fail: %v, want the shutdown to go on", name, err)
			}
			if got := [2]int{events.saved()[0], checkpoints.saved()[1]}; got != c.want {
				t.Errorf("%s fail: %v are written, want %v", name, got, c.want)
			}
			if log := h.said.String(); !strings.Contains(log, `level=WARN msg="flush at shutdown" err="`) || !strings.Contains(log, "disk full") {
				t.Errorf("%s fail, and the log says\n%s", name, log)
			}
		})
	}
}

// TestAFlushThatHangsIsGivenUpAtTheEnd, and what it held is tried once more first: the ticks stop before the last flush.
func TestAFlushThatHangsIsGivenUpAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hung := 0
		k := &kept{}
		k.fails = func(ctx context.Context) error {
			if hung++; hung > 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		h := build(t)
		h.keep(&kept{fails: never}, k)
		h.note("a")
		stop := h.run(t)
		synctest.Wait() // the first flush of the checkpoints hangs
		begun := time.Now()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := k.saved(); got[1] != 1 || hung != 2 {
			t.Errorf("%d checkpoints are written in %d tries, want 1 in 2", got[1], hung)
		}
		if took := time.Since(begun); took > tickTimeout/2 {
			t.Errorf("the end waited %s for a task", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		k := &kept{fails: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		h := build(t)
		h.keep(&kept{fails: never}, k)
		stop := h.run(t)
		synctest.Wait()
		h.note("a")
		begun := time.Now()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took < lastFlushWithin || took > lastFlushWithin+time.Second {
			t.Errorf("the last flush was given %s, want %s", took, lastFlushWithin)
		}
	})
}

// TestALastFlushThatHangsTakesNoTimeFromTheOther, and what stays unwritten is counted in the log.
func TestALastFlushThatHangsTakesNoTimeFromTheOther(t *testing.T) {
	t.Parallel()
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	slow := func(ctx context.Context) error {
		select {
		case <-time.After(lastFlushWithin - time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for name, c := range map[string]struct {
		events, checkpoints func(context.Context) error
		want                [2]int
		lost                string
	}{
		"events":      {hangs, slow, [2]int{0, 2}, "events_lost=2 checkpoints_lost=0"},
		"checkpoints": {slow, hangs, [2]int{2, 0}, "events_lost=0 checkpoints_lost=2"},
		"both":        {hangs, hangs, [2]int{0, 0}, "events_lost=2 checkpoints_lost=2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			events, checkpoints := &kept{fails: c.events}, &kept{fails: c.checkpoints}
			h := build(t)
			h.keep(events, checkpoints)
			stop := h.run(t)
			synctest.Wait() // the first ticks are over, so that only the end writes
			h.note("a")
			h.note("b")
			begun := time.Now()
			if err := stop(); err != nil {
				t.Errorf("%s hang: %v, want the shutdown to go on", name, err)
			}
			if got := [2]int{events.saved()[0], checkpoints.saved()[1]}; got != c.want {
				t.Errorf("%s hang: %v are written, want %v", name, got, c.want)
			}
			if log := h.said.String(); !strings.Contains(log, c.lost) {
				t.Errorf("%s hang, and the log says\n%s\nwant %s", name, log, c.lost)
			}
			if took := time.Since(begun); took > 2*lastFlushWithin+time.Second {
				t.Errorf("%s hang: the end took %s", name, took)
			}
		})
	}
}

func TestRequestsThatWaitForAListDoNotDelayTheShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		stop := h.run(t)
		answered := make(chan int, 1)
		go func() {
			status, _, err := h.public.ask(t.Context(), "/oauth/status-lists/0?wait=25", "*")
			if err != nil {
				t.Error(err)
			}
			answered <- status
		}()
		time.Sleep(11 * time.Second) // which is longer than a request may be read
		if h.api.Waiting() != 1 {
			t.Errorf("%d wait, want 1", h.api.Waiting())
		}
		begun := time.Now()
		if err := stop(); err != nil || time.Since(begun) > time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		if status := <-answered; status != http.StatusNotModified {
			t.Errorf("who waited hears %d, want 304", status)
		}
	})
}

// TestAListenerThatFailsEndsTheRun, with the error and in order.
func TestAListenerThatFailsEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"public", "operations"} {
		synctest.Test(t, func(t *testing.T) {
			k := &kept{fails: never}
			h := build(t)
			h.keep(k, k)
			failing := map[string]*pipes{"public": h.public, "operations": h.operations}[which]
			done := make(chan error, 1)
			go func() { done <- h.Run(t.Context(), func() {}) }()
			synctest.Wait()
			h.note("a")
			failing.close()
			if err := <-done; err == nil || !strings.Contains(err.Error(), "serve 127.0.0.1:1") || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", which, err)
			}
			if got, want := k.saved(), [2]int{1, 1}; got != want {
				t.Errorf("%s: %v are written, want %v", which, got, want)
			}
		})
	}
}

func TestCloseClosesAllInReverseOrderAndReportsFailures(t *testing.T) {
	t.Parallel()
	first, last := errors.New("first"), errors.New("last")
	var order []int
	closer := func(n int, err error) func() error {
		return func() error {
			order = append(order, n)
			return err
		}
	}
	a := &App{closers: []func() error{closer(0, first), closer(1, nil), closer(2, fmt.Errorf("listener: %w", net.ErrClosed)), closer(3, last)}}
	if err := a.Close(); !errors.Is(err, first) || !errors.Is(err, last) || errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want what failed, but no listener that was closed already", err)
	}
	if diff := cmp.Diff([]int{3, 2, 1, 0}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if err := a.Close(); err != nil || len(order) != 4 {
		t.Errorf("a second time: %v, and %v", err, order)
	}
}

func TestTheEndOfRunClosesEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		last := errors.New("closing fails")
		h.closers = append(h.closers, func() error { return last })
		stop := h.run(t)
		if err := stop(); !errors.Is(err, last) {
			t.Errorf("got %v, want %v", err, last)
		}
		if _, err := h.store.Clients(t.Context()); err == nil {
			t.Error("the store is still open")
		}
		dir, err := claimDataDir(h.cfg.DataDir)
		if err != nil {
			t.Fatalf("the data directory after the end: %v", err)
		}
		if err := dir.release(); err != nil {
			t.Error(err)
		}
	})
}

// slow sends octets to a server with the bounds of serve, and returns what came back and when
// the connection ended.
func slow(t *testing.T, h http.Handler, send func(c net.Conn)) (answer string, ended time.Duration) {
	t.Helper()
	p := newPipes()
	defer opened(p, h).Close()
	c, err := p.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begun := time.Now()
	go send(c)
	got, err := io.ReadAll(bufio.NewReader(c))
	if err != nil {
		t.Error(err)
	}
	return string(got), time.Since(begun)
}

func TestASlowCallerIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		say := func(text string) func(net.Conn) { return func(c net.Conn) { _, _ = io.WriteString(c, text) } }
		echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusRequestTimeout)
			}
		})
		for name, c := range map[string]struct {
			send     func(net.Conn)
			begins   string
			from, to time.Duration
		}{
			"who says nothing":               {say(""), "", headerTimeout, headerTimeout},
			"who never ends the header":      {say("GET / HTTP/1.1\r\nHost: localhost\r\n"), "", headerTimeout, headerTimeout},
			"who never ends the body":        {say("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"), "HTTP/1.1 408 ", readTimeout, readTimeout},
			"who asks once and stays":        {say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "HTTP/1.1 200 ", time.Hour, time.Hour},
			"who sends a header without end": {say("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", maxHeaderBytes+8192)), "HTTP/1.1 431 ", 0, headerTimeout - 1},
		} {
			answer, ended := slow(t, echo, c.send)
			if !strings.HasPrefix(answer, c.begins) || (c.begins == "") != (answer == "") || ended < c.from || ended > c.to {
				t.Errorf("%s: %.40q, and the end after %s; want %q after %s to %s", name, answer, ended, c.begins, c.from, c.to)
			}
		}
	})
}

// TestACallerThatNeverReadsItsAnswerIsCutOff: the handler must not be held forever.
func TestACallerThatNeverReadsItsAnswerIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		freed := make(chan time.Duration, 1)
		server := opened(p, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			begun := time.Now()
			_, err := w.Write(make([]byte, 1<<20))
			if err == nil {
				t.Error("an answer that nobody read is written")
			}
			freed <- time.Since(begun)
		}))
		defer server.Close()
		c, err := p.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		select {
		case took := <-freed:
			if took != writeTimeout {
				t.Errorf("the handler is free after %s, want %s", took, writeTimeout)
			}
		case <-time.After(time.Hour):
			t.Errorf("the handler is held for an hour, want %s", writeTimeout)
		}
	})
}

// TestOPTIONSOfTheWholeServerGoesTheWayOfEveryRequest, or it would lack what every answer carries.
func TestOPTIONSOfTheWholeServerGoesTheWayOfEveryRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer, _ := slow(t, http.NotFoundHandler(), func(c net.Conn) {
			_, _ = io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		})
		if !strings.HasPrefix(answer, "HTTP/1.1 404 ") {
			t.Errorf("got %.40q, want what the handler says", answer)
		}
	})
}
