package torture

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	statusPath = "/oauth/status-lists/0"
	// statusSize is the number of sessions in the status list.
	statusSize = 1 << 10
	// maxPoll bounds how long a question for a newer status list waits.
	maxPoll = 25 * time.Second
)

// pair is a key of the issuer of our own.
type pair struct {
	kid string
	key *rsa.PrivateKey
}

func newPair(newKey func() (*rsa.PrivateKey, error)) (pair, error) {
	key, err := newKey()
	if err != nil {
		return pair{}, fmt.Errorf("make a key: %w", err)
	}
	return pair{kid: thumbprint(&key.PublicKey), key: key}, nil
}

// issuer is an authority of our own that lives as long as the run. It publishes metadata, keys and a status list, and
// grants nothing over HTTP.
type issuer struct {
	url    string
	server *http.Server
	now    func() time.Time

	mu      sync.Mutex
	signing pair
	others  []pair // published too
	strange set    // a key to publish beside them that makes no sense to readers
	trouble trouble
	calmed  chan struct{} // closed when trouble changes
	fetches int           // of the keys
	bits    [statusSize / 8]byte
	changed chan struct{} // closed when bits change
}

// trouble is what an issuer does to all requests.
type trouble string

const (
	calm      trouble = ""
	down      trouble = "down: 500"
	empty     trouble = "answering with nothing"
	truncated trouble = "answering half"
	moving    trouble = "redirecting elsewhere"
	stalled   trouble = "answering nobody"
)

// get makes trouble, or ends it.
func (i *issuer) get(into trouble) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.trouble = into
	close(i.calmed)
	i.calmed = make(chan struct{})
}

// suffer answers a request as an issuer in trouble does.
func suffer(w http.ResponseWriter, r *http.Request, t trouble, calmed <-chan struct{}) {
	switch t {
	case empty:
		w.Header().Set("Content-Type", "application/json")
	case truncated:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"keys":[{"kty":"RSA","kid":"`)
	case moving:
		http.Redirect(w, r, "/moved", http.StatusFound)
	case stalled:
		select {
		case <-calmed:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // which cuts the connection
	default:
		http.Error(w, "down", http.StatusInternalServerError)
	}
}

// openIssuer listens at address, as the issuer named by name or else by the address.
func openIssuer(ctx context.Context, address, name string, signing, other pair, now func() time.Time) (*issuer, error) {
	listener, err := listenAt(ctx, address, "as an issuer")
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = urlOf(address, listener)
	}
	i := &issuer{url: name, now: now, signing: signing, others: []pair{other}, changed: make(chan struct{}), calmed: make(chan struct{})}
	i.server = listen(listener, i)
	return i, nil
}

func (i *issuer) close() { _ = i.server.Close() }

// publish changes what the issuer publishes.
func (i *issuer) publish(change func(*issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

// revoke marks a session as ended, and wakes who waits for news of it.
func (i *issuer) revoke(index int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.bits[index/8] |= 1 << (index % 8)
	close(i.changed)
	i.changed = make(chan struct{})
}

// status is the claim that names the place of a session in the status list.
func (i *issuer) status(index int) set {
	return set{"status_list": set{"idx": index, "uri": strings.TrimSuffix(i.url, "/") + statusPath}}
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	trouble, calmed := i.trouble, i.calmed
	if strings.HasSuffix(r.URL.Path, statusPath) {
		trouble = calm // what a service makes of a list that it can't have is its own choice
	}
	if trouble != calm && strings.HasSuffix(r.URL.Path, "/.well-known/jwks.json") {
		i.fetches++
	}
	i.mu.Unlock()
	switch path := r.URL.Path; {
	case trouble != calm && path == "/moved":
		http.NotFound(w, r)
	case trouble != calm:
		suffer(w, r, trouble, calmed)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "GET, please", http.StatusMethodNotAllowed)
	case strings.Contains(path, "/.well-known/oauth-authorization-server"), strings.HasSuffix(path, "/.well-known/openid-configuration"):
		writeMetadata(w, i.url)
	case strings.HasSuffix(path, "/.well-known/jwks.json"):
		i.serveKeys(w)
	case strings.HasSuffix(path, statusPath):
		i.serveStatus(w, r)
	default:
		http.NotFound(w, r)
	}
}

// writeMetadata describes an issuer as RFC 8414 and OpenID Connect Discovery do.
func writeMetadata(w http.ResponseWriter, issuer string) {
	base := strings.TrimSuffix(issuer, "/")
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, encode(set{
		"issuer": issuer, "jwks_uri": base + "/.well-known/jwks.json",
		"authorization_endpoint": base + "/oauth/authorize", "token_endpoint": base + "/oauth/token", // libraries insist on them
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	}))
}

// strangeKey is one that a reader can't use.
type strangeKey struct {
	sent string
	key  set
}

// unknownKeys are of kinds that a reader must skip (RFC 7517 §5).
var unknownKeys = []strangeKey{
	{"beside kty MOON", set{"kty": "MOON", "kid": "moon", "alg": "MS256", "x": "AQAB"}},
	{"beside Ed25519", set{"kty": "OKP", "crv": "Ed25519", "kid": "okp", "alg": "EdDSA", "use": "sig", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}},
}

// brokenKeys are of known kinds, and no keys.
var brokenKeys = []strangeKey{
	{"beside a broken EC key", set{"kty": "EC", "crv": "P-256", "kid": "broken", "alg": "ES256", "use": "sig", "x": "AA", "y": "AA"}},
	{"beside an empty RSA key", set{"kty": "RSA", "kid": "empty"}},
}

func (i *issuer) serveKeys(w http.ResponseWriter) {
	i.mu.Lock()
	i.fetches++
	var keys []set
	if i.strange != nil {
		keys = append(keys, i.strange)
	}
	for _, p := range append([]pair{i.signing}, i.others...) {
		keys = append(keys, publicJWK(&p.key.PublicKey, p.kid))
	}
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=60")
	_, _ = io.WriteString(w, encode(set{"keys": keys}))
}

// serveStatus answers with the list (draft-ietf-oauth-status-list §8), at once or when it differs from the one asked about.
func (i *issuer) serveStatus(w http.ResponseWriter, r *http.Request) {
	wait, _ := strconv.Atoi(r.URL.Query().Get("wait"))
	end := time.NewTimer(min(time.Duration(max(wait, 0))*time.Second, maxPoll))
	defer end.Stop()
	for {
		i.mu.Lock()
		bits, changed, signing := i.bits, i.changed, i.signing
		i.mu.Unlock()
		etag := fmt.Sprintf(`"%x"`, sha256.Sum256(append(bits[:], signing.kid...)))
		if r.Header.Get("If-None-Match") != etag {
			w.Header().Set("Content-Type", "application/statuslist+jwt")
			w.Header().Set("ETag", etag)
			w.Header().Set("Cache-Control", "no-cache")
			_, _ = io.WriteString(w, i.statusToken(bits[:], signing))
			return
		}
		select {
		case <-changed:
		case <-end.C:
			w.Header().Set("ETag", etag)
			w.WriteHeader(http.StatusNotModified)
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (i *issuer) statusToken(bits []byte, signing pair) string {
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write(bits) // a buffer takes everything
	_ = z.Close()
	now := i.now()
	return sealed(b64(encode(set{"alg": "RS256", "typ": "statuslist+jwt", "kid": signing.kid}))+"."+b64(encode(set{
		"sub": strings.TrimSuffix(i.url, "/") + statusPath, "iss": i.url, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "ttl": 60,
		"status_list": set{"bits": 1, "lst": b64(packed.Bytes())},
	})), signing.key)
}

// listenAt opens a port of ours. ErrListen, ErrUnusable.
func listenAt(ctx context.Context, address, purpose string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w %s: %w", ErrListen, purpose, err)
	case err != nil:
		return nil, fmt.Errorf("%w: can't listen %s: %w", ErrUnusable, purpose, err)
	}
	return listener, nil
}

// urlOf is the URL of who listens at an address, by the name that was given.
func urlOf(address string, listener net.Listener) string {
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	host, _, _ := net.SplitHostPort(address)
	return "http://" + net.JoinHostPort(host, port)
}

// checkURL wants what can be called, and shown.
func checkURL(what, raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return fmt.Errorf("%s %q is not a URL like https://orders.example.com/orders", what, masked(raw))
	case u.User != nil:
		return fmt.Errorf("%s %q contains a user, which would be printed: send it in a header", what, masked(raw))
	}
	return nil
}

// masked is a URL without what may be secret in it: the user and the values of the query.
func masked(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(no URL)"
	}
	if u.User != nil {
		u.User = url.User("***")
	}
	var query []string
	for _, name := range slices.Sorted(maps.Keys(u.Query())) {
		query = append(query, url.QueryEscape(name)+"=***")
	}
	u.RawQuery, u.Fragment = strings.Join(query, "&"), ""
	return u.String()
}
