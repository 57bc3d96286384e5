package weather

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// Exit codes, those of mintmark.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// drain bounds the wait for requests in flight when the service stops.
const drain = 10 * time.Second

const usage = `weather is an example service that checks mintmark's access tokens offline.

Usage:
  weather --issuer URL --audience AUDIENCE [--addr HOST:PORT]

Flags:
  --issuer URL         whose tokens are accepted: the "iss" of a token, to the byte
  --audience AUDIENCE  the name of this service: must be in the "aud" of a token
  --addr HOST:PORT     where to listen (default 127.0.0.1:8090)
  --help               this text

Example:
  weather --issuer http://localhost:8080 --audience http://localhost:8080
  curl -H "Authorization: Bearer $ACCESS_TOKEN" http://127.0.0.1:8090/WeatherForecast
`

type flags struct{ issuer, audience, addr string }

// Run serves until ctx ends and returns the exit code: 1 if it cannot listen or serve, 2 if args are wrong.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "weather: %v; see weather --help\n", err)
		return exitUsage
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	v, err := verifier.New(f.issuer, f.audience, verifier.WithLogger(logger))
	if err != nil {
		line := strings.ReplaceAll(err.Error(), "\n", "; ") // one problem a line
		fmt.Fprintf(stderr, "weather: %s; see weather --help\n", line)
		return exitUsage
	}
	defer v.Close()
	if err := serve(ctx, f, v, stdout, logger); err != nil {
		fmt.Fprintf(stderr, "weather: %v\n", err)
		return exitFailed
	}
	return exitOK
}

func parse(args []string) (flags, error) {
	var f flags
	set := flag.NewFlagSet("weather", flag.ContinueOnError)
	set.SetOutput(io.Discard) // one line of ours, not a page
	set.StringVar(&f.issuer, "issuer", "", "")
	set.StringVar(&f.audience, "audience", "", "")
	set.StringVar(&f.addr, "addr", "127.0.0.1:8090", "")
	if err := set.Parse(args); err != nil {
		return flags{}, err
	}
	switch {
	case set.NArg() > 0:
		return flags{}, fmt.Errorf("unexpected argument %q", set.Arg(0))
	case f.issuer == "" && f.audience == "":
		return flags{}, errors.New("--issuer and --audience are missing")
	case f.issuer == "":
		return flags{}, errors.New("--issuer is missing")
	case f.audience == "":
		return flags{}, errors.New("--audience is missing")
	}
	return f, nil
}

func serve(ctx context.Context, f flags, v *verifier.Verifier, stdout io.Writer, logger *slog.Logger) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", f.addr)
	if err != nil {
		return fmt.Errorf("listen: %w; choose another address with --addr", err)
	}
	server := &http.Server{
		Handler:           Handler(v, time.Now),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    32 << 10, // a token of 16 KiB fits
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	fmt.Fprintf(stdout, "weather: http://%s%s takes tokens of %s for %s\n", listener.Addr(), Path, f.issuer, f.audience)

	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	logger.Info("stopping", "drain", drain)
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(draining); err != nil {
		return errors.Join(fmt.Errorf("drain requests: %w", err), server.Close())
	}
	return nil
}
