package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
)

// Bounds on connections. ReadTimeout covers header and body, which are small.
const (
	headerTimeout   = 5 * time.Second
	readTimeout     = 10 * time.Second
	writeTimeout    = 40 * time.Second
	idleTimeout     = 90 * time.Second
	maxHeaderBytes  = 64 << 10
	maxConnections  = 10_000
	maxOperators    = 500
	drainTimeout    = 10 * time.Second
	clientsEvery    = time.Second
	flushEvery      = 2 * time.Second
	tickTimeout     = 5 * time.Second
	gatherFor       = 50 * time.Millisecond // what is hinted at within it is done at once
	awaitAgain      = 5 * time.Second
	lastFlushWithin = 2 * time.Second
)

var errNotReady = errors.New("starting or shutting down")

// readiness reports whether the authority wants requests.
type readiness struct{ serving atomic.Bool }

// isReady is nil from the first snapshot of the keys until shutdown begins, unless
// that snapshot goes stale. A dependency that is down does not turn it red: the
// JWKS must stay reachable.
func (a *App) isReady() error {
	if !a.ready.serving.Load() {
		return errNotReady
	}
	return a.keys.Ready()
}

// Run serves until ctx ends, then drains the requests in flight for at most ten
// seconds, writes what is queued, and closes everything. ready is called once
// requests are welcome.
func (a *App) Run(ctx context.Context, ready func()) error {
	public := a.server(a.wrap(a.api.Public()))
	operations := a.server(a.api.Operations())
	failed := make(chan error, 2)
	guarded := httpapi.NewListener(a.public, maxConnections, a.cfg.TrustedProxies)
	a.metrics.Gauge("mintmark_http_connections", "Open connections on the public listener.",
		func() float64 { return float64(guarded.Open()) })
	go serve(public, guarded, failed)
	go serve(operations, httpapi.NewListener(a.operations, maxOperators, nil), failed)
	a.ready.serving.Store(true)
	ready()

	ticking, stopTicks := context.WithCancel(context.WithoutCancel(ctx))
	var ticks sync.WaitGroup
	a.startTicks(ticking, &ticks)

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	a.ready.serving.Store(false)
	a.lists.Stop()
	a.log.Info("shutting down; waiting for the requests in flight")
	err = errors.Join(err, drain(public, operations))
	stopTicks()
	ticks.Wait()
	a.flush(context.WithoutCancel(ctx))
	return errors.Join(err, a.Close())
}

func (a *App) wrap(h http.Handler) http.Handler {
	if a.tracing == nil {
		return h
	}
	return a.tracing.Handler(h)
}

func (a *App) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true, // `OPTIONS *` goes the way of every request
	}
}

func serve(s *http.Server, l net.Listener, failed chan<- error) {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
}

// drain lets requests in flight end, at most drainTimeout, then cuts them off.
func drain(servers ...*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				errs[i] = errors.Join(fmt.Errorf("drain: %w", err), s.Close())
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// startTicks starts what happens by itself: each tick on its own, so that a slow
// one delays no other.
func (a *App) startTicks(ctx context.Context, wg *sync.WaitGroup) {
	keysChanged, clientsChanged := make(chan struct{}, 1), make(chan struct{}, 1)
	wg.Go(func() { a.heed(ctx, a.store.AwaitSigningKeys, keysChanged) })
	wg.Go(func() { a.heed(ctx, a.store.AwaitClients, clientsChanged) })
	for _, task := range []task{
		{"keys", keyring.PollEvery, 0, keysChanged, a.tendKeys},
		{"clocks", clocksEvery, 0, nil, a.readClocks},
		{"clients", clientsEvery, 0, clientsChanged, a.clients.Refresh},
		{"status lists", revocation.PollEvery, revocation.Apart, a.lists.Woken(), a.lists.Refresh},
		{"checkpoints", flushEvery, 0, nil, a.checkpoints.Flush},
		{"events", flushEvery, 0, nil, a.events.Flush},
	} {
		wg.Go(func() { a.tick(ctx, task) })
	}
}

// task is what happens by itself, every interval and when it is hinted that it should.
type task struct {
	name  string
	every time.Duration
	apart time.Duration   // from one begin to the next at least, however often it is hinted at
	hint  <-chan struct{} // nil: none comes
	do    func(context.Context) error
}

// heed passes on that something was changed elsewhere. Hints may get lost; the task that
// gets them polls as well, so trouble with them is no error. All channels share one
// connection, so the first that hears nothing warns for the others.
func (a *App) heed(ctx context.Context, await func(context.Context) error, hint chan<- struct{}) {
	for ctx.Err() == nil {
		if err := await(ctx); err != nil {
			if ctx.Err() == nil && !a.deaf.Swap(true) {
				a.log.Warn("changes by other processes are seen only at the next poll; trying to listen again", "err", err)
			}
			pause(ctx, awaitAgain)
			continue
		}
		a.deaf.Store(false)
		select {
		case hint <- struct{}{}:
		default: // one waits already
		}
	}
}

// tick does a task now, every interval and at a hint. It logs when the task begins to
// fail and when it is well again, not every time.
func (a *App) tick(ctx context.Context, t task) {
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	failing := false
	for ctx.Err() == nil {
		began := time.Now()
		err := within(ctx, tickTimeout, t.do)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			failing = true
			a.log.Error("background task fails; it will be tried again", "task", t.name, "err", err)
		case err == nil && failing:
			failing = false
			a.log.Info("background task is well again", "task", t.name)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-t.hint:
			pause(ctx, gatherFor)
		}
		pause(ctx, time.Until(began.Add(t.apart)))
	}
}

// pause waits, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// tendKeys rereads the keys and makes those that are due, a standby first of all.
func (a *App) tendKeys(ctx context.Context) error {
	before := a.keys.Outlook()
	if err := a.keys.Refresh(ctx); err != nil {
		return err
	}
	err := errors.Join(a.keys.Damage(), a.keys.Maintain(ctx))
	now := a.keys.Outlook()
	if now.Signing != before.Signing {
		a.log.Info("another key signs now", "kid", now.Signing, "before", before.Signing, "next_switch", now.NextSwitch)
	}
	return err
}

// flush writes what is still queued at the end, the events first: a checkpoint that is lost is noted again by the
// next refresh of its session. Each has its own time, so that one that hangs takes none from the other.
func (a *App) flush(ctx context.Context) {
	err := errors.Join(within(ctx, lastFlushWithin, a.events.Flush), within(ctx, lastFlushWithin, a.checkpoints.Flush))
	if err != nil {
		a.log.Warn("flush at shutdown", "err", err, "events_lost", a.events.Waiting(), "checkpoints_lost", a.checkpoints.Waiting())
	}
}

func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx)
}
