package app

import (
	"context"
	"errors"
	"sync"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// Run serves until ctx ends, then leaves: /readyz turns red while requests are still welcome,
// until balancers know; then requests in flight end, what is queued is written, and everything
// is closed. ready is called once requests are welcome.
func (a *App) Run(ctx context.Context, ready func()) error {
	public := a.door(httpapi.NewListener(a.public, publicBounds(), a.cfg.TrustedProxies), a.wrap(a.api.Public()))
	operations := a.door(httpapi.NewListener(a.operations, operatorBounds(), nil), a.api.Operations())
	a.metrics.Gauge("mintmark_http_connections", "Open connections on the public listener.",
		func() float64 { return float64(public.listener.Open()) })
	a.metrics.Gauge("mintmark_http_connections_shed", "Connections on the public listener since the start that were closed so that others have a place or memory.",
		func() float64 { return float64(public.listener.Shed()) })
	ended := make(chan error, 2) // a door's serving
	go public.serve(ended)
	go operations.serve(ended)
	a.ready.serving.Store(true)
	ready()

	ticking, stopTicks := context.WithCancel(context.WithoutCancel(ctx))
	var ticks sync.WaitGroup
	a.startTicks(ticking, &ticks)

	var err error
	select {
	case <-ctx.Done():
		err = a.linger(ended)
	case err = <-ended:
		a.part()
	}
	a.log.Info("shutting down; waiting for the requests in flight")
	err = errors.Join(err, drain(public, operations))
	stopTicks()
	ticks.Wait()
	a.flush(context.WithoutCancel(ctx))
	return errors.Join(err, a.Close())
}
