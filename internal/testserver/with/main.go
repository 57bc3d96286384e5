// Command with runs another command beside one throwaway Postgres and one Redis, and tells it where
// they are (MINTMARK_TEST_DATABASE_URL, MINTMARK_TEST_REDIS_URL), so that all packages of a test run
// share them:
//
//	with go test ./...
//
// A URL that is already set is left as it is and no such server is started. The servers and their
// files are gone when it returns, also after a signal; after a SIGKILL a moment later. Its exit code
// is the command's.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/mintmark-auth/mintmark/internal/testserver/server"
)

// grace is how long the command may take to end after a signal.
const grace = 10 * time.Second

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "with:", err)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	if len(args) == 0 {
		return 2, errors.New("no command given: with COMMAND [ARGUMENT…]")
	}
	interrupted, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	folder, err := server.NewFolder()
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()

	postgres, err := provide("MINTMARK_TEST_DATABASE_URL", func() (*server.Server, error) { return server.StartPostgres(folder) })
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, postgres.Stop()) }()
	redis, err := provide("MINTMARK_TEST_REDIS_URL", func() (*server.Server, error) {
		return server.StartRedis(folder, "--databases", "1024")
	})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, redis.Stop()) }()
	return execute(interrupted, folder, args)
}

// provide starts a server unless the environment names one, and then names it there. Where none was
// needed it gives one that never ran, which is as good to stop.
func provide(variable string, start func() (*server.Server, error)) (*server.Server, error) {
	if os.Getenv(variable) != "" {
		return &server.Server{}, nil
	}
	started, err := start()
	if err != nil {
		return nil, err
	}
	if err := os.Setenv(variable, started.URL()); err != nil {
		return nil, errors.Join(fmt.Errorf("set %s: %w", variable, err), started.Stop())
	}
	return started, nil
}

// execute runs the command in a process group of its own, so that a signal ends its children too, and
// so does our own end.
func execute(interrupted context.Context, folder *server.Folder, args []string) (int, error) {
	command := exec.CommandContext(interrupted, args[0], args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var kill *time.Timer
	command.Cancel = func() error {
		group := -command.Process.Pid
		kill = time.AfterFunc(grace, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
		return syscall.Kill(group, syscall.SIGTERM)
	}
	if err := command.Start(); err != nil {
		return 1, fmt.Errorf("run %s: %w", args[0], err)
	}
	group := -command.Process.Pid
	watched := folder.Watch(group)
	err := command.Wait()
	if kill != nil {
		kill.Stop()
	}
	if err := errors.Join(watched, folder.Unwatch(group)); err != nil {
		return 1, err
	}
	return exitCode(interrupted, args[0], err)
}

func exitCode(interrupted context.Context, name string, err error) (int, error) {
	if interrupted.Err() != nil {
		return 1, fmt.Errorf("%s was interrupted", name)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(1, exit.ExitCode()), nil
	}
	if err != nil {
		return 1, fmt.Errorf("run %s: %w", name, err)
	}
	return 0, nil
}
