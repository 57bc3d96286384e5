package e2e_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// patience is how long a test waits for what must happen: long enough for a busy machine, and short enough that a test
// which waits in vain fails within a minute.
const patience = 50 * time.Second

func TestDependencyDownIsUnavailableAndNeverALogout(t *testing.T) {
	t.Parallel()
	faults := map[string]func(*ownServers) *testserver.Proxy{
		"redis":    func(s *ownServers) *testserver.Proxy { return s.redisProxy },
		"postgres": func(s *ownServers) *testserver.Proxy { return s.postgresProxy },
	}
	for name, proxyOf := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := newOwnServers(t)
			a := servers.startReplica(t)
			a.register(t, testUser)
			p := a.login(t, testUser)
			v := verifierOf(t, a)
			if _, err := v.Verify(t.Context(), p.Access); err != nil {
				t.Fatalf("verify before the fault: %v", err)
			}

			proxyOf(servers).Cut()
			_, got := a.refresh(t, p)
			wantUnavailable(t, "refresh", got)
			got, _ = a.refreshGrant(t, p.Refresh)
			wantUnavailable(t, "token endpoint", got)
			if got := send(t, http.MethodGet, a.URL+"/.well-known/jwks.json", "", ""); got.Status != http.StatusOK {
				t.Errorf("JWKS meanwhile: %d, want 200", got.Status)
			}
			if got := send(t, http.MethodGet, a.URL+"/readyz", "", ""); got.Status != http.StatusOK {
				t.Errorf("readyz meanwhile: %d, want 200", got.Status)
			}
			if _, err := v.Verify(t.Context(), p.Access); err != nil {
				t.Errorf("verify meanwhile: %v", err)
			}

			proxyOf(servers).Heal()
			eventually(t, func() bool {
				next, got := a.refresh(t, p)
				if got.Status == http.StatusBadRequest {
					t.Fatalf("logged out by the fault: %s", got.Body)
				}
				p = orSame(next, p)
				return got.Status == http.StatusOK
			})
		})
	}
}

func TestLogoutWorksWithRedisDown(t *testing.T) {
	t.Parallel()
	servers := newOwnServers(t)
	a := servers.startReplica(t)
	a.register(t, testUser)
	p := a.login(t, testUser)

	servers.redisProxy.Cut()
	if got, _ := a.firstParty(t, "logout", map[string]string{"accessToken": p.Access, "refreshToken": p.Refresh}); got.Status != http.StatusOK {
		t.Fatalf("logout with Redis down: %d %s, want 200", got.Status, got.Body)
	}
	servers.redisProxy.Heal()
	eventually(t, func() bool {
		_, got := a.refresh(t, p)
		if got.Status == http.StatusOK {
			t.Fatal("a session that was logged out came back")
		}
		return got.Status == http.StatusBadRequest
	})
}

func wantUnavailable(t *testing.T, what string, got answer) {
	t.Helper()
	seconds, err := strconv.Atoi(got.Header.Get("Retry-After"))
	if got.Status != http.StatusServiceUnavailable || err != nil || seconds < 1 {
		t.Errorf("%s: %d, Retry-After %q, %s; want 503 with a Retry-After", what, got.Status, got.Header.Get("Retry-After"), got.Body)
	}
}

// verifierOf is a resource service's verifier of the authority. Its own issuer is
// not where a replica of a test listens, so its requests are sent there.
func verifierOf(t testing.TB, a *authority, options ...verifier.Option) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(a.Issuer, a.Issuer, append(options, verifier.WithHTTPClient(&http.Client{Transport: sendTo(a.URL)}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// sendTo sends every request to one origin, as a balancer would.
type sendTo string

func (origin sendTo) RoundTrip(r *http.Request) (*http.Response, error) {
	there, err := http.NewRequestWithContext(r.Context(), r.Method, string(origin)+r.URL.RequestURI(), r.Body)
	if err != nil {
		return nil, err
	}
	there.Header = r.Header
	return http.DefaultTransport.RoundTrip(there)
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, ask func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for ask() == false {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s", patience)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

func orSame(next, p pair) pair {
	if next.Refresh == "" {
		return p
	}
	return next
}
