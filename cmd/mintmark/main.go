// Command mintmark is the token authority and the tool of its operators. Package cli has its commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mintmark-auth/mintmark/internal/cli"
	"github.com/mintmark-auth/mintmark/internal/private"
)

func main() {
	_ = private.NoDumps() // where the system doesn't allow it, as under some sandboxes, mintmark works all the same
	os.Exit(run(context.Background(), os.Args[1:]))
}

// run carries out one command line. The first SIGINT, SIGTERM or SIGHUP asks the command to end in order. A second
// SIGINT or SIGTERM ends the process at once; a SIGHUP never does, because a terminal that closes may send several.
func run(ctx context.Context, args []string) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup makes it
		var forget func()
		ctx, forget = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer forget()
	}
	return cli.Run(ctx, cli.Process{
		Program: os.Args[0],
		Args:    args,
		Environ: os.Environ(),
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
	})
}
