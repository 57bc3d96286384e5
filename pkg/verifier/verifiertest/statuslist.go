package verifiertest

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// maxWait bounds a long poll, in seconds.
	maxWait = 25
	// listTTL is how soon a verifier should ask again, in seconds, and listLifetime how long it may use a list if it
	// can't.
	listTTL      = 5
	listLifetime = time.Hour
	// minBits is the minimum size of a list: a short one would reveal the number of sessions.
	minBits = 1024
)

// statusList holds one bit per session: set once it is revoked (draft-ietf-oauth-status-list §4.1).
type statusList struct {
	mu      sync.Mutex
	indexes map[string]int // guarded by mu: by sid
	bits    []byte         // guarded by mu
	changed chan struct{}  // guarded by mu: closed at the next change
	signed  signedList     // guarded by mu: the last list made of bits
}

// signedList is a list as it is served; the zero value is out of date.
type signedList struct {
	token     string
	etag      string // strong, quoted
	refreshAt time.Time
}

func newStatusList() *statusList {
	return &statusList{indexes: map[string]int{}, bits: make([]byte, minBits/8), changed: make(chan struct{})}
}

// index returns the session's place in the list, which never changes.
func (l *statusList) index(sid string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.indexOf(sid)
}

// indexOf is index for callers that hold mu.
func (l *statusList) indexOf(sid string) int {
	idx, known := l.indexes[sid]
	if !known {
		idx = len(l.indexes)
		l.indexes[sid] = idx
		if idx >= 8*len(l.bits) {
			l.bits = append(l.bits, make([]byte, len(l.bits))...)
			l.change()
		}
	}
	return idx
}

func (l *statusList) revoke(sid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	idx := l.indexOf(sid)
	l.bits[idx/8] |= 1 << (idx % 8) // the least significant bit comes first
	l.change()
}

// wake makes the list be signed again.
func (l *statusList) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.change()
}

// change makes the list be signed again, and wakes the requests that wait for that; the caller holds mu.
func (l *statusList) change() {
	l.signed = signedList{}
	close(l.changed)
	l.changed = make(chan struct{})
}

// current returns the list to serve, and a channel that closes when there is a newer one. seal signs a list with
// compressed bits.
func (l *statusList) current(now time.Time, seal func(zipped []byte) string) (signedList, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !now.Before(l.signed.refreshAt) {
		token := seal(compress(l.bits))
		sum := sha256.Sum256([]byte(token))
		l.signed = signedList{token: token, etag: `"` + encode(sum[:16]) + `"`, refreshAt: now.Add(listLifetime / 2)}
	}
	return l.signed, l.changed
}

func compress(bits []byte) []byte {
	var zipped bytes.Buffer
	w := zlib.NewWriter(&zipped)
	_, err := w.Write(bits)
	if closed := w.Close(); err != nil || closed != nil {
		panic(fmt.Sprintf("verifiertest: compress a status list: %v, %v", err, closed)) // writing to a buffer can't fail
	}
	return zipped.Bytes()
}

func (i *Issuer) statusURI() string { return i.URL() + statusListPath }

// statusToken is a Status List Token (draft-ietf-oauth-status-list §5.1).
func (i *Issuer) statusToken(now time.Time, zipped []byte) string {
	key := i.trusted()
	return sign(key.PrivateKey,
		i.encodeJSON(map[string]any{"alg": "RS256", "typ": "statuslist+jwt", "kid": key.kid}),
		i.encodeJSON(map[string]any{
			"https://github.com/mintmark-auth/mintmark/jwks-sha256": i.keySetName(),
			"iss": i.URL(), "sub": i.statusURI(), "iat": now.Unix(), "exp": now.Add(listLifetime).Unix(), "ttl": listTTL,
			"status_list": map[string]any{"bits": 1, "lst": encode(zipped)},
		}))
}

// trusted returns the key that signs, or the next one if that key was withdrawn.
func (i *Issuer) trusted() signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	if key := issuersKeys.key(i.current); !i.withdrawn[key.kid] {
		return key
	}
	return issuersKeys.key(i.next())
}

// serveStatusList answers with the list, or with 304 if the caller has it already; with ?wait=N it waits up to N
// seconds for a list that the caller does not have.
func (i *Issuer) serveStatusList(w http.ResponseWriter, r *http.Request) {
	wait, err := strconv.ParseUint(r.URL.Query().Get("wait"), 10, 31)
	if err != nil && r.URL.Query().Has("wait") {
		http.Error(w, "wait is a number of seconds", http.StatusBadRequest)
		return
	}
	patience := time.NewTimer(time.Duration(min(wait, maxWait)) * time.Second)
	defer patience.Stop()
	for {
		moved, ok := i.await(r)
		if !ok {
			return
		}
		now := i.now()
		list, changed := i.statuses.current(now, func(zipped []byte) string { return i.statusToken(now, zipped) })
		w.Header().Set("ETag", list.etag)
		w.Header().Set("Cache-Control", "no-cache")
		if r.Header.Get("If-None-Match") != list.etag {
			w.Header().Set("Content-Type", "application/statuslist+jwt")
			_, _ = io.WriteString(w, list.token) // the client may be gone
			return
		}
		select {
		case <-changed:
		case <-moved:
		case <-patience.C:
			w.WriteHeader(http.StatusNotModified)
			return
		case <-i.ended:
			w.WriteHeader(http.StatusNotModified)
			return
		case <-r.Context().Done():
			return
		}
	}
}
