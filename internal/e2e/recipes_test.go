package e2e_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/torture"
)

// recipe is a page of docs/verify whose service is run as it is printed.
type recipe struct {
	page    string
	main    string   // the file that is the service
	command string   // that runs it
	remarks []string // what the page says is not checked, by torture's cases
}

func recipes(t *testing.T) map[string]recipe {
	t.Helper()
	return map[string]recipe{
		"Node.js": {
			page: "node.md", main: "orders.mjs", command: "node",
			remarks: []string{"base64-trailing-bits", "b64-uncritical", "exp-huge", "iat-future"},
		},
		"Python": {
			page: "python.md", main: "orders.py", command: python(t),
			remarks: []string{"base64-trailing-bits", "exp-huge", "iat-future"},
		},
	}
}

// TestTheServicesOfTheRecipesPassTorture gives the services that also follow status lists an issuer that can sign
// whatever a forger would like to have signed.
func TestTheServicesOfTheRecipesPassTorture(t *testing.T) {
	t.Parallel()
	for name, r := range recipes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const scope = "orders:read"
			issuer := freeAddress(t) // the service is told who its issuer is before there is one
			service := r.start(t, r.folder(t, "whole page"), "http://"+issuer, "orders", "SCOPE="+scope)
			report, err := torture.Run(t.Context(), torture.Config{
				Target: torture.Target{URL: service}, OwnIssuer: issuer, Audience: "orders", Scope: scope,
				Timeout: 30 * time.Second, Wait: patience, KeysWithin: patience, RevokedWithin: patience,
			})
			if err != nil {
				t.Fatal(err)
			}
			if report.Stopped != "" {
				t.Errorf("stopped: %s", report.Stopped)
			}
			var remarked []string
			for _, one := range report.Results {
				if one.Verdict != torture.Passed {
					t.Errorf("%s: %s %s", one.Case.ID, one.Verdict, one.Why)
				}
				for _, o := range one.Outcomes {
					if o.Verdict.Failed() {
						t.Errorf("%s, %s: %s", one.Case.ID, o.Sent, o.Got)
					}
					if o.Remark != "" && !slices.Contains(remarked, one.Case.ID) {
						remarked = append(remarked, one.Case.ID)
					}
				}
			}
			if diff := cmp.Diff(r.remarks, remarked); diff != "" {
				t.Errorf("what the page says (-) and torture remarks (+):\n%s", diff)
			}
		})
	}
}

// TestTheServicesOfTheRecipesTakeOurTokens runs them beside a live authority, through an emergency.
func TestTheServicesOfTheRecipesTakeOurTokens(t *testing.T) {
	t.Parallel()
	desk := newDesk(t)
	desk.settings = []string{"MINTMARK_ACCESS_TOKEN_TTL=1h"} // nothing here may expire on a slow machine
	serve := spawn(t, append(desk.settings, "MINTMARK_DATA_DIR="+filepath.Join(desk.folder, "mintmark-data"))...)
	serve.register(t, testUser)
	before := serve.login(t, testUser).Access
	services := make(map[string]string)
	for name, r := range recipes(t) {
		folder := r.folder(t, "## Revocation")
		services[name] = r.start(t, folder, serve.Issuer, serve.Issuer)
		for token, want := range map[string]int{before: 200, before[:len(before)-8] + "AAAAAAAA": 401, "": 401} {
			got := bearing(t, services[name], token)
			if got.Status != want {
				t.Errorf("%s: %d for the token %q, want %d", name, got.Status, token, want)
			}
			challenge := got.Header.Get("WWW-Authenticate")
			if want == 401 && (!strings.HasPrefix(challenge, "Bearer") || strings.Contains(challenge, `error="invalid_token"`) != (token != "")) {
				t.Errorf("%s: the challenge %q for the token %q (RFC 6750 §3)", name, challenge, token)
			}
		}
		if got := bearing(t, r.start(t, folder, serve.Issuer, "https://other.example.com"), before); got.Status != 401 {
			t.Errorf("%s: %d for the token of another service, want 401", name, got.Status)
		}
		got := bearing(t, r.start(t, folder, serve.Issuer, serve.Issuer, "SCOPE=orders:read"), before)
		if got.Status != 403 || !strings.Contains(got.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
			t.Errorf("%s: %d %q without the scope, want 403 (RFC 6750 §3.1)", name, got.Status, got.Header.Get("WWW-Authenticate"))
		}
		got = bearing(t, r.start(t, folder, "http://"+freeAddress(t), serve.Issuer), before)
		if got.Status != 503 || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d while the keys can't be read, want 503 with Retry-After", name, got.Status)
		}
	}

	desk.sh(t, `mintmark keys rotate --emergency --why "a test of the recipes" --yes`)

	var after string
	eventually(t, func() bool { // the authority reads its keys every five seconds
		after = serve.login(t, testUser).Access
		return headerOf(after) != headerOf(before)
	})
	for name, service := range services {
		eventually(t, func() bool { return bearing(t, service, after).Status == 200 })
		if got := bearing(t, service, before); got.Status != 200 {
			t.Errorf("%s: %d for a token under the key before, want 200", name, got.Status)
		}
	}
}

// TestTheServicesOfTheRecipesRefuseASessionThatEnded has them follow the lists of a live authority.
func TestTheServicesOfTheRecipesRefuseASessionThatEnded(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t, "MINTMARK_ACCESS_TOKEN_TTL=1h")
	a.register(t, testUser)
	ended, lives := a.login(t, testUser), a.login(t, testUser)
	services := make(map[string]string)
	for name, r := range recipes(t) {
		services[name] = r.start(t, r.folder(t, "whole page"), a.Issuer, a.Issuer)
		if got := bearing(t, services[name], ended.Access); got.Status != 200 {
			t.Fatalf("%s: %d before the session ends, want 200", name, got.Status)
		}
	}

	if got, _ := a.firstParty(t, "logout", map[string]string{"accessToken": ended.Access, "refreshToken": ended.Refresh}); got.Status != 200 {
		t.Fatalf("log out: %d", got.Status)
	}

	for name, service := range services {
		eventually(t, func() bool { return bearing(t, service, ended.Access).Status == 401 })
		if got := bearing(t, service, lives.Access); got.Status != 200 {
			t.Errorf("%s: %d for another session, want 200", name, got.Status)
		}
	}
	a.Stop()
	for name, service := range services {
		for token, want := range map[string]int{ended.Access: 401, lives.Access: 200} {
			if got := bearing(t, service, token); got.Status != want {
				t.Errorf("%s: %d while the authority is down, want %d", name, got.Status, want)
			}
		}
	}
}

// headerOf is what names the key of a token.
func headerOf(token string) string {
	header, _, _ := strings.Cut(token, ".")
	return header
}

func bearing(t *testing.T, url, token string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return do(t, req)
}

// folder writes the files of the page into a folder, up to a heading. A file that comes twice is as it comes last.
func (r recipe) folder(t *testing.T, until string) string {
	t.Helper()
	part, _, _ := strings.Cut(recipePage(t, r.page), "\n"+until+"\n")
	folder := t.TempDir()
	for _, b := range fences(part) {
		name, ok := b.file()
		if !ok {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// nodeOptions gives Node.js 18, which Debian 12 has, what later versions have by
// themselves and the jose of the page asks for.
func nodeOptions(t *testing.T) []string {
	t.Helper()
	version, err := exec.CommandContext(t.Context(), "node", "--version").Output()
	if err != nil {
		t.Fatalf("node --version: %v", err)
	}
	if strings.HasPrefix(string(version), "v18.") {
		return []string{"NODE_OPTIONS=--experimental-global-webcrypto"}
	}
	return nil
}

// start runs the service in the folder and returns where it is. Its clock for intervals is a hasty one, so that nobody
// waits for cool-downs; see testdata/haste.
func (r recipe) start(t *testing.T, folder, issuer, audience string, more ...string) string {
	t.Helper()
	service, _ := r.run(t, folder, append([]string{"ISSUER=" + issuer, "AUDIENCE=" + audience}, more...)...)
	return service
}

// run starts the service with these settings and returns where it is and what it logs.
func (r recipe) run(t *testing.T, folder string, settings ...string) (service string, log *syncBuffer) {
	t.Helper()
	if filepath.Ext(r.main) == ".mjs" {
		installJose(t, folder)
	}
	haste, err := filepath.Abs("testdata/haste")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	if r.command == "node" {
		words = []string{"--require", filepath.Join(haste, "haste.cjs")}
	}
	cmd := exec.Command(r.command, append(words, r.main)...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), append([]string{
		"PORT=0", "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=" + haste,
	}, settings...)...)
	if r.command == "node" {
		cmd.Env = append(cmd.Env, nodeOptions(t)...)
	}
	port, log := startService(t, cmd)
	return fmt.Sprintf("http://127.0.0.1:%s/orders", port), log
}

// startService starts a service, which is killed in the end, and returns the first line
// that it prints, which is where it listens, and what it logs on stderr.
func startService(t *testing.T, cmd *exec.Cmd) (said string, log *syncBuffer) {
	t.Helper()
	log = &syncBuffer{}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s says:\n%s", cmd, log)
		}
	})
	giveUp := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // ends its output, and the wait for it
	defer giveUp.Stop()
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not listen within %s: %v\n%s", cmd, patience, err, log)
	}
	go func() { _, _ = lines.WriteTo(log) }() // or it would stop at a full pipe
	return strings.TrimSpace(first), log
}

// python is one that has PyJWT: on Debian that of the system, whatever else is on the PATH.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), name, "-c", "import cryptography, jwt").Run() == nil {
			return name
		}
	}
	t.Fatal("no python3 has PyJWT and cryptography: install them (on Debian python3-jwt), as tools/test.sh does")
	return ""
}

// freeAddress is one at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

// fence is a fenced block of a page.
type fence struct{ language, text string }

// file is the name in a comment on the first line, if there is one.
func (f fence) file() (name string, ok bool) {
	first, _, _ := strings.Cut(f.text, "\n")
	for _, mark := range []string{"// ", "# "} {
		if name, ok = strings.CutPrefix(first, mark); ok && !strings.ContainsAny(name, " /") && strings.Contains(name, ".") {
			return name, true
		}
	}
	return "", false
}

func fences(page string) []fence {
	var found []fence
	inside := false
	for line := range strings.Lines(page) {
		mark, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && inside:
			inside = false
		case isFence:
			inside = true
			found = append(found, fence{language: strings.TrimSpace(mark)})
		case inside:
			found[len(found)-1].text += line
		}
	}
	return found
}
