package tokensource_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/tokensource"
)

const orders = "https://orders.example.com"

// resource is the services that are called: the transport beneath that of the source.
type resource struct {
	answer func(r *http.Request, token string) *http.Response

	mu    sync.Mutex
	calls []call // guarded by mu
}

// call is a request as it arrived.
type call struct{ url, authorization, body string }

func (s *resource) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		read, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(read)
		r.Body.Close()
	}
	s.mu.Lock()
	s.calls = append(s.calls, call{r.URL.String(), r.Header.Get("Authorization"), body})
	s.mu.Unlock()
	return s.answer(r, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")), nil
}

// accepting answers 200 to one token and calls all others invalid.
func accepting(good string) *resource {
	return &resource{answer: func(r *http.Request, token string) *http.Response {
		if token == good {
			return response(r, 200, "orders")
		}
		return response(r, 401, "no", "WWW-Authenticate", `Bearer realm="orders", error="invalid_token", error_description="it has expired (exp)"`)
	}}
}

func client(t *testing.T, source *tokensource.Source, base http.RoundTripper, origins ...string) *http.Client {
	t.Helper()
	transport, err := source.Transport(base, origins...)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: transport}
}

func send(t *testing.T, client *http.Client, method, address string, body io.Reader) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	if got := request.Header.Get("Authorization"); got != "" {
		t.Errorf("the caller's own request was changed: Authorization %q", got)
	}
	return answer.StatusCode
}

func TestTheTokenGoesToItsOriginsAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service := &resource{}
		service.answer = func(r *http.Request, _ string) *http.Response {
			if r.URL.Path == "/moved" {
				return response(r, 302, "", "Location", "https://elsewhere.example.org/")
			}
			return response(r, 200, "")
		}
		c := client(t, newAuthority().source(t), service, orders, "https://stock.example.com:8443/")
		for _, address := range []string{orders + "/1", "https://ORDERS.example.com:443/2", orders + "/moved", "https://stock.example.com:8443/3",
			"http://orders.example.com/4", "https://orders.example.com.example.org/5", "https://stock.example.com/6", "https://orders.example.com:444/7"} {
			send(t, c, http.MethodGet, address, nil)
		}
		with := map[string]bool{}
		for _, call := range service.calls {
			with[call.url] = call.authorization == "Bearer a1"
			if !with[call.url] && call.authorization != "" {
				t.Errorf("%s was sent %q", call.url, call.authorization)
			}
		}
		for address, want := range map[string]bool{
			orders + "/1": true, "https://ORDERS.example.com:443/2": true, orders + "/moved": true, "https://stock.example.com:8443/3": true,
			"https://elsewhere.example.org/": false, "http://orders.example.com/4": false, "https://orders.example.com.example.org/5": false,
			"https://stock.example.com/6": false, "https://orders.example.com:444/7": false,
		} {
			if got, sent := with[address]; !sent || got != want {
				t.Errorf("%s: sent %t, with the token %t; want %t", address, sent, got, want)
			}
		}
	})
}

func TestACallWithATokenThatTheResourceCallsInvalidIsRepeatedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			body io.Reader
			want int
		}{
			"no body":                     {nil, 200},
			"a body that can be replayed": {strings.NewReader("two teapots"), 200},
			"one that can't":              {io.NopCloser(strings.NewReader("two teapots")), 401},
		} {
			a, service := newAuthority(), accepting("a2")
			if got := send(t, client(t, a.source(t), service, orders), http.MethodPost, orders, c.body); got != c.want {
				t.Errorf("%s: %d, want %d", name, got, c.want)
			}
			if c.want == 200 && (len(service.calls) != 2 || service.calls[0].body != service.calls[1].body) {
				t.Errorf("%s: calls %v", name, service.calls)
			}
			if c.want == 401 && len(service.calls) != 1 {
				t.Errorf("%s: calls %v", name, service.calls)
			}
		}
	})
}

func TestARequestThatCannotBeReplayedRenewsTheTokenForTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, service := newAuthority(), accepting("a2")
		c := client(t, a.source(t), service, orders)
		for i, want := range []int{401, 200} {
			if got := send(t, c, http.MethodPost, orders, io.NopCloser(strings.NewReader("two teapots"))); got != want {
				t.Errorf("request %d: %d, want %d", i, got, want)
			}
			synctest.Wait()
		}
	})
}

// TestARefusedTokenIsNotSentAgain: where the refresh fails, the old token is the one that was refused.
func TestARefusedTokenIsNotSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, service := newAuthority(says(401, `{"error":"invalid_client"}`)), accepting("a2")
		c := client(t, a.source(t), service, orders)
		if got := send(t, c, http.MethodGet, orders, nil); got != 401 || len(service.calls) != 1 {
			t.Errorf("%d after %d calls, want the 401 of one", got, len(service.calls))
		}
	})
}

// TestOnlyARefreshThatBeginsCountsAsOneThatAResourceBroughtAbout: one that is put off must not put off the next.
func TestOnlyARefreshThatBeginsCountsAsOneThatAResourceBroughtAbout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(says(429, "", "Retry-After", "40"))
		c := client(t, a.source(t), accepting("a2"), orders)
		begun := time.Now()
		for _, call := range []struct {
			after time.Duration
			want  int
		}{{0, 401}, {35 * time.Second, 401}, {41 * time.Second, 200}} {
			time.Sleep(call.after - time.Since(begun))
			if got := send(t, c, http.MethodGet, orders, nil); got != call.want {
				t.Errorf("after %v: %d, want %d", call.after, got, call.want)
			}
		}
	})
}

func TestFiftyRefusedCallsCauseOneRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority(slow(time.Second))
		c := client(t, a.source(t), accepting("a2"), orders)
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() {
				if got := send(t, c, http.MethodGet, orders, nil); got != 200 {
					t.Errorf("%d, want 200", got)
				}
			})
		}
		calls.Wait()
		if got := a.requests(); len(got) != 1 {
			t.Errorf("%d refreshes, want 1", len(got))
		}
	})
}

func TestAResourceThatIsNeverContentCausesFewRefreshes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority()
		c := client(t, a.source(t), accepting("no token of ours"), orders)
		for range 100 {
			if got := send(t, c, http.MethodGet, orders, nil); got != 401 {
				t.Errorf("%d, want the resource's 401", got)
			}
			time.Sleep(time.Second)
		}
		if got := len(a.requests()); got < 2 || got > 4 {
			t.Errorf("%d refreshes in 100 s, want one in 30 s", got)
		}
	})
}

// TestInvalidTokenIsFoundAmongAllChallenges: RFC 9110 §11.6.1 lets them be many, in one header or in several.
func TestInvalidTokenIsFoundAmongAllChallenges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, challenge := range []string{
			`Bearer error="invalid_token"`, `bearer error=invalid_token`, `Bearer error = "invalid_token"`, `Bearer ERROR="invalid\_token"`,
			`Bearer realm="a, b", error="invalid_token"`, `Basic realm="orders", Bearer error="invalid_token"`,
			`Negotiate, Bearer realm=orders,error=invalid_token`, `Negotiate YWJj==, Bearer error="invalid_token", Basic realm="x"`,
			`, ,Bearer   error="invalid_token"`,
		} {
			a := newAuthority()
			service := &resource{answer: func(r *http.Request, token string) *http.Response {
				if token == "a2" {
					return response(r, 200, "")
				}
				return response(r, 401, "", "WWW-Authenticate", challenge)
			}}
			if got := send(t, client(t, a.source(t), service, orders), http.MethodGet, orders, nil); got != 200 {
				t.Errorf("%s: %d", challenge, got)
			}
		}
	})
}

func TestOtherRefusalsCauseNoRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for challenge, status := range map[string]int{
			`Bearer realm="orders"`: 401, `Bearer error="insufficient_scope", scope="orders:write"`: 403, `Basic realm="orders"`: 401,
			`Bearer error="invalid_token_format"`: 401, `Bearer realm="error=\"invalid_token\""`: 401, `Bearer realm="x", DPoP error="invalid_token"`: 401,
			`Bearer error_description="error=\"invalid_token\", or so"`: 401,
			`DPoP error="invalid_token"`:                                401, "": 401, `Bearer error="invalid_token"`: 403,
		} {
			a := newAuthority()
			service := &resource{answer: func(r *http.Request, _ string) *http.Response {
				return response(r, status, "", "WWW-Authenticate", challenge)
			}}
			if got := send(t, client(t, a.source(t), service, orders), http.MethodGet, orders, nil); got != status || len(a.requests()) != 0 || len(service.calls) != 1 {
				t.Errorf("%s: %d after %d refreshes and %d calls", challenge, got, len(a.requests()), len(service.calls))
			}
		}
	})
}

func TestTheResourcesAnswerStandsWhereNoNewTokenIsToBeHad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAuthority()
		a.ended = true
		source := a.source(t)
		c := client(t, source, accepting("a2"), orders)
		if got := send(t, c, http.MethodGet, orders, nil); got != 401 {
			t.Errorf("%d, want the resource's 401", got)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, orders, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(request); !errors.Is(err, tokensource.ErrEnded) {
			t.Errorf("the next call: %v, want ErrEnded", err)
		}
	})
}

func TestTransportRefusesOriginsThatTokensMustNotGoTo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := newAuthority().source(t)
		for _, origins := range [][]string{nil, {""}, {"orders.example.com"}, {"http://orders.example.com"}, {orders + "/path"}, {orders, "https://u:p@stock.example.com"}} {
			if transport, err := source.Transport(nil, origins...); err == nil || transport != nil {
				t.Errorf("%q was accepted", origins)
			}
		}
		for _, origin := range []string{orders, orders + "/", "http://localhost:8080", "http://127.0.0.1:8080"} {
			if _, err := source.Transport(nil, origin); err != nil {
				t.Errorf("%q: %v", origin, err)
			}
		}
	})
}
