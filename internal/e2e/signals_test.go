package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// alone prepares a program that runs mintmark with quick settings and a data directory of its own. It is killed if it
// outlives the test, or patience.
func alone(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(quick(), "PATH="+os.Getenv("PATH"), "MINTMARK_DATA_DIR="+filepath.Join(t.TempDir(), "data"))
	return cmd
}

// pipes gives cmd an output and a log that end in pipes, and returns their readers.
func pipes(t *testing.T, cmd *exec.Cmd) (stdout, stderr io.ReadCloser) {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if stderr, err = cmd.StderrPipe(); err != nil {
		t.Fatal(err)
	}
	return stdout, stderr
}

// TestServeOutlivesTheReadersOfItsOutputAndLog, and still ends in order.
func TestServeOutlivesTheReadersOfItsOutputAndLog(t *testing.T) {
	t.Parallel()
	cmd := alone(t, mintmark(t), "serve", "--output", "json")
	stdout, stderr := pipes(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ready struct{ Public string }
	if err := json.NewDecoder(stdout).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	stdout.Close()
	stderr.Close()
	for range 3 { // each writes a line of the log
		if got := send(t, "GET", ready.Public+"/.well-known/jwks.json", "", ""); got.Status != 200 {
			t.Errorf("the log has no reader: %d, want 200", got.Status)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("serve ended: %v, want exit code 0", err)
	}
}

// TestServeNeedsNeitherOutputNorLog: they may be closed, or on a disk that is full.
func TestServeNeedsNeitherOutputNorLog(t *testing.T) {
	t.Parallel()
	for _, redirection := range []string{">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full 2>&1"} {
		t.Run(redirection, func(t *testing.T) {
			t.Parallel()
			addr := freeAddress(t)
			cmd := alone(t, "sh", "-c", `exec "$0" serve `+redirection, mintmark(t))
			cmd.Env = append(cmd.Env, "MINTMARK_HTTP_ADDR="+addr)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/.well-known/jwks.json", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				got, err := exchange(httpClient(), req)
				return err == nil && got.Status == 200
			})
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("serve ended: %v, want exit code 0", err)
			}
		})
	}
}

// TestTheDemoOutlivesItsReader, and leaves nothing behind.
func TestTheDemoOutlivesItsReader(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"table", "json"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			left := t.TempDir()
			cmd := alone(t, mintmark(t), "demo", "--output", form)
			cmd.Env = []string{"TMPDIR=" + left}
			stdout, stderr := pipes(t, cmd)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			stdout.Close()
			said, err := io.ReadAll(stderr)
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("the demo ended: %v, want exit code 0\n%s", err, said)
			}
			if entries, err := os.ReadDir(left); err != nil || len(entries) > 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

// TestACommandEndsSilentlyWithoutItsReader, like every filter.
func TestACommandEndsSilentlyWithoutItsReader(t *testing.T) {
	t.Parallel()
	cmd := alone(t, mintmark(t), "config", "show")
	stdout, stderr := pipes(t, cmd)
	stdout.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(stderr)
	if err != nil || len(said) > 0 {
		t.Errorf("it says %q, %v", said, err)
	}
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGPIPE {
		t.Errorf("it ended with %v, want SIGPIPE", cmd.ProcessState)
	}
}

func TestSIGHUPDrainsUnlessItIsIgnored(t *testing.T) {
	t.Parallel()
	for trap, want := range map[string]string{"true": "ended", "trap '' HUP": "serves"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			cmd := alone(t, "sh", "-c", trap+`; exec "$0" serve --output json`, mintmark(t))
			stdout, stderr := pipes(t, cmd)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var ready struct{ Public string }
			if err := json.NewDecoder(stdout).Decode(&ready); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			if want == "serves" {
				if got := send(t, "GET", ready.Public+"/.well-known/jwks.json", "", ""); got.Status != 200 {
					t.Errorf("after an ignored SIGHUP: %d, want 200", got.Status)
				}
				if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
			log, err := io.ReadAll(stderr)
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil || strings.Count(string(log), "shutting down") != 1 {
				t.Errorf("serve ended: %v, want exit code 0 and a drain\n%s", err, log)
			}
		})
	}
}

// TestOnlyASecondRequestToEndCutsTheDrain: a terminal that closes sends SIGHUP more than once, and systemd sends it
// after SIGTERM.
func TestOnlyASecondRequestToEndCutsTheDrain(t *testing.T) {
	t.Parallel()
	hup, term, interrupt := syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT
	for name, c := range map[string]struct {
		signals []syscall.Signal
		killed  syscall.Signal // 0: it drains
	}{
		"three SIGHUPs drain":             {[]syscall.Signal{hup, hup, hup}, 0},
		"a SIGHUP after SIGTERM":          {[]syscall.Signal{term, hup, hup}, 0},
		"a SIGTERM after SIGHUP":          {[]syscall.Signal{hup, term}, 0},
		"a second SIGTERM ends":           {[]syscall.Signal{term, term}, term},
		"a SIGINT after SIGTERM ends":     {[]syscall.Signal{term, interrupt}, interrupt},
		"SIGTERM twice after SIGHUP ends": {[]syscall.Signal{hup, term, term}, term},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := spawn(t, "MINTMARK_DATA_DIR="+filepath.Join(t.TempDir(), "data"))
			finish := p.holdRequest(t)
			for _, s := range c.signals {
				if err := p.cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
				eventually(t, func() bool { return strings.Contains(p.Log.String(), "shutting down") })
			}
			if c.killed == 0 {
				finish()
			} else {
				eventually(t, func() bool { return p.cmd.Process.Signal(c.killed) != nil }) // the first may come too early
			}
			err := p.wait(t)
			status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
			if (err == nil) != (c.killed == 0) || status.Signaled() && status.Signal() != c.killed {
				t.Errorf("serve ended: %v, want %q", err, c.killed)
			}
		})
	}
}

// TestASecondSIGTERMEndsTheDelay, and the process with it.
func TestASecondSIGTERMEndsTheDelay(t *testing.T) {
	t.Parallel()
	p := spawn(t, "MINTMARK_DATA_DIR="+filepath.Join(t.TempDir(), "data"), "MINTMARK_SHUTDOWN_DELAY=10m")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return strings.Contains(p.Log.String(), "leaving") })
	if got := send(t, "GET", p.URL+"/readyz", "", ""); got.Status != 503 {
		t.Errorf("while it leaves: %d", got.Status)
	}
	eventually(t, func() bool { return p.cmd.Process.Signal(syscall.SIGTERM) != nil }) // the first may come too early
	if err := p.wait(t); err == nil || err.Error() != "signal: terminated" {
		t.Errorf("serve ended: %v, want SIGTERM", err)
	}
}

// holdRequest keeps a request in flight by half of its body, until finish is called.
func (p *process) holdRequest(t *testing.T) (finish func()) {
	t.Helper()
	c, err := dial(p.authority)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := fmt.Fprint(c, "POST /api/authentication/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		got := send(t, "GET", p.Ops+"/metrics", "", "")
		return strings.Contains(string(got.Body), "mintmark_http_requests_in_flight 2\n") // that one and this one
	})
	return func() {
		if _, err := io.WriteString(c, "}"); err != nil {
			t.Error(err)
		}
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Errorf("the request in flight is not answered: %v", err)
		}
	}
}
