package torture

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// attackerKid names the forger's key.
const attackerKid = "attacker"

// trap is where the URLs of forged tokens point: it serves the forger's key and remembers who came.
type trap struct {
	url    string
	server *http.Server
	jwks   string
	cert   []byte // DER

	mu   sync.Mutex
	hits map[string]int // by path
}

// setTrap listens at address. The forger's key is served under its own kid and under the issuer's.
func setTrap(ctx context.Context, address string, attacker *rsa.PrivateKey, kid string) (*trap, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "forger"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &attacker.PublicKey, attacker)
	if err != nil {
		return nil, fmt.Errorf("make the forger's certificate: %w", err)
	}
	listener, err := listenAt(ctx, address, "for who fetches forged keys")
	if err != nil {
		return nil, err
	}
	t := &trap{url: urlOf(address, listener), cert: cert, hits: map[string]int{}}
	keys := []set{publicJWK(&attacker.PublicKey, attackerKid)}
	if kid != "" {
		keys = append(keys, publicJWK(&attacker.PublicKey, kid))
	}
	t.jwks = encode(set{"keys": keys})
	t.server = listen(listener, t)
	return t, nil
}

// listen serves until the server is closed.
func listen(listener net.Listener, handler http.Handler) *http.Server {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
	}
	go func() { _ = server.Serve(listener) }() // it ends with Close
	return server
}

// path is a new one that answers with the forger's keys (jwks) or certificate (cert), or is an issuer with metadata and
// keys (iss).
func (t *trap) path(kind string) string { return "/" + kind + "/" + rand.Text() }

// certificate is the forger's, as x5c has it.
func (t *trap) certificate() string { return base64.StdEncoding.EncodeToString(t.cert) }

// fetched reports whether a path was requested.
func (t *trap) fetched(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hits[path] > 0
}

// pathOf is what path returned, whatever of an issuer's was asked for: metadata stands before its path or behind it
// (RFC 8414 §3.1), keys behind it.
func pathOf(asked string) string {
	asked = strings.TrimPrefix(asked, "/.well-known/oauth-authorization-server")
	asked = strings.TrimPrefix(asked, "/.well-known/openid-configuration")
	path, _, _ := strings.Cut(asked, "/.well-known/")
	return path
}

func (t *trap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := pathOf(r.URL.Path)
	t.mu.Lock()
	if len(t.hits) < 10_000 {
		t.hits[path]++
	}
	t.mu.Unlock()
	switch {
	case strings.HasPrefix(path, "/cert/"):
		w.Header().Set("Content-Type", "application/x-pem-file")
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: t.cert})
		return
	case strings.HasPrefix(path, "/iss/") && !strings.HasSuffix(r.URL.Path, "/.well-known/jwks.json"):
		writeMetadata(w, t.url+path)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, t.jwks)
}
