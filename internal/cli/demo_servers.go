package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/weather"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// server is one that the demo started.
type server struct {
	url      string
	audience string
	stop     func() error
}

// startIssuer runs an embedded authority in a temporary directory, with default settings
// except for access tokens that expire within seconds.
func startIssuer(ctx context.Context) (*server, error) {
	dir, err := os.MkdirTemp("", "mintmark-demo-")
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(nil, []string{
		"MINTMARK_HTTP_ADDR=127.0.0.1:0",
		"MINTMARK_OPS_ADDR=127.0.0.1:0",
		"MINTMARK_DATA_DIR=" + dir,
		"MINTMARK_ACCESS_TOKEN_TTL=3s",
		"MINTMARK_REGISTRATION=open",
		"MINTMARK_RATE_LOGIN=off",
		"MINTMARK_RATE_TOKEN=off",
		"MINTMARK_RATE_REGISTER=off",
	}, nil)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	own, err := runIssuer(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &server{url: own.url, audience: own.audience, stop: func() error {
		return errors.Join(own.stop(), os.RemoveAll(dir))
	}}, nil
}

// runIssuer returns once requests are welcome.
func runIssuer(ctx context.Context, cfg config.Config) (*server, error) {
	a, err := app.Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	info, err := a.Info(ctx)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	// The demo ends before its servers, even after Ctrl-C.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- a.Run(running, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		stop()
		return nil, err
	}
	return &server{url: info.Issuer, audience: info.Audience, stop: func() error {
		stop()
		return <-ended
	}}, nil
}

// startWeather runs the example service beside the issuer, as a stranger to it:
// it knows its address and nothing else.
func startWeather(ctx context.Context, issuer, audience string) (*server, error) {
	checks, err := verifier.New(issuer, audience, verifier.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, usagef("%v", err)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the weather service: %w", err)
	}
	web := &http.Server{
		Handler:           weather.Handler(checks, time.Now),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(listener) }()
	return &server{url: "http://" + listener.Addr().String(), stop: func() error {
		defer checks.Close()
		err := web.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}}, nil
}
