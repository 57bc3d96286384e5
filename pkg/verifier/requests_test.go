package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// TestRequestsHaveTheHeadersOfTheirKind: the headers of each kind, as an issuer and its proxies see them.
func TestRequestsHaveTheHeadersOfTheirKind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		got := map[string][]string{}
		i := newIssuer(firstKey())
		s := serveList(i)
		askable(i, active(new(atomic.Int32), nil))
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			line := r.Method + " " + r.URL.RequestURI()
			for _, name := range []string{"User-Agent", "Accept", "Content-Type", "If-None-Match"} {
				line += " | " + r.Header.Get(name)
			}
			mu.Lock()
			got[r.URL.Path] = append(got[r.URL.Path], line)
			mu.Unlock()
			return i.RoundTrip(r)
		})}
		v := i.verifier(t, verifier.WithHTTPClient(client), introspection())
		mustVerify(t, v, s.listed(1))
		mustVerify(t, v, "opaque-token")
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		const agent, json, list = " | mintmark-verifier | ", "application/json, application/jwk-set+json |  | ", "application/statuslist+jwt |  | "
		want := map[string][]string{
			"/.well-known/oauth-authorization-server": {"GET /.well-known/oauth-authorization-server" + agent + json},
			"/.well-known/jwks.json":                  {"GET /.well-known/jwks.json" + agent + json},
			"/oauth/status-lists/3":                   {"GET /oauth/status-lists/3" + agent + list, "GET /oauth/status-lists/3?wait=3" + agent + list + `"0"`},
			"/oauth/introspect":                       {"POST /oauth/introspect" + agent + "application/json | application/x-www-form-urlencoded | "},
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("requests (-got +want):\n%s", diff)
		}
	})
}

func TestAnAnswerOfAMebibyteIsTheLargestThatIsRead(t *testing.T) {
	t.Parallel()
	text := jwks(firstKey())
	for size, want := range map[int]string{1 << 20: "", 1<<20 + 1: "larger than 1 MiB"} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer()
			i.answer(text + strings.Repeat(" ", size-len(text)))
			err := i.verifier(t).Wait(t.Context())
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%d bytes: %v", size, err)
			}
		})
	}
}

func TestAnHTTPSIssuerLeadsToHTTPOnlyWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		issuer, jwksURI string
		opts            []verifier.Option
		ok              bool
	}{
		"https to https":                        {"https://a.example.com", "https://b.example.com/k", nil, true},
		"https to http":                         {"https://a.example.com", "http://b.example.com/k", nil, false},
		"https to loopback":                     {"https://a.example.com", "http://localhost/k", nil, false},
		"https to http, allowed":                {"https://a.example.com", "http://b.example.com/k", []verifier.Option{verifier.InsecureAllowHTTP()}, true},
		"loopback to loopback":                  {"http://localhost:1", "http://127.0.0.1:2/k", nil, true},
		"loopback to https":                     {"http://localhost:1", "https://b.example.com/k", nil, true},
		"loopback to http elsewhere":            {"http://localhost:1", "http://b.example.com/k", nil, false},
		"loopback to http elsewhere, allowed":   {"http://localhost:1", "http://b.example.com/k", []verifier.Option{verifier.InsecureAllowHTTP()}, true},
		"to a URL with a query":                 {"https://a.example.com", "https://b.example.com/k?x", nil, false},
		"to a URL with a user":                  {"https://a.example.com", "https://u@b.example.com/k", nil, false},
		"to a URL with a query, though allowed": {"https://a.example.com", "https://b.example.com/k?x", []verifier.Option{verifier.InsecureAllowHTTP()}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				if strings.HasPrefix(r.URL.Path, "/.well-known/") {
					says(encodeJSON(set{"issuer": c.issuer, "jwks_uri": c.jwksURI}))(w, r)
				} else {
					says(jwks(firstKey()))(w, r)
				}
				return w.Result(), nil
			})}
			i := newIssuer()
			i.address = c.issuer
			err := i.verifier(t, append(c.opts, verifier.WithHTTPClient(client))...).Wait(t.Context())
			if (err == nil) != c.ok {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestCloseClosesTheConnectionsOfTheVerifiersOwn: at once, not when they have been idle for long.
func TestCloseClosesTheConnectionsOfTheVerifiersOwn(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]verifier.Option{
		"own client": nil, "a client that is copied": {verifier.WithHTTPClient(&http.Client{})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(firstKey())
			var open atomic.Int32
			server := httptest.NewUnstartedServer(i)
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				switch state {
				case http.StateNew:
					open.Add(1)
				case http.StateClosed:
					open.Add(-1)
				}
			}
			i.address = "http://" + server.Listener.Addr().String()
			server.Start()
			t.Cleanup(server.Close)
			v, err := verifier.New(i.address, audience, opts...)
			if err != nil {
				t.Fatal(err)
			}
			awaitKeys(t, v)
			if open.Load() == 0 {
				t.Fatal("no connection is kept")
			}
			v.Close()
			eventually(t, func() error {
				if n := open.Load(); n != 0 {
					return fmt.Errorf("%d connections are open after Close", n)
				}
				return nil
			})
		})
	}
}

// TestAClientThatWasGivenIsNotChanged: neither its redirects nor its time limit nor its connections are ours.
func TestAClientThatWasGivenIsNotChanged(t *testing.T) {
	t.Parallel()
	given := &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}
	i := newIssuer(firstKey())
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.address = server.URL
	v, err := verifier.New(i.address, audience, verifier.WithHTTPClient(given))
	if err != nil {
		t.Fatal(err)
	}
	awaitKeys(t, v)
	v.Close()
	transport := given.Transport.(*http.Transport)
	if given.CheckRedirect != nil || given.Timeout != time.Minute || transport.HTTP2 != nil || transport.MaxIdleConnsPerHost != 0 || transport.IdleConnTimeout != 0 {
		t.Errorf("got %+v over %+v", given, transport)
	}
}

func TestFollowReadsAListBeforeATokenNamesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		s.revoke(1)
		v := i.verifier(t)
		if err := v.Follow(t.Context(), s.uri); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s.requests.Load() != 2 || s.waiting.Load() != 1 {
			t.Errorf("%d requests, of which %d wait", s.requests.Load(), s.waiting.Load())
		}
		start := time.Now()
		mustRefuse(t, v, s.listed(1))
		mustVerify(t, v, s.listed(2))
		if time.Since(start) != 0 {
			t.Errorf("a token waited %v", time.Since(start))
		}
		if err := i.verifier(t, verifier.WithStatus(verifier.StatusOff)).Follow(t.Context(), s.uri); err != nil || s.requests.Load() != 2 {
			t.Errorf("without lists: %v", err)
		}
		if err := v.Follow(t.Context(), "https://evil.example.com/x"); !errors.Is(err, verifier.ErrStatusUnavailable) {
			t.Errorf("a list of somebody else: %v", err)
		}
		s.cut(true)
		if err := i.verifier(t).Follow(t.Context(), s.uri); !errors.Is(err, verifier.ErrStatusUnavailable) {
			t.Errorf("a list that cannot be had: %v", err)
		}
		hanging := http.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		i.lists.Store(&hanging)
		start = time.Now()
		if err := i.verifier(t).Follow(context.Background(), s.uri); err == nil || time.Since(start) != 2*time.Second {
			t.Errorf("a list that hangs: %v after %v", err, time.Since(start))
		}
	})
}
