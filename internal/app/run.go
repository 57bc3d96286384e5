package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

const (
	drainTimeout    = 10 * time.Second
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

// flush writes what is still queued at the end, the events first: a checkpoint that is lost is noted again by the
// next refresh of its session. Each has its own time, so that one that hangs takes none from the other.
func (a *App) flush(ctx context.Context) {
	err := errors.Join(within(ctx, lastFlushWithin, a.events.Flush), within(ctx, lastFlushWithin, a.checkpoints.Flush))
	if err != nil {
		a.log.Warn("flush at shutdown", "err", err, "events_lost", a.events.Waiting(), "checkpoints_lost", a.checkpoints.Waiting())
	}
}
