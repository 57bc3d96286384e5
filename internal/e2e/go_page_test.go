package e2e_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiertest"
)

// goService is the service around the blocks of docs/verify/go.md.
const goService = `package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

func main() {
	mux := http.NewServeMux()
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		HANDLER
		fmt.Fprint(w, "orders of ", token.Subject)
	})
	pay := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "paid") })
	VERIFIER
	POLICY
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	fmt.Fprintln(os.Stderr, server.Serve(listener))
}
`

// TestTheGoPageIsRunAsPrinted makes a service of the page's own lines and asks it.
func TestTheGoPageIsRunAsPrinted(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	service := startGoPage(t, issuer.URL())
	now := time.Now().Unix()
	ours := verifiertest.Claims{"aud": issuer.URL()} // as the page says
	untilItHasKeys(t, service, issuer.Token(ours))
	for name, c := range map[string]struct {
		method, path, token string
		want                int
	}{
		"a good token":            {"GET", "/orders", issuer.Token(ours), 200},
		"for another audience":    {"GET", "/orders", issuer.Token(), 401},
		"expired":                 {"GET", "/orders", issuer.ExpiredToken(ours), 401},
		"none":                    {"GET", "/orders", "", 401},
		"without the scope":       {"POST", "/payments", issuer.Token(ours, verifiertest.Claims{"acr": "urn:example:mfa", "auth_time": now}), 403},
		"a second factor":         {"POST", "/payments", issuer.Token(ours, verifiertest.Claims{"scope": "orders:pay", "acr": "urn:example:mfa", "auth_time": now}), 200},
		"without a second factor": {"POST", "/payments", issuer.Token(ours, verifiertest.Claims{"scope": "orders:pay", "auth_time": now}), 401},
	} {
		if got := askGoPage(t, c.method, service+c.path, c.token); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// untilItHasKeys asks until the service no longer answers that it could not look: its first token waits two seconds for the
// keys, which a busy machine may need for itself.
func untilItHasKeys(t *testing.T, service, token string) {
	t.Helper()
	eventually(t, func() bool {
		return askGoPage(t, "GET", service+"/orders", token) != http.StatusServiceUnavailable
	})
}

func askGoPage(t *testing.T, method, address, token string) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// startGoPage builds and starts the service and returns where it is.
func startGoPage(t *testing.T, issuer string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/verify/go.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	if len(blocks) != 2 {
		t.Fatalf("the page has %d blocks of Go, want 2", len(blocks))
	}
	for i := range blocks {
		blocks[i], _, _ = strings.Cut(blocks[i], "```")
	}
	lines := strings.SplitAfter(blocks[0], "\n") // two to set up, one of a handler
	program := strings.NewReplacer(
		"HANDLER", lines[2], "VERIFIER", lines[0]+lines[1], "POLICY", blocks[1],
	).Replace(goService)
	return startProgram(t, program, issuer)
}

// startProgram builds and starts a service in Go, with the issuer of the pages replaced, and returns where it is.
func startProgram(t *testing.T, program, issuer string) string {
	t.Helper()
	program = strings.NewReplacer("https://auth.example.com", issuer, "http://localhost:8080", issuer).Replace(program)
	folder := t.TempDir()
	source, binary := filepath.Join(folder, "main.go"), filepath.Join(folder, "orders")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("build what the page says: %v\n%s\n%s", err, out, program)
	}
	address, _ := startService(t, exec.Command(binary))
	return "http://" + address
}
