package verifier_test

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

const (
	issuerURL = "https://auth.example.com"
	audience  = "https://orders.example.com"
)

// Two keys serve all tests: making one takes longer than most tests do.
var (
	firstKey  = sync.OnceValue(newKey)
	secondKey = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// issuer is the HTTP side of an authority, without a network: it is the transport of the verifier's client, so it
// works in a synctest bubble.
type issuer struct {
	address  string       // set before it is used
	metadata atomic.Int32 // requests for the metadata
	jwks     atomic.Int32 // requests for the keys
	serve    atomic.Pointer[http.HandlerFunc]
	lists    atomic.Pointer[http.Handler] // below /oauth/status-lists/
	asked    atomic.Pointer[http.Handler] // at /oauth/introspect
}

// url is where the issuer is: issuerURL, unless it was given an address of its own.
func (i *issuer) url() string { return cmp.Or(i.address, issuerURL) }

// newIssuer publishes keys, named "first", "second", ….
func newIssuer(keys ...*rsa.PrivateKey) *issuer {
	i := &issuer{}
	i.answer(jwks(keys...))
	return i
}

// answer makes the issuer healthy, with body for its JWKS.
func (i *issuer) answer(body string) {
	i.handle(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
}

// handle sets the handler of the JWKS; the metadata stay right.
func (i *issuer) handle(h http.HandlerFunc) { i.serve.Store(&h) }

func (i *issuer) fail() {
	i.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
}

// hang makes the issuer accept requests and never answer.
func (i *issuer) hang() {
	i.handle(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	i.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	lists, asked := i.lists.Load(), i.asked.Load()
	switch {
	case r.URL.Path == "/.well-known/oauth-authorization-server":
		i.metadata.Add(1)
		fmt.Fprintf(w, `{"issuer":"%[1]s","jwks_uri":"%[1]s/.well-known/jwks.json","introspection_endpoint":"%[1]s/oauth/introspect"}`, i.url())
	case strings.HasPrefix(r.URL.Path, "/oauth/status-lists/") && lists != nil:
		(*lists).ServeHTTP(w, r)
	case r.URL.Path == "/oauth/introspect" && asked != nil:
		(*asked).ServeHTTP(w, r)
	default:
		i.jwks.Add(1)
		(*i.serve.Load())(w, r)
	}
}

func (i *issuer) verifier(t testing.TB, opts ...verifier.Option) *verifier.Verifier {
	t.Helper()
	opts = append([]verifier.Option{
		verifier.WithHTTPClient(&http.Client{Transport: i}),
		verifier.WithLogger(slog.New(slog.DiscardHandler)),
	}, opts...)
	v, err := verifier.New(i.url(), audience, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// ready is a verifier that has its keys: the first token waits for them two seconds of the machine's time, whatever the
// clock of the verifier, and a busy machine may need those for itself.
func (i *issuer) ready(t testing.TB, opts ...verifier.Option) *verifier.Verifier {
	t.Helper()
	var problem error
	for range 20 { // each time a new one: by a clock that stands still, no cool-down ends
		v := i.verifier(t, opts...)
		if problem = v.Wait(t.Context()); problem == nil {
			return v
		}
	}
	t.Fatal(problem)
	return nil
}

var names = []string{"first", "second", "third"}

func jwks(keys ...*rsa.PrivateKey) string {
	list := []map[string]any{}
	for i, key := range keys {
		list = append(list, publicJWK(&key.PublicKey, names[i]))
	}
	return encodeJSON(map[string]any{"keys": list})
}

func publicJWK(key *rsa.PublicKey, kid string) map[string]any {
	return map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes()),
	}
}

func encodeJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func b64[T ~[]byte | ~string](data T) string {
	return base64.RawURLEncoding.EncodeToString([]byte(data))
}

const goodHeader = `{"alg":"RS256","typ":"at+jwt","kid":"first"}`

// set is a change to the claims or header of a good token; a nil value removes the member.
type set map[string]any

func (s set) onto(members map[string]any) map[string]any {
	for name, value := range s {
		if value == nil {
			delete(members, name)
		} else {
			members[name] = value
		}
	}
	return members
}

// claims are those of a good token at now.
func claims(now time.Time, change set) string {
	return encodeJSON(change.onto(map[string]any{
		"iss": issuerURL, "sub": "0192d3a0-user", "aud": audience, "client_id": "first-party",
		"jti": "0192d3a0-jti", "sid": "0192d3a0-session", "scope": "orders:read orders:write",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "auth_time": now.Add(-time.Hour).Unix(),
	}))
}

func header(change set) string {
	return encodeJSON(change.onto(map[string]any{"alg": "RS256", "typ": "at+jwt", "kid": "first"}))
}

// sign makes a compact JWS by RS256 of any header and payload, whether they are JSON or not.
func sign(key *rsa.PrivateKey, header, payload string) string {
	signed := b64(header) + "." + b64(payload)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return signed + "." + b64(signature)
}

// good is a token of key, named kid, with nothing wrong about it at now.
func good(key *rsa.PrivateKey, kid string, now time.Time) string {
	return sign(key, header(set{"kid": kid}), claims(now, nil))
}

func decode64(segment string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(segment) }
