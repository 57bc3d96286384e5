package verifier_test

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"crypto/rsa"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// listServer serves one status list as an authority does: with an ETag, at once if it is another than the caller's, else
// when it changes or after the wait that was asked for.
type listServer struct {
	issuer   *issuer
	uri      string
	key      *rsa.PrivateKey
	lifetime time.Duration
	requests atomic.Int32
	waiting  atomic.Int32

	mu      sync.Mutex // guards what follows
	packed  []byte
	kid     string // of key, unless it is the first
	keySet  string // that the list names, or empty
	version int
	changed chan struct{} // closes with the next change
	broken  bool
}

// serveList gives i a list of 64 statuses of one bit, which is also its handler.
func serveList(i *issuer) *listServer {
	s := &listServer{
		issuer: i, uri: i.url() + "/oauth/status-lists/3", key: firstKey(), lifetime: time.Hour,
		packed: make([]byte, 8), changed: make(chan struct{}),
	}
	h := http.Handler(s)
	i.lists.Store(&h)
	return s
}

// change makes a new version.
func (s *listServer) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.version++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *listServer) revoke(idx int) { s.change(func() { s.packed[idx/8] |= 1 << (idx % 8) }) }

// cut ends all requests without an answer and refuses new ones, as long as it is broken.
func (s *listServer) cut(broken bool) { s.change(func() { s.broken = broken }) }

func (s *listServer) state() (etag string, packed []byte, changed chan struct{}, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf(`"%d"`, s.version), bytes.Clone(s.packed), s.changed, s.broken
}

func (s *listServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	etag, packed, changed, broken := s.state()
	if !broken && r.Header.Get("If-None-Match") == etag {
		seconds, _ := strconv.Atoi(r.URL.Query().Get("wait"))
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		s.waiting.Add(1)
		select {
		case <-changed:
		case <-timer.C:
		case <-r.Context().Done():
		}
		s.waiting.Add(-1)
		etag, packed, _, broken = s.state()
	}
	w.Header().Set("ETag", etag)
	switch {
	case broken:
		w.WriteHeader(http.StatusBadGateway)
	case r.Header.Get("If-None-Match") == etag:
		w.WriteHeader(http.StatusNotModified)
	default:
		w.Header().Set("Content-Type", "application/statuslist+jwt")
		io.WriteString(w, s.token(packed, nil, nil))
	}
}

// token signs a list.
func (s *listServer) token(packed []byte, headerChange, claimChange set) string {
	now := time.Now()
	s.mu.Lock()
	key, kid, keySet := s.key, cmp.Or(s.kid, "first"), s.keySet
	s.mu.Unlock()
	if keySet != "" {
		claimChange = set{keySetClaim: keySet}.with(claimChange)
	}
	return sign(key, header(set{"typ": "statuslist+jwt", "kid": kid}.with(headerChange)), encodeJSON(claimChange.onto(map[string]any{
		"iss": s.issuer.url(), "sub": s.uri, "iat": now.Unix(), "exp": now.Add(s.lifetime).Unix(), "ttl": 30,
		"status_list": map[string]any{"bits": 1, "lst": deflated(packed)},
	})))
}

func (s set) with(other set) set {
	for name, value := range other {
		s[name] = value
	}
	return s
}

func deflated(packed []byte) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(packed)
	z.Close()
	return b64(b.Bytes())
}

// deflatedBomb is 8 MiB of nothing, made once.
var deflatedBomb = sync.OnceValue(func() string { return deflated(make([]byte, 8<<20)) })

// listed is a good token of s whose status stands at idx.
func (s *listServer) listed(idx int) string { return s.listedFor(idx, 3*time.Hour) }

// listedFor is one that lives that long.
func (s *listServer) listedFor(idx int, life time.Duration) string {
	return sign(firstKey(), goodHeader, claims(time.Now(), set{
		"iss": s.issuer.url(), "exp": time.Now().Add(life).Unix(),
		"status": set{"status_list": set{"idx": idx, "uri": s.uri}},
	}))
}

// failClosed is the option.
func failClosed() verifier.Option { return verifier.WithStatus(verifier.StatusFailClosed) }

func mustRefuse(t *testing.T, v *verifier.Verifier, raw string) {
	t.Helper()
	if token, err := v.Verify(t.Context(), raw); err == nil {
		t.Fatalf("accepted %+v", token)
	}
}
