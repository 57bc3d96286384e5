// Package verifiertest helps to test services that check mintmark's tokens: it provides a live issuer, valid tokens,
// and tokens that are invalid in every known way.
//
//	issuer := verifiertest.NewIssuer(t)
//	v := issuer.Verifier() // or verifier.New(issuer.URL(), issuer.Audience())
//	good := issuer.Token(verifiertest.Claims{"sub": "ada", "scope": "orders:read"})
//	for name, bad := range issuer.HostileTokens() { … }
//
// To test a handler without a verifier in front of it, use a token from [Verified].
//
// The issuer serves metadata, JWKS and a status list over HTTP on loopback, as mintmark does, so it can test any
// verifier in any language. It has no users and no refresh tokens. It is for tests only: any code with an [Issuer] can
// sign any token.
package verifiertest

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Paths below the issuer.
const (
	jwksPath       = "/.well-known/jwks.json"
	statusListPath = "/oauth/status-lists/0"
)

// Issuer is an issuer of access tokens for one test. It is safe for concurrent use.
//
// Issuers of one process share their keys, because making keys is slow. Their tokens differ only in iss.
type Issuer struct {
	tb       testing.TB
	url      string
	audience string
	now      func() time.Time
	serial   atomic.Int64 // of the tokens made
	statuses *statusList
	ended    chan struct{} // closed when the test is over

	mu        sync.Mutex
	current   int             // guarded by mu: the key that signs, by its number in the pool
	withdrawn map[string]bool // guarded by mu: by kid
	state     state           // guarded by mu
	moved     chan struct{}   // guarded by mu: closed when state changes
}

// published is how many keys an issuer has. All are published from the beginning: verifiers rarely fetch keys for an
// unknown kid, and a test must not wait for that.
const published = 8

// state is how the issuer treats requests.
type state int

const (
	up state = iota
	down
	stalled
)

// Option changes a default of [NewIssuer].
type Option func(*Issuer)

// WithAudience sets the aud of tokens; the default is https://service.example.com.
func WithAudience(audience string) Option { return func(i *Issuer) { i.audience = audience } }

// WithClock sets the clock for the times of tokens and the status list; the default is [time.Now].
func WithClock(now func() time.Time) Option { return func(i *Issuer) { i.now = now } }

// NewIssuer starts an issuer on a free port of loopback, and stops it at the end of the test.
func NewIssuer(tb testing.TB, opts ...Option) *Issuer {
	tb.Helper()
	i := newIssuer(tb, opts...)
	server := httptest.NewServer(i.reachable(i.handler()))
	i.url = server.URL
	tb.Cleanup(func() {
		close(i.ended) // the long polls: Close waits for them
		server.Close()
	})
	return i
}

// newIssuer makes an issuer that is not served yet.
func newIssuer(tb testing.TB, opts ...Option) *Issuer {
	i := &Issuer{
		tb:       tb,
		audience: "https://service.example.com",
		now:      time.Now,
		statuses: newStatusList(),
		ended:    make(chan struct{}),
		moved:    make(chan struct{}),

		withdrawn: map[string]bool{},
	}
	for _, opt := range opts {
		opt(i)
	}
	return i
}

func (i *Issuer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", i.metadata)
	mux.HandleFunc("GET /.well-known/openid-configuration", i.metadata)
	mux.HandleFunc("GET "+jwksPath, i.jwks)
	mux.HandleFunc("GET "+statusListPath, i.serveStatusList)
	return mux
}

// URL is the issuer's identifier, the iss of its tokens: http://127.0.0.1:PORT.
func (i *Issuer) URL() string { return i.url }

// Audience is the aud of its tokens.
func (i *Issuer) Audience() string { return i.audience }

// KID returns the kid of the key that signs now.
func (i *Issuer) KID() string { return i.signing().kid }

// Rotate makes the next key sign, like a rotation of mintmark: the next key was published from the beginning, so that
// verifiers know it, and the previous one stays published. After the eighth key, the first is next.
func (i *Issuer) Rotate() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.current = i.next()
}

// Withdraw removes the key named kid from the published keys, as in an emergency: verifiers refuse its tokens once they
// next read the keys, and those that follow the status list learn from it that they must. If it is the key that signs,
// it still signs until [Issuer.Rotate].
func (i *Issuer) Withdraw(kid string) {
	i.mu.Lock()
	i.withdrawn[kid] = true
	i.mu.Unlock()
	i.statuses.wake() // a key that is still published has to sign the list
}

// next returns the published key after the one that signs; the caller holds mu.
func (i *Issuer) next() int {
	for n := i.current + 1; n < i.current+published; n++ {
		if !i.withdrawn[issuersKeys.key(n%published).kid] {
			return n % published
		}
	}
	panic("verifiertest: every other key is withdrawn")
}

// Revoke ends a session: its bit in the status list is set, and long polls are answered.
func (i *Issuer) Revoke(sid string) { i.statuses.revoke(sid) }

// Down makes the issuer cut every connection without an answer, including those that wait for a new status list, until
// [Issuer.Up]. The issuer can still make tokens.
func (i *Issuer) Down() { i.become(down) }

// Stall makes the issuer accept requests and answer none, until [Issuer.Up] or [Issuer.Down].
func (i *Issuer) Stall() { i.become(stalled) }

// Up ends Down and Stall.
func (i *Issuer) Up() { i.become(up) }

func (i *Issuer) become(s state) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.state = s
	close(i.moved)
	i.moved = make(chan struct{})
}

func (i *Issuer) signing() signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return issuersKeys.key(i.current)
}

// keys returns the keys of the JWKS.
func (i *Issuer) keys() []jwk {
	i.mu.Lock()
	defer i.mu.Unlock()
	keys := []jwk{}
	for n := range published {
		if key := issuersKeys.key(n); !i.withdrawn[key.kid] {
			keys = append(keys, key.jwk())
		}
	}
	return keys
}

// reachable treats requests as the state says.
func (i *Issuer) reachable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := i.await(r); ok {
			next.ServeHTTP(w, r)
		}
	})
}

// await waits until requests are answered, and cuts the connection if the issuer is down. moved closes when the state
// changes; ok is false if the request is over.
func (i *Issuer) await(r *http.Request) (moved <-chan struct{}, ok bool) {
	for {
		i.mu.Lock()
		now, moved := i.state, i.moved
		i.mu.Unlock()
		switch now {
		case up:
			return moved, true
		case down:
			panic(http.ErrAbortHandler) // makes net/http cut the connection
		}
		select {
		case <-moved:
		case <-r.Context().Done():
			return nil, false
		case <-i.ended:
			return nil, false
		}
	}
}

func (i *Issuer) metadata(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, i.encodeJSON(map[string]any{
		"issuer":                                i.URL(),
		"jwks_uri":                              i.URL() + jwksPath,
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	}))
}

func (i *Issuer) jwks(w http.ResponseWriter, _ *http.Request) { writeJSON(w, i.keySet()) }

// keySet returns the JWKS.
func (i *Issuer) keySet() []byte { return i.encodeJSON(map[string]any{"keys": i.keys()}) }

// keySetName is how the status list names the key set: base64url of the SHA-256 of the JWKS.
func (i *Issuer) keySetName() string {
	sum := sha256.Sum256(i.keySet())
	return encode(sum[:])
}

func writeJSON(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300, stale-if-error=86400")
	_, _ = w.Write(text) // the client may be gone
}
