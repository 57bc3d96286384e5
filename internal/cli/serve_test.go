package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/cli"
)

// watched is a stream that calls out when a text comes by.
type watched struct {
	mu     sync.Mutex
	text   bytes.Buffer
	awaits string
	came   context.CancelFunc
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.text.Write(p)
	if w.awaits != "" && strings.Contains(w.text.String(), w.awaits) {
		w.came()
	}
	return n, err
}

// serveJSON runs serve until it has said that it serves.
func serveJSON(t *testing.T, settings ...string) (code int, stdout string, lines []map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stderr, out := &watched{awaits: `"msg":"serving"`, came: cancel}, &bytes.Buffer{}
	code = cli.Run(ctx, cli.Process{
		Args:    []string{"serve"},
		Environ: append([]string{"MINTMARK_LOG_FORMAT=json", "MINTMARK_DATA_DIR=" + t.TempDir(), "MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0", "MINTMARK_SHUTDOWN_DELAY=0s"}, settings...),
		Stdin:   strings.NewReader(""), Stdout: out, Stderr: stderr,
	})
	for line := range strings.Lines(stderr.text.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("a line that is no JSON object: %q", line)
		}
		lines = append(lines, fields)
	}
	return code, out.String(), lines
}

func TestWithTheLogInJSONEveryLineIsJSON(t *testing.T) {
	t.Parallel()
	code, stdout, lines := serveJSON(t)
	if code != 0 || stdout != "" {
		t.Errorf("exit %d, printed %q", code, stdout)
	}
	said := make(map[string]map[string]any)
	for _, line := range lines {
		said[line["msg"].(string)] = line
	}
	for _, field := range []string{"version", "mode", "issuer", "public", "operations", "kid"} {
		if value, _ := said["serving"][field].(string); value == "" {
			t.Errorf("the line about serving has no %s: %v", field, said["serving"])
		}
	}
	if last := lines[len(lines)-1]; last["msg"] != "stopped" || last["version"] != said["serving"]["version"] {
		t.Errorf("the last line is %v", last)
	}
}

func TestWithTheLogInJSONErrorsOfTheStartAreJSON(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		setting string
		code    int
		says    string
	}{
		"a wrong setting":      {"MINTMARK_ACCESS_TOKEN_TTL=soon", 2, "MINTMARK_ACCESS_TOKEN_TTL"},
		"a name that is wrong": {"MINTMARK_ISUER=x", 2, "MINTMARK_ISSUER"},
		"a port that is taken": {"MINTMARK_HTTP_ADDR=" + taken.Addr().String(), 1, taken.Addr().String()},
	} {
		code, stdout, lines := serveJSON(t, c.setting)
		if code != c.code || stdout != "" || len(lines) != 1 || lines[0]["level"] != "ERROR" || !strings.Contains(lines[0]["msg"].(string), c.says) {
			t.Errorf("%s: exit %d, printed %q and %v", name, code, stdout, lines)
		}
	}
}

// TestTheBannerTellsWhoMayReachTheListeners prints the real addresses, and warns of those that are not on loopback.
func TestTheBannerTellsWhoMayReachTheListeners(t *testing.T) {
	t.Parallel()
	const public, operations = "may reach the public listener at ", "may reach the operations listener at "
	for name, c := range map[string]struct {
		settings []string
		says     []string
		not      []string
	}{
		"loopback": {nil, []string{"  public       http://127.0.0.1:"}, []string{"Warning", "every address"}},
		"every address": {
			[]string{"MINTMARK_HTTP_ADDR=0.0.0.0:0", "MINTMARK_INSECURE_PLAIN_HTTP=true", "MINTMARK_REGISTRATION=open"},
			[]string{", which is every address of this machine; here http://127.0.0.1:", public, "can register, log in"}, []string{operations},
		},
		"every address, where nobody registers": {
			[]string{"MINTMARK_HTTP_ADDR=0.0.0.0:0", "MINTMARK_INSECURE_PLAIN_HTTP=true"},
			[]string{public, "can log in"}, []string{"register, "},
		},
		"operations for every address": {[]string{"MINTMARK_OPS_ADDR=0.0.0.0:0"}, []string{operations}, []string{public}},
	} {
		banner := serveBanner(t, c.settings...)
		for _, text := range c.says {
			if !strings.Contains(banner, text) {
				t.Errorf("%s: %q is missing in\n%s", name, text, banner)
			}
		}
		for _, text := range c.not {
			if strings.Contains(banner, text) {
				t.Errorf("%s: %q stands in\n%s", name, text, banner)
			}
		}
	}
}

func TestWithTheLogInJSONAnExposedListenerIsAWarning(t *testing.T) {
	t.Parallel()
	_, stdout, lines := serveJSON(t, "MINTMARK_OPS_ADDR=0.0.0.0:0")
	for _, line := range lines {
		if line["level"] == "WARN" && strings.Contains(line["msg"].(string), "operations listener") {
			return
		}
	}
	t.Errorf("printed %q and %v", stdout, lines)
}

// serveBanner runs serve until its banner is printed.
func serveBanner(t *testing.T, settings ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stdout, stderr := &watched{awaits: "jwks.json", came: cancel}, &bytes.Buffer{}
	if code := cli.Run(ctx, cli.Process{
		Args:    []string{"serve"},
		Environ: append([]string{"MINTMARK_DATA_DIR=" + t.TempDir(), "MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0", "MINTMARK_LOG_FORMAT=text"}, settings...),
		Stdin:   strings.NewReader(""), Stdout: stdout, Stderr: stderr,
	}); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	return stdout.text.String()
}
