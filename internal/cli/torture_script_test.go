package cli_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// accessToken NAME FILE logs a user in, as logged-in does, and keeps the access token.
func accessToken(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(loggedIn(ts, args[0])+"\n"), 0o600))
}

// forecast ISSUER AUDIENCE starts the weather service on a free port and sets FORECAST to what it serves.
func forecast(ts *testscript.TestScript, _ bool, args []string) {
	service := exec.Command("weather", "--issuer", args[0], "--audience", args[1], "--addr", "127.0.0.1:0")
	stdout, err := service.StdoutPipe()
	ts.Check(err)
	_, err = service.StdinPipe() // for endWithInput; Wait closes it
	ts.Check(err)
	ts.Check(service.Start())
	ts.Defer(func() {
		_ = service.Process.Kill()
		_ = service.Wait()
	})
	giveUp := time.AfterFunc(patience, func() { _ = service.Process.Kill() }) // ends its output, and the wait for it
	defer giveUp.Stop()
	var address string
	if _, err := fmt.Fscanf(stdout, "weather: %s takes tokens of", &address); err != nil {
		ts.Fatalf("weather ended before it was ready: %v", err)
	}
	ts.Setenv("FORECAST", address)
}

// naive starts a service that accepts any token, and sets NAIVE.
func naive(ts *testscript.TestScript, _ bool, _ []string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv("NAIVE", server.URL)
}

// free-port NAME sets NAME to a port that nobody listens at.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Check(listener.Close())
	ts.Setenv(args[0], fmt.Sprint(listener.Addr().(*net.TCPAddr).Port))
}

// rsa-key FILE writes a new private key, in PKCS #8 if the name says so.
func rsaKey(ts *testscript.TestScript, _ bool, args []string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ts.Check(err)
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if strings.Contains(args[0], "pkcs8") {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		ts.Check(err)
		block = &pem.Block{Type: "PRIVATE KEY", Bytes: der}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(block), 0o600))
}
