package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/config"
)

// programs is where mintmark is built for these tests.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "mintmark-e2e"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(programs) // best effort: it is the system's folder
	os.Exit(code)
}

// built builds mintmark once, without the race detector: that watches the servers which
// the tests start in their own process, and slows down those of others.
var built = sync.OnceValues(func() (program string, err error) {
	program = filepath.Join(programs, "mintmark")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-tags=nomsgpack", "-o", program, "../../cmd/mintmark")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return program, nil
})

// mintmark is the built program.
func mintmark(t testing.TB) string {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// process is `mintmark serve` in a process of its own.
type process struct {
	*authority
	cmd    *exec.Cmd
	exited chan error
}

// spawn runs `mintmark serve` with these settings and returns when it is ready.
func spawn(t testing.TB, settings ...string) *process {
	t.Helper()
	return spawnProgram(t, mintmark(t), append([]string{atOnce}, settings...)...)
}

// spawnProgram is spawn with a mintmark of another making.
func spawnProgram(t testing.TB, program string, settings ...string) *process {
	t.Helper()
	settings = lastOfEach(append(quick(), settings...))
	cfg, err := config.Load(nil, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", "--output", "json")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, settings...)
	log := &syncBuffer{}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, exited: make(chan error, 1)}
	giveUp := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // ends its output, and the wait for it
	defer giveUp.Stop()
	var ready struct{ Issuer, Public, Operations string }
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&ready); err != nil {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // now its log is whole
		t.Fatalf("serve did not become ready within %s: %v\n%s", patience, err, log)
	}
	go func() { p.exited <- cmd.Wait() }()
	t.Cleanup(func() { p.kill(t) })
	p.authority = &authority{URL: ready.Public, Ops: ready.Operations, Issuer: ready.Issuer, cfg: cfg, Log: log}
	return p
}

// kill ends the process by SIGKILL, if it still runs.
func (p *process) kill(t testing.TB) {
	t.Helper()
	_ = p.cmd.Process.Kill() // it may have ended
	p.wait(t)
}

// wait returns how the process ended.
func (p *process) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-p.exited:
		p.exited <- err
		return err
	case <-time.After(patience):
		t.Fatalf("the process does not end within %s", patience)
		return nil
	}
}

func TestKilledAuthorityLosesNothingAndLogsNobodyOut(t *testing.T) {
	t.Parallel()
	dir := "MINTMARK_DATA_DIR=" + filepath.Join(t.TempDir(), "data")
	first := spawn(t, dir)
	first.register(t, testUser)
	kept, ended := first.login(t, testUser), first.login(t, testUser)
	kept, _ = first.refresh(t, kept)
	if got, _ := first.firstParty(t, "logout", map[string]string{"accessToken": ended.Access, "refreshToken": ended.Refresh}); got.Status != 200 {
		t.Fatalf("logout: %d", got.Status)
	}
	keys := send(t, "GET", first.URL+"/.well-known/jwks.json", "", "")

	first.kill(t)

	second := spawn(t, dir) // on another port, and still the same issuer
	if second.Issuer != first.Issuer {
		t.Errorf("issuer after the kill: %s, want %s", second.Issuer, first.Issuer)
	}
	if next, got := second.refresh(t, kept); got.Status != 200 || next.Refresh == "" {
		t.Errorf("refresh after the kill: %d %s, want 200", got.Status, got.Body)
	}
	if _, got := second.refresh(t, ended); got.Status != 400 {
		t.Errorf("a session that was logged out: %d, want 400", got.Status)
	}
	second.login(t, testUser)
	if again := send(t, "GET", second.URL+"/.well-known/jwks.json", "", ""); again.Header.Get("ETag") != keys.Header.Get("ETag") {
		// The standby may have been made after the keys were fetched; none may be gone.
		assertKeysKept(t, keys.Body, again.Body)
	}
}

func assertKeysKept(t *testing.T, before, after []byte) {
	t.Helper()
	kids := func(body []byte) map[string]bool {
		var set struct {
			Keys []struct{ Kid string }
		}
		if err := json.Unmarshal(body, &set); err != nil {
			t.Fatal(err)
		}
		found := make(map[string]bool)
		for _, k := range set.Keys {
			found[k.Kid] = true
		}
		return found
	}
	now := kids(after)
	for kid := range kids(before) {
		if !now[kid] {
			t.Errorf("key %s is gone", kid)
		}
	}
}

// TestSIGTERMLetsRequestsInFlightEnd keeps a request in flight by half of its body,
// so that nothing here depends on how fast the machine is.
func TestSIGTERMLetsRequestsInFlightEnd(t *testing.T) {
	t.Parallel()
	p := spawn(t, "MINTMARK_DATA_DIR="+filepath.Join(t.TempDir(), "data"))
	body, rest := io.Pipe()
	whole := fmt.Sprintf(`{"username":%q,"email":"a@example.com","password":%q}`, testUser, testPassword)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/api/authentication/register", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.ContentLength = int64(len(whole))
	answered := make(chan answer, 1)
	go func() {
		defer close(answered)
		answered <- do(t, req)
	}()
	half := len(whole) / 2
	if _, err := io.WriteString(rest, whole[:half]); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		got := send(t, "GET", p.Ops+"/metrics", "", "")
		return strings.Contains(string(got.Body), "mintmark_http_requests_in_flight 2\n") // that one and this one
	})
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return strings.Contains(p.Log.String(), "shutting down") })
	if _, err := io.WriteString(rest, whole[half:]); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got.Status != 200 {
		t.Errorf("request in flight: %d %s, want 200", got.Status, got.Body)
	}
	if err := p.wait(t); err != nil {
		t.Errorf("serve ended: %v, want exit code 0", err)
	}
}
