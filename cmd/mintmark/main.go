// Command mintmark is the token authority and the tool of its operators. Package cli has its commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mintmark-auth/mintmark/internal/cli"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:]))
}

// run carries out one command line. The first SIGINT or SIGTERM asks the command
// to end in order, a second one ends the process at once.
func run(ctx context.Context, args []string) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return cli.Run(ctx, cli.Process{
		Program: os.Args[0],
		Args:    args,
		Environ: os.Environ(),
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
	})
}
