package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/internal/weather"
	"github.com/mintmark-auth/mintmark/pkg/tokensource"
)

// vault is where a caller keeps its pair.
type vault struct {
	mu    sync.Mutex
	token oauth2.Token // guarded by mu
	saves int          // guarded by mu
}

func (v *vault) save(_ context.Context, token *oauth2.Token) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.token, v.saves = *token, v.saves+1
	return nil
}

// load is what a program finds when it starts: its access token is not worth keeping.
func (v *vault) load() *oauth2.Token {
	v.mu.Lock()
	defer v.mu.Unlock()
	return &oauth2.Token{RefreshToken: v.token.RefreshToken}
}

// newSource starts a caller of the session in v that reaches the authority at origin.
func newSource(t *testing.T, origin string, v *vault) *tokensource.Source {
	t.Helper()
	source, err := tokensource.New(tokensource.Config{TokenURL: origin + "/oauth/token", ClientID: "first-party", Token: v.load(), Save: v.save})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := source.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return source
}

// verdicts counts a verdict in the authority's metrics.
func (a *authority) verdicts(t *testing.T, verdict string) string {
	t.Helper()
	metrics := send(t, http.MethodGet, a.Ops+"/metrics", "", "")
	for line := range strings.Lines(string(metrics.Body)) {
		if value, ok := strings.CutPrefix(line, `mintmark_refresh_verdicts_total{verdict="`+verdict+`"} `); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no verdict %s in %s", verdict, metrics.Body)
	return ""
}

func TestFiftyCallersOfATokenSourceRotateOnce(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	a.register(t, testUser)
	source := newSource(t, a.URL, &vault{token: oauth2.Token{RefreshToken: a.login(t, testUser).Refresh}})
	v := verifierOf(t, a)
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			token, err := source.TokenContext(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := v.Verify(t.Context(), token.AccessToken); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if rotated, repeated := a.verdicts(t, "rotated"), a.verdicts(t, "repeated"); rotated != "1" || repeated != "0" {
		t.Errorf("%s rotated, %s repeated; want one refresh", rotated, repeated)
	}
}

// TestATokenSourceRepeatsAnAnswerThatWasCutOnItsWay starts a new caller for each refresh, as a
// program that restarts does, and cuts the first two answers of each after the authority has
// given them.
func TestATokenSourceRepeatsAnAnswerThatWasCutOnItsWay(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	a.register(t, testUser)
	behind, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	var answers atomic.Int32
	way := httputil.NewSingleHostReverseProxy(behind)
	way.ModifyResponse = func(*http.Response) error {
		if answers.Add(1)%3 != 0 {
			panic(http.ErrAbortHandler) // the connection is cut
		}
		return nil
	}
	front := httptest.NewServer(way)
	t.Cleanup(front.Close)

	kept := &vault{token: oauth2.Token{RefreshToken: a.login(t, testUser).Refresh}}
	for range 5 {
		before := kept.load().RefreshToken
		if _, err := newSource(t, front.URL, kept).TokenContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kept.load().RefreshToken == before {
			t.Fatal("no new pair was saved")
		}
	}
	got := [...]string{a.verdicts(t, "rotated"), a.verdicts(t, "repeated"), a.verdicts(t, "replayed")}
	if want := [...]string{"5", "10", "0"}; got != want {
		t.Errorf("rotated, repeated, replayed: %v, want %v", got, want)
	}
}

func TestATokenSourceSurvivesANetworkThatIsCutAndOneThatStalls(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	a.register(t, testUser)
	network := testserver.StartProxy(t, a.URL)
	kept := &vault{token: oauth2.Token{RefreshToken: a.login(t, testUser).Refresh}}
	for name, fault := range map[string]func(){"cut": network.Cut, "stalled": network.Stall} {
		fault()
		source := newSource(t, network.URL(), kept)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := source.TokenContext(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want to wait", name, err)
		}
		cancel()
		network.Heal()
		healed, cancel := context.WithTimeout(t.Context(), patience)
		if _, err := source.TokenContext(healed); err != nil {
			t.Errorf("%s, then healed: %v", name, err)
		}
		cancel()
	}
	if replayed := a.verdicts(t, "replayed"); replayed != "0" {
		t.Errorf("%s replayed", replayed)
	}
}

func TestATokenSourceSurvivesAnAuthorityThatIsKilled(t *testing.T) {
	t.Parallel()
	dir := "MINTMARK_DATA_DIR=" + filepath.Join(t.TempDir(), "data")
	first := spawn(t, dir)
	first.register(t, testUser)
	source := newSource(t, first.URL, &vault{token: oauth2.Token{RefreshToken: first.login(t, testUser).Refresh}})
	first.kill(t)
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if token, err := source.TokenContext(short); err == nil {
		t.Fatalf("got %v of a dead authority", token)
	}
	second := spawn(t, dir, "MINTMARK_HTTP_ADDR="+strings.TrimPrefix(first.URL, "http://"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	eventually(t, func() bool {
		token, err := source.TokenContext(ctx)
		if errors.Is(err, tokensource.ErrEnded) {
			t.Fatal(err)
		}
		return err == nil && token.AccessToken != ""
	})
	if rotated := second.verdicts(t, "rotated"); rotated != "1" {
		t.Errorf("%s rotated", rotated)
	}
}

func TestATokenSourceStopsWhenTheSessionIsRevoked(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	a.register(t, testUser)
	p := a.login(t, testUser)
	kept := &vault{token: oauth2.Token{RefreshToken: p.Refresh}}
	if got, _ := a.firstParty(t, "logout", map[string]string{"accessToken": p.Access, "refreshToken": p.Refresh}); got.Status != 200 {
		t.Fatalf("logout: %d", got.Status)
	}
	source := newSource(t, a.URL, kept)
	for range 3 {
		if _, err := source.TokenContext(t.Context()); !errors.Is(err, tokensource.ErrEnded) {
			t.Errorf("got %v, want ErrEnded", err)
		}
	}
	if asked := a.verdicts(t, "revoked"); asked != "1" {
		t.Errorf("asked %s times", asked)
	}
}

// TestACallThatMeetsAnExpiredTokenIsRepeated calls the weather service with a token whose end the caller does not know.
func TestACallThatMeetsAnExpiredTokenIsRepeated(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t, "MINTMARK_ACCESS_TOKEN_TTL=2s")
	a.register(t, testUser)
	p := a.login(t, testUser)
	v := verifierOf(t, a)
	service := httptest.NewServer(weather.Handler(v, time.Now))
	t.Cleanup(service.Close)
	eventually(t, func() bool {
		_, err := v.Verify(t.Context(), p.Access)
		return err != nil
	})
	source, err := tokensource.New(tokensource.Config{
		TokenURL: a.URL + "/oauth/token", ClientID: "first-party",
		Token: &oauth2.Token{AccessToken: p.Access, RefreshToken: p.Refresh},
	})
	if err != nil {
		t.Fatal(err)
	}
	transport, err := source.Transport(nil, service.URL)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, service.URL+weather.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if rotated := a.verdicts(t, "rotated"); response.StatusCode != http.StatusOK || rotated != "1" {
		t.Errorf("%d after %s refreshes, want 200 after one", response.StatusCode, rotated)
	}
}
