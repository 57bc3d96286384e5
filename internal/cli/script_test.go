package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mintmark-auth/mintmark/internal/cli"
	"github.com/mintmark-auth/mintmark/internal/weather"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mintmark": mintmark, "weather": weatherService})
}

// weatherService is the example service as its main runs it.
func weatherService() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(weather.Run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// mintmark is the command as main runs it.
func mintmark() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("MINTMARK_DATA_DIR", e.WorkDir+"/data")
			e.Values[background{}] = new(background)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"started":   started,
			"stopped":   stopped,
			"mode":      mode,
			"logged-in": logIn,
			"sid":       sid,
			"token":     accessToken,
			"forecast":  forecast,
			"naive":     naive,
			"free-port": freePort,
			"rsa-key":   rsaKey,
		},
	})
}

// exits CODE COMMAND… runs a command that must end with the code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = failed.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// background is the server that a script runs, if any; it stands among the
// script's values under its zero value.
type background struct {
	process *exec.Cmd
	stdout  io.Reader
}

// started [FLAG…] starts `mintmark serve` on free ports, waits until it is ready
// and sets ISSUER, PUBLIC, PORT and KID.
func started(ts *testscript.TestScript, _ bool, args []string) {
	serve := exec.Command("mintmark", append([]string{"serve", "--output", "json",
		"--http-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0"}, args...)...)
	serve.Dir = ts.MkAbs(".")
	serve.Env = []string{"PATH=" + os.Getenv("PATH"), "MINTMARK_DATA_DIR=" + ts.Getenv("MINTMARK_DATA_DIR")}
	var stderr strings.Builder
	serve.Stderr = &stderr
	stdout, err := serve.StdoutPipe()
	ts.Check(err)
	ts.Check(serve.Start())
	running := ts.Value(background{}).(*background)
	running.process, running.stdout = serve, stdout
	ts.Defer(func() {
		if running.process == serve {
			_ = serve.Process.Kill()
			_ = serve.Wait()
		}
		ts.Logf("[serve]\n%s", stderr.String())
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		ts.Fatalf("serve ended before it was ready: %v", err)
	}
	var ready struct{ Issuer, Public, KID string }
	ts.Check(json.Unmarshal(line, &ready))
	ts.Setenv("ISSUER", ready.Issuer)
	ts.Setenv("PUBLIC", ready.Public)
	ts.Setenv("PORT", ready.Public[strings.LastIndex(ready.Public, ":")+1:])
	ts.Setenv("KID", ready.KID)
}

// stopped sends SIGTERM to the server that was started, which must end with 0.
func stopped(ts *testscript.TestScript, _ bool, _ []string) {
	running := ts.Value(background{}).(*background)
	serve := running.process
	ts.Check(serve.Process.Signal(syscall.SIGTERM))
	_, _ = io.Copy(io.Discard, running.stdout)
	err := serve.Wait()
	running.process = nil
	ts.Check(err)
}

// logIn NAME logs a user in, with the password of the file `password`.
func logIn(ts *testscript.TestScript, _ bool, args []string) {
	body, err := json.Marshal(map[string]string{"username": args[0], "password": strings.TrimSpace(ts.ReadFile("password"))})
	ts.Check(err)
	response, err := http.Post(ts.Getenv("PUBLIC")+"/api/authentication/login", "application/json", bytes.NewReader(body))
	ts.Check(err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		ts.Fatalf("log in: %s", response.Status)
	}
}

// sid FILE sets SID to the id of the one session that a listing as JSON holds.
func sid(ts *testscript.TestScript, _ bool, args []string) {
	var listed []struct{ ID string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &listed))
	if len(listed) != 1 {
		ts.Fatalf("%d sessions, want one", len(listed))
	}
	ts.Setenv("SID", listed[0].ID)
}

// mode FILE PERMISSIONS fails if the file has others.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}
