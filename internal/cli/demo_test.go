package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/cli"
	"github.com/mintmark-auth/mintmark/internal/config"
)

// ran is what a command line left behind.
type ran struct {
	code           int
	stdout, stderr string
}

func run(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), cli.Process{Args: args, Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr})
	return ran{code, stdout.String(), stderr.String()}
}

// whole matches tokens of ours that nobody shortened.
var whole = regexp.MustCompile(`eyJ[\w-]{20}|mrt_[\w-]{10}`)

func TestDemoPrintsEveryStep(t *testing.T) {
	t.Parallel()
	got := run(t, "", "demo")
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	if n := strings.Count(got.stdout, "✓"); n != 10 || strings.Contains(got.stdout, "✗") {
		t.Errorf("%d steps went well, want 10:\n%s", n, got.stdout)
	}
	for _, want := range []string{"→ POST http://localhost:", "← 200 OK", "← 401 Unauthorized", "← 400 Bad Request", "client_id", "All 10 steps"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("the story lacks %q", want)
		}
	}
	if whole.MatchString(got.stdout) || strings.Contains(got.stdout, "\x1b") {
		t.Errorf("a whole token, or a colour off a terminal:\n%s", got.stdout)
	}
}

// printed is what a demo prints as JSON.
type printed struct {
	OK      bool
	Differs string
	Steps   []struct {
		Title     string
		OK        bool
		Exchanges []struct{ Status int }
	}
}

func printedBy(t *testing.T, got ran) printed {
	t.Helper()
	var story printed
	if err := json.Unmarshal([]byte(got.stdout), &story); err != nil {
		t.Fatalf("%v: %s%s", err, got.stdout, got.stderr)
	}
	if whole.MatchString(got.stdout + got.stderr) {
		t.Errorf("a whole token is printed:\n%s%s", got.stdout, got.stderr)
	}
	return story
}

// Every authority that differs makes the demo fail at the step where it does.
func TestDemoFailsWhereAStepDiffers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		alter alteration
		step  string // the last one told
		says  string
	}{
		"registration is closed": {
			func(path string, _ int, r *http.Response) { refuse(r, path == "register", http.StatusForbidden) },
			"Register", "registration is closed; name a user with --username",
		},
		"registration is refused for another reason": {
			func(path string, _ int, r *http.Response) { refuse(r, path == "register", http.StatusBadRequest) },
			"Register", "want 200 OK, got 400 Bad Request",
		},
		"the login is refused": {
			func(path string, _ int, r *http.Response) { refuse(r, path == "login", http.StatusBadRequest) },
			"Log in", "want 200 OK, got 400 Bad Request",
		},
		"an expired token still refreshes, but no session is renewed": {
			func(path string, _ int, r *http.Response) {
				refuse(r, path == "refresh-token", http.StatusServiceUnavailable)
			},
			"Refresh", "got 503",
		},
		"a replay is answered": {
			func(path string, nth int, r *http.Response) {
				if path == "refresh-token" && nth > 2 {
					r.StatusCode, r.Status = http.StatusOK, "200 OK"
				}
			},
			"A thief replays the first refresh token", "want 400 Bad Request, got 200 OK",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := liveIssuer(t, c.alter)
			got := run(t, "", "demo", "--issuer", issuer+"/", "--output", "json")
			story := printedBy(t, got)
			last := story.Steps[len(story.Steps)-1]
			if got.code != 1 || story.OK || last.OK || last.Title != c.step || !strings.Contains(story.Differs, c.says) {
				t.Errorf("exit code %d at %q, %q; want 1 at %q saying %q", got.code, last.Title, story.Differs, c.step, c.says)
			}
			if strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, c.says) {
				t.Errorf("stderr %q", got.stderr)
			}
			if name != "registration is closed" && strings.Contains(got.stderr, "--username") {
				t.Errorf("advice that does not help: %q", got.stderr)
			}
		})
	}
}

func TestDemoLogsInAnExistingUser(t *testing.T) {
	t.Parallel()
	issuer := liveIssuer(t, func(string, int, *http.Response) {})
	register(t, issuer)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("plum anchor velvet tides\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, "", "demo", "--issuer", issuer, "--username", "ada", "--password-file", file, "--output", "json")
	if story := printedBy(t, got); got.code != 0 || len(story.Steps) != 9 || !story.OK {
		t.Errorf("exit code %d, %d steps, %s", got.code, len(story.Steps), got.stderr)
	}
	got = run(t, "another password\n", "demo", "--issuer", issuer, "--username", "ada", "--output", "json")
	if story := printedBy(t, got); got.code != 1 || len(story.Steps) != 1 {
		t.Errorf("with a wrong password: exit code %d, %d steps", got.code, len(story.Steps))
	}
}

func TestDemoNamesAnotherIssuerBeforeAnotherAudience(t *testing.T) {
	t.Parallel()
	issuer := liveIssuer(t, func(string, int, *http.Response) {})
	alias := strings.Replace(issuer, "127.0.0.1", "localhost", 1)
	got := run(t, "", "demo", "--issuer", alias)
	if want := `from the issuer "` + issuer + `", not "` + alias + `"; name that one with --issuer`; got.code != 1 || !strings.Contains(got.stderr, want) {
		t.Errorf("exit code %d, %q; want 1 and %q", got.code, got.stderr, want)
	}
	if n := strings.Count(got.stdout, "name that one"); n != 1 {
		t.Errorf("told %d times, want once:\n%s", n, got.stdout)
	}
}

func TestDemoEndsInAWordWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	issuer := liveIssuer(t, func(path string, _ int, _ *http.Response) {
		if path == "login" {
			interrupt()
		}
	})
	var stdout, stderr bytes.Buffer
	code := cli.Run(ctx, cli.Process{Args: []string{"demo", "--issuer", issuer}, Stdout: &stdout, Stderr: &stderr})
	if code != 1 || !strings.Contains(stderr.String(), "interrupted before the end") || strings.Contains(stdout.String()+stderr.String(), "context canceled") {
		t.Errorf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
}

func TestDemoRefusesWhatItCannotHonour(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--access-token-ttl has no effect": {"--access-token-ttl", "1m"},
		"name it with --issuer":            {"--username", "ada"},
		"--password-file needs --username": {"--issuer", "http://localhost:1", "--password-file", "x"},
		"contains no password":             {"--issuer", "http://localhost:1", "--username", "ada"},
		"name a file":                      {"--issuer", "http://localhost:1", "--username", "ada", "--password-file", "/nowhere"},
		"https":                            {"--issuer", "http://example.com"},
	} {
		if got := run(t, "", append([]string{"demo"}, args...)...); got.code != 2 || !strings.Contains(got.stderr, want) || got.stdout != "" {
			t.Errorf("%v: exit code %d, %q", args, got.code, got.stderr)
		}
	}
}

func TestDemoSaysThatNoIssuerIsThere(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	got := run(t, "", "demo", "--issuer", gone.URL)
	if got.code != 5 || strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, "connection refused") {
		t.Errorf("exit code %d, %q", got.code, got.stderr)
	}
}

// alteration may change the nth answer of a path of the first-party API.
type alteration func(path string, nth int, r *http.Response)

func refuse(r *http.Response, matches bool, status int) {
	if matches {
		r.StatusCode, r.Status = status, http.StatusText(status)
		r.Body = io.NopCloser(strings.NewReader(`{"message":"No.","data":null}`))
		r.ContentLength = -1
		r.Header.Del("Content-Length")
	}
}

// liveIssuer runs an authority behind a proxy that alters its answers.
func liveIssuer(t *testing.T, alter alteration) string {
	t.Helper()
	var refreshes atomic.Int32
	var target atomic.Pointer[url.URL]
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target.Load()) },
		ModifyResponse: func(r *http.Response) error {
			verb, nth := strings.TrimPrefix(r.Request.URL.Path, "/api/authentication/"), 0
			if verb == "refresh-token" {
				nth = int(refreshes.Add(1))
			}
			alter(verb, nth, r)
			return nil
		},
	})
	t.Cleanup(front.Close)
	cfg, err := config.Load(nil, []string{
		"MINTMARK_ISSUER=" + front.URL, "MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0",
		"MINTMARK_DATA_DIR=" + t.TempDir(), "MINTMARK_ACCESS_TOKEN_TTL=3s",
		"MINTMARK_PASSWORD_MEMORY_KIB=8192", "MINTMARK_PASSWORD_TIME=1", "MINTMARK_PASSWORD_MAX_CONCURRENT=64",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	info, err := a.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	target.Store(&url.URL{Scheme: "http", Host: info.Public})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, func() {}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return front.URL
}

func register(t *testing.T, issuer string) {
	t.Helper()
	body := strings.NewReader(`{"username":"ada","email":"ada@example.com","password":"plum anchor velvet tides"}`)
	response, err := http.Post(issuer+"/api/authentication/register", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
}
