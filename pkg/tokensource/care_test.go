package tokensource_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/mintmark-auth/mintmark/pkg/tokensource"
)

// TestARedirectLeadsTheRefreshTokenNowhere, whatever the client that was given does with others.
func TestARedirectLeadsTheRefreshTokenNowhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(says(307, "", "Location", "https://evil.example.com/oauth/token"))
		hosts := map[string]int{}
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			hosts[r.URL.Host]++
			return a.RoundTrip(r)
		})}
		want(t, a.source(t, dead, func(cfg *tokensource.Config) { cfg.HTTPClient = client }), "a2")
		if len(hosts) != 1 || hosts["auth.example.com"] != 2 {
			t.Errorf("asked %v, want the authority alone, twice", hosts)
		}
		if client.CheckRedirect != nil {
			t.Error("the client that was given has changed")
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestARefreshHasTheHeadersOfItsClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority()
		want(t, a.source(t, dead), "a2")
		for name, want := range map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "User-Agent": "mintmark-tokensource"} {
			if got := a.requests()[0].header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

// TestSaveGetsAPairOfItsOwnAndTenSeconds: it may change its pair, and the source does not wait
// for it forever.
func TestSaveGetsAPairOfItsOwnAndTenSeconds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority()
		calls := 0
		source := a.source(t, dead, func(cfg *tokensource.Config) {
			cfg.Save = func(ctx context.Context, token *oauth2.Token) error {
				calls++
				if token.AccessToken != "a2" || token.RefreshToken != "r2" {
					t.Errorf("call %d: the pair is %+v", calls, token)
				}
				*token = oauth2.Token{AccessToken: "changed", RefreshToken: "changed"}
				if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != 10*time.Second {
					t.Errorf("call %d: its context ends at %v", calls, deadline)
				}
				if calls < 5 { // three by the refresh, the others by Close
					return errors.New("the disk is full")
				}
				return nil
			}
		})
		if _, err := source.TokenContext(t.Context()); !errors.Is(err, tokensource.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if calls != 3 {
			t.Errorf("offered %d times by one refresh, want 3", calls)
		}
		if err := source.Close(context.Background()); err == nil {
			t.Error("close does not say that the pair is lost")
		}
		if err := source.Close(context.Background()); err != nil || calls != 5 {
			t.Errorf("close, when it can be saved: %v after %d calls", err, calls)
		}
	})
}

// TestAResourceMayForceARefreshEveryThirtySeconds to the very moment.
func TestAResourceMayForceARefreshEveryThirtySeconds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority()
		c := client(t, a.source(t), accepting("no token of ours"), orders)
		ask := func() { send(t, c, http.MethodGet, orders, nil) }
		for n := 1; n < 4; n++ {
			ask()
			if got := len(a.requests()); got != n {
				t.Errorf("%d refreshes, want %d", got, n)
			}
			time.Sleep(30*time.Second - time.Nanosecond)
			ask()
			if got := len(a.requests()); got != n {
				t.Errorf("%d refreshes before 30 s, want %d", got, n)
			}
			time.Sleep(time.Nanosecond)
		}
	})
}

// closing is a body that knows whether it was read and closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// TestEveryBodyIsClosed: that of an answer that is replaced, and that of a request which is not sent.
func TestEveryBodyIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		refused := &closing{Reader: strings.NewReader("no")}
		service := &resource{answer: func(r *http.Request, token string) *http.Response {
			if token == "a2" {
				return response(r, 200, "orders")
			}
			answer := response(r, 401, "", "WWW-Authenticate", `Bearer error="invalid_token"`)
			answer.Body = refused
			return answer
		}}
		if got := send(t, client(t, newAuthority().source(t), service, orders), http.MethodGet, orders, nil); got != 200 || !refused.closed {
			t.Errorf("%d, the first answer closed %t", got, refused.closed)
		}
		if rest, err := io.ReadAll(refused.Reader); err != nil || len(rest) != 0 {
			t.Errorf("%d bytes of the first answer are left: its connection cannot be used again", len(rest))
		}

		ended := newAuthority()
		ended.ended = true
		body := &closing{Reader: strings.NewReader("two teapots")}
		transport, err := ended.source(t, dead).Transport(service, orders)
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, orders, body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transport.RoundTrip(request); !errors.Is(err, tokensource.ErrEnded) || !body.closed {
			t.Errorf("without a token: %v, the request's body closed %t", err, body.closed)
		}
	})
}

func TestTheBoundsOfTheGraceAreExact(t *testing.T) {
	t.Parallel()
	for grace, ok := range map[time.Duration]bool{0: true, 5 * time.Second: true, 5*time.Second - 1: false, time.Minute: true, time.Minute + 1: false, -1: false} {
		_, err := tokensource.New(tokensource.Config{TokenURL: tokenURL, ClientID: "c", Token: &oauth2.Token{RefreshToken: "r"}, Grace: grace})
		if (err == nil) != ok {
			t.Errorf("grace %v: %v", grace, err)
		}
	}
	for name, token := range map[string]*oauth2.Token{"none": nil, "without a refresh token": {AccessToken: "a"}} {
		if _, err := tokensource.New(tokensource.Config{TokenURL: tokenURL, ClientID: "c", Token: token}); err == nil {
			t.Errorf("a pair that is %s was accepted", name)
		}
	}
	for _, address := range []string{"https://a/b?", "https:///b", "http://192.168.1.1/", "http://127.0.0.1.example.com/"} {
		if _, err := tokensource.New(tokensource.Config{TokenURL: address, ClientID: "c", Token: &oauth2.Token{RefreshToken: "r"}}); err == nil {
			t.Errorf("%q was accepted", address)
		}
	}
}

// TestAnEarlyCallerLearnsHowLongToWait, and why.
func TestAnEarlyCallerLearnsHowLongToWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(says(401, `{"error":"invalid_client"}`, "Retry-After", "40"))
		source := a.source(t, dead)
		if _, err := source.TokenContext(t.Context()); err == nil || strings.Contains(err.Error(), "not tried again") {
			t.Errorf("the first: %v", err)
		}
		time.Sleep(10 * time.Second)
		if _, err := source.TokenContext(t.Context()); !errors.Is(err, tokensource.ErrUnavailable) || !strings.Contains(err.Error(), "invalid_client") || !strings.Contains(err.Error(), "(not tried again for 30s)") {
			t.Errorf("after 10 s: %v", err)
		}
		time.Sleep(30*time.Second - time.Nanosecond)
		if _, err := source.TokenContext(t.Context()); err == nil || len(a.requests()) != 1 {
			t.Errorf("before 40 s: %v after %d requests", err, len(a.requests()))
		}
		time.Sleep(time.Nanosecond)
		want(t, source, "a2")
	})
}
