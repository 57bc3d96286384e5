// Command weather is the example resource service of mintmark; see package weather.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mintmark-auth/mintmark/internal/weather"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return weather.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}
