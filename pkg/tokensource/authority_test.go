package tokensource_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/mintmark-auth/mintmark/pkg/tokensource"
)

const (
	tokenURL = "https://auth.example.com/oauth/token"
	grace    = 30 * time.Second
	life     = 5 * time.Minute
)

// authority is a token endpoint without a network: it is the transport of the source's client, so it works in a
// synctest bubble. It rotates as mintmark does for a public client: the newest token rotates, the one before is
// repeated within the grace, and anything else ends the session.
type authority struct {
	life   time.Duration
	faults []fault // of the first requests, in order

	mu        sync.Mutex
	current   int       // guarded by mu: the generation that rotates
	rotatedAt time.Time // guarded by mu
	ended     bool      // guarded by mu: a replay was seen, or the session was revoked
	heard     []heard   // guarded by mu
	open      int       // guarded by mu: requests under way
	parallel  int       // guarded by mu: the most of them at once
}

// heard is a request as it arrived.
type heard struct {
	at     time.Time
	token  string
	form   url.Values
	header http.Header
}

// fault is what the network does to a request; serve has the authority handle it.
type fault func(r *http.Request, serve func() *http.Response) (*http.Response, error)

var errCut = errors.New("connection reset by peer")

// cut loses the answer of a request that was handled.
func cut(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
	serve()
	return nil, errCut
}

// hang loses it, too, and keeps the connection open.
func hang(r *http.Request, serve func() *http.Response) (*http.Response, error) {
	serve()
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// nobody is there to talk to.
func nobody(*http.Request, func() *http.Response) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

// fine does nothing.
func fine(_ *http.Request, serve func() *http.Response) (*http.Response, error) { return serve(), nil }

// slow delays the answer.
func slow(d time.Duration) fault {
	return func(r *http.Request, serve func() *http.Response) (*http.Response, error) {
		answer := serve()
		select {
		case <-time.After(d):
			return answer, nil
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// held back by d, the request is handled long after its sender gave it up.
func heldBack(d time.Duration) fault {
	return func(r *http.Request, serve func() *http.Response) (*http.Response, error) {
		time.AfterFunc(d, func() { serve() })
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
}

// says is an answer in place of the authority's.
func says(status int, body string, header ...string) fault {
	return func(r *http.Request, _ func() *http.Response) (*http.Response, error) {
		return response(r, status, body, header...), nil
	}
}

func response(r *http.Request, status int, body string, header ...string) *http.Response {
	answer := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
	for i := 0; i < len(header); i += 2 {
		answer.Header.Set(header[i], header[i+1])
	}
	return answer
}

func newAuthority(faults ...fault) *authority {
	return &authority{life: life, current: 1, faults: faults}
}

func (a *authority) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	do := fault(fine)
	a.mu.Lock()
	if len(a.heard) < len(a.faults) {
		do = a.faults[len(a.heard)]
	}
	a.heard = append(a.heard, heard{time.Now(), form.Get("refresh_token"), form, r.Header})
	a.open++
	a.parallel = max(a.parallel, a.open)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.open--
	}()
	return do(r, func() *http.Response { return a.serve(r, form.Get("refresh_token")) })
}

// serve decides about a token: rN is the refresh token of generation N, aN the access token that came with it.
func (a *authority) serve(r *http.Request, presented string) *http.Response {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	switch {
	case a.ended:
	case presented == name("r", a.current):
		a.current, a.rotatedAt = a.current+1, now
		return a.grant(r)
	case presented == name("r", a.current-1) && now.Sub(a.rotatedAt) < grace:
		return a.grant(r)
	}
	a.ended = true
	return response(r, 400, `{"error":"invalid_grant","error_description":"it is over"}`)
}

func (a *authority) grant(r *http.Request) *http.Response {
	return response(r, 200, fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":%d,"refresh_token":%q}`,
		name("a", a.current), int(a.life.Seconds()), name("r", a.current)))
}

func name(kind string, generation int) string { return fmt.Sprintf("%s%d", kind, generation) }

// requests is what arrived so far.
func (a *authority) requests() []heard {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]heard(nil), a.heard...)
}

func (a *authority) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended
}

// source begins with the first pair, issued now.
func (a *authority) source(t *testing.T, changes ...func(*tokensource.Config)) *tokensource.Source {
	t.Helper()
	cfg := tokensource.Config{
		TokenURL: tokenURL, ClientID: "first-party", HTTPClient: &http.Client{Transport: a},
		Token: &oauth2.Token{AccessToken: "a1", RefreshToken: "r1", Expiry: time.Now().Add(a.life)},
	}
	for _, change := range changes {
		change(&cfg)
	}
	source, err := tokensource.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// dead leaves the source without an access token that lives.
func dead(cfg *tokensource.Config) { cfg.Token.Expiry = time.Now().Add(-time.Second) }

// saving records every pair that is saved.
type saving struct {
	mu    sync.Mutex
	pairs []oauth2.Token // guarded by mu
	fails int            // guarded by mu: how many calls still fail
}

func (s *saving) save(_ context.Context, token *oauth2.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails > 0 {
		s.fails--
		return errors.New("the disk is full")
	}
	s.pairs = append(s.pairs, *token)
	return nil
}

func (s *saving) to(cfg *tokensource.Config) { cfg.Save = s.save }

func (s *saving) saved() []oauth2.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]oauth2.Token(nil), s.pairs...)
}
