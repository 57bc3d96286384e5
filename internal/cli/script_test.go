package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mintmark-auth/mintmark/internal/cli"
	"github.com/mintmark-auth/mintmark/internal/weather"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mintmark": mintmark, "weather": weatherService})
}

// weatherService is the example service as its main runs it, which ends with its standard input, as what stays does.
func weatherService() {
	go endWithInput()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(weather.Run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// patience is how long a command of a script may take, and a server until it is ready: long enough for a busy machine, and
// short enough that what hangs fails within a minute.
const patience = 50 * time.Second

// stays is set for a server that a script goes on beside. It ends with its standard input, a pipe from the test.
const stays = "MINTMARK_TEST_STAYS=1"

// mintmark is the command as main runs it, but not forever.
func mintmark() {
	var stdin io.Reader = os.Stdin
	if slices.Contains(os.Environ(), stays) {
		stdin = strings.NewReader("")
		go endWithInput()
	} else {
		time.AfterFunc(patience, func() {
			fmt.Fprintf(os.Stderr, "%q still ran after %s\n", os.Args, patience)
			os.Exit(124) // which no script wants
		})
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}

// endWithInput ends this process when the test that started it is gone, however that ended.
func endWithInput() {
	_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end, too
	os.Exit(1)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("MINTMARK_DATA_DIR", e.WorkDir+"/data")
			self, err := user.Current()
			if err != nil {
				return err
			}
			e.Setenv("OPERATOR", self.Username)
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else the race detector waits for a second at the end of each command
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
	serve.Env = []string{"PATH=" + os.Getenv("PATH"), "MINTMARK_DATA_DIR=" + ts.Getenv("MINTMARK_DATA_DIR"), "MINTMARK_PASSWORD_MAX_CONCURRENT=64", stays}
	var stderr strings.Builder
	serve.Stderr = &stderr
	stdout, err := serve.StdoutPipe()
	ts.Check(err)
	_, err = serve.StdinPipe() // for endWithInput; Wait closes it
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
	giveUp := time.AfterFunc(patience, func() { _ = serve.Process.Kill() }) // ends its output, and the wait for it
	defer giveUp.Stop()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		ts.Fatalf("serve was not ready within %s: %v", patience, err)
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
	giveUp := time.AfterFunc(patience, func() { _ = serve.Process.Kill() }) // and then it has not ended with 0
	defer giveUp.Stop()
	_, _ = io.Copy(io.Discard, running.stdout)
	err := serve.Wait()
	running.process = nil
	ts.Check(err)
}

// logIn NAME logs a user in, with the password of the file `password`.
func logIn(ts *testscript.TestScript, _ bool, args []string) { loggedIn(ts, args[0]) }

// loggedIn returns an access token of that user. It retries while the authority is busy.
func loggedIn(ts *testscript.TestScript, name string) string {
	body, err := json.Marshal(map[string]string{"username": name, "password": strings.TrimSpace(ts.ReadFile("password"))})
	ts.Check(err)
	client := &http.Client{Timeout: patience}
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for end := time.Now().Add(patience); ; {
		response, err := client.Post(ts.Getenv("PUBLIC")+"/api/authentication/login", "application/json", bytes.NewReader(body))
		ts.Check(err)
		var answer struct{ Data struct{ AccessToken string } }
		err = json.NewDecoder(response.Body).Decode(&answer)
		response.Body.Close()
		switch {
		case response.StatusCode == http.StatusServiceUnavailable && time.Now().Before(end):
			<-again.C
			continue
		case response.StatusCode != http.StatusOK:
			ts.Fatalf("log in: %s", response.Status)
		}
		ts.Check(err)
		return answer.Data.AccessToken
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
