package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	drainTimeout    = 10 * time.Second
	drainPoll       = 10 * time.Millisecond
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

// parting makes every answer the last one on its connection while no requests are wanted, so that callers that keep
// connections open come back elsewhere, and none is idle when the listener closes.
func (r *readiness) parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		next.ServeHTTP(parting{w, r}, req)
	})
}

// parting decides as late as it can: a request may have waited for long.
type parting struct {
	http.ResponseWriter
	ready *readiness
}

func (w parting) WriteHeader(status int) {
	if !w.ready.serving.Load() {
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w parting) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// part says to whoever asks that no more requests are wanted, and sends home those who wait.
func (a *App) part() {
	a.ready.serving.Store(false)
	a.lists.Stop()
}

// linger parts, and goes on serving until balancers have noticed. It gives the error of a door that ends before.
func (a *App) linger(ended <-chan error) error {
	a.part()
	delay := a.cfg.ShutdownDelay
	if delay == 0 {
		return nil
	}
	a.log.Info("leaving; requests are still served until balancers have noticed", "for", delay.String())
	select {
	case <-time.After(delay):
		return nil
	case err := <-ended:
		return err
	}
}

// drain closes the doors and lets requests in flight end, at most drainTimeout, then cuts them off.
func drain(doors ...*door) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	errs := make([]error, len(doors))
	var wg sync.WaitGroup
	for i, d := range doors {
		wg.Go(func() { errs[i] = d.drain(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// drain waits for the connections that are busy before it shuts the server down: from then on net/http drops a
// request that it has read on a connection that was new.
func (d *door) drain(ctx context.Context) error {
	d.listener.Stop()
	<-d.shut
	for d.listener.Busy() > 0 && ctx.Err() == nil {
		pause(ctx, drainPoll)
	}
	if err := d.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("drain: %w", err), d.Close())
	}
	return nil
}

// flush writes what is still queued at the end, the events first: a checkpoint that is lost is noted again by the
// next refresh of its session. Each has its own time, so that one that hangs takes none from the other.
func (a *App) flush(ctx context.Context) {
	a.events.SettleAll()
	err := errors.Join(within(ctx, lastFlushWithin, a.events.Flush), within(ctx, lastFlushWithin, a.checkpoints.Flush))
	if err != nil {
		a.log.Warn("flush at shutdown", "err", err, "events_lost", a.events.Waiting(), "checkpoints_lost", a.checkpoints.Waiting())
	}
}
