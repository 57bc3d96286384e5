package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// Bounds on connections. ReadTimeout covers header and body, which are small.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 40 * time.Second
	maxHeaderBytes = 64 << 10
)

// publicBounds let one subscriber have 2 % of the connections, so that it takes fifty to fill them. A request that comes
// in one piece, as honest ones do, is never unfinished.
func publicBounds() httpapi.Bounds {
	return httpapi.Bounds{Connections: 10_000, PerSubscriber: 200, Unfinished: 1 << 20}
}

// operatorBounds are for a few programs on few machines.
func operatorBounds() httpapi.Bounds {
	return httpapi.Bounds{Connections: 500, PerSubscriber: 250, Unfinished: 1 << 20}
}

func (a *App) wrap(h http.Handler) http.Handler {
	if a.tracing == nil {
		return h
	}
	return a.tracing.Handler(h, a.api.FromTrustedProxy)
}

// door is a listener with the server that answers on it.
type door struct {
	*http.Server
	listener *httpapi.Listener
	shut     chan struct{} // closed once no more connections come
}

func (a *App) door(l *httpapi.Listener, h http.Handler) *door {
	d := &door{Server: a.server(h), listener: l, shut: make(chan struct{})}
	d.ConnState = l.Track
	return d
}

// serve serves until the listener ends, and reports why.
func (d *door) serve(ended chan<- error) {
	defer close(d.shut)
	if err := d.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		ended <- fmt.Errorf("serve %s: %w", d.listener.Addr(), err)
	}
}

func (a *App) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           a.ready.parting(h),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       a.cfg.HTTPIdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true, // `OPTIONS *` goes the way of every request
	}
}
