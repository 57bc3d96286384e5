package torture

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
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
	strange bool   // publish keys of unknown kinds as well
	down    bool   // answer 500 to everything
	fetches int    // of the keys
	bits    [statusSize / 8]byte
	changed chan struct{} // closed when bits change
}

// openIssuer listens at address, as the issuer named by name or else by the address.
func openIssuer(ctx context.Context, address, name string, signing, other pair, now func() time.Time) (*issuer, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w as an issuer: %w", ErrListen, err)
	}
	if name == "" {
		name = "http://" + listener.Addr().String()
	}
	i := &issuer{url: name, now: now, signing: signing, others: []pair{other}, changed: make(chan struct{})}
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
	down := i.down
	i.mu.Unlock()
	switch path := r.URL.Path; {
	case down:
		http.Error(w, "down", http.StatusInternalServerError)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "GET, please", http.StatusMethodNotAllowed)
	case strings.Contains(path, "/.well-known/oauth-authorization-server"), strings.HasSuffix(path, "/.well-known/openid-configuration"):
		i.serveMetadata(w)
	case strings.HasSuffix(path, "/.well-known/jwks.json"):
		i.serveKeys(w)
	case strings.HasSuffix(path, statusPath):
		i.serveStatus(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (i *issuer) serveMetadata(w http.ResponseWriter) {
	base := strings.TrimSuffix(i.url, "/")
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, encode(set{
		"issuer": i.url, "jwks_uri": base + "/.well-known/jwks.json",
		"authorization_endpoint": base + "/oauth/authorize", "token_endpoint": base + "/oauth/token", // libraries insist on them
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	}))
}

// strangeKeys are of kinds that a reader must skip (RFC 7517 §5).
var strangeKeys = []set{
	{"kty": "MOON", "kid": "moon", "alg": "MS256", "x": "AQAB"},
	{"kty": "OKP", "crv": "Ed25519", "kid": "okp", "alg": "EdDSA", "use": "sig", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
	{"kty": "EC", "crv": "P-256", "kid": "broken", "alg": "ES256", "use": "sig", "x": "AA", "y": "AA"},
	{"kty": "RSA", "kid": "empty"},
}

func (i *issuer) serveKeys(w http.ResponseWriter) {
	i.mu.Lock()
	i.fetches++
	var keys []set
	if i.strange {
		keys = append(keys, strangeKeys...)
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

// checkURL wants what can be called.
func checkURL(what, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%s %q is not a URL like https://orders.example.com/orders", what, raw)
	}
	return nil
}
