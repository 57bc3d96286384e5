package verifiergin_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiergin"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiertest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

func newVerifier(t *testing.T, issuer *verifiertest.Issuer) *verifier.Verifier {
	t.Helper()
	return issuer.Verifier(verifier.WithLogger(slog.New(slog.DiscardHandler)))
}

// TestGinAnswersToTheByteWhatNetHTTPAnswers sends the same bytes to both and compares the bytes that come back.
func TestGinAnswersToTheByteWhatNetHTTPAnswers(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	good := issuer.Token(verifiertest.Claims{"sub": "ada", "scope": "orders:read orders:write"})
	type header = []string
	cases := map[string]header{
		"good":                 {"Authorization: Bearer " + good},
		"scheme in any case":   {"authorization: bEARER " + good},
		"no header":            nil,
		"empty header":         {"Authorization: "},
		"no token":             {"Authorization: Bearer"},
		"Basic":                {"Authorization: Basic dTpw"},
		"two headers":          {"Authorization: Bearer " + good, "Authorization: Bearer " + good},
		"a scope is missing":   {"Authorization: Bearer " + issuer.Token(verifiertest.Claims{"scope": "orders:read"})},
		"expired":              {"Authorization: Bearer " + issuer.ExpiredToken()},
		"signed by a stranger": {"Authorization: Bearer " + issuer.Token(verifiertest.SignedByStranger())},
	}
	for name, token := range issuer.HostileTokens() {
		cases["hostile: "+name] = header{"Authorization: Bearer " + token}
	}

	v := newVerifier(t, issuer)
	plain := serve(t, netHTTP(v, "orders:read", "orders:write"))
	engine := serve(t, ginEngine(v, "orders:read", "orders:write"))
	seen := map[string]int{}
	for name, lines := range cases {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			want, got := ask(t, plain, method, lines), ask(t, engine, method, lines)
			if got != want {
				t.Errorf("%s, %s: Gin answered\n%s\nand net/http\n%s", name, method, got, want)
			}
			seen[strings.Fields(got)[1]]++
		}
	}
	for _, status := range []string{"200", "400", "401", "403"} {
		if seen[status] == 0 {
			t.Errorf("no case was answered %s: the table proves nothing of it (%v)", status, seen)
		}
	}

	// Both of one verifier whose clock stands still, so that both say when to try again in the same words.
	down := verifiertest.NewIssuer(t)
	down.Down()
	now := time.Now()
	without, err := verifier.New(down.URL(), down.Audience(), verifier.WithLogger(slog.New(slog.DiscardHandler)), verifier.WithClock(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(without.Close)
	lines := header{"Authorization: Bearer " + down.Token()}
	want := ask(t, serve(t, netHTTP(without)), "GET", lines)
	got := ask(t, serve(t, ginEngine(without)), "GET", lines)
	if got != want || !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "Retry-After: ") {
		t.Errorf("without keys Gin answered\n%s\nand net/http\n%s", got, want)
	}
}

// TestAStrangerGetsOneUnavailableAnswerPerCooldown, and good tokens go through.
func TestAStrangerGetsOneUnavailableAnswerPerCooldown(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	engine := ginEngine(newVerifier(t, issuer))
	good := issuer.Token()
	_, rest, _ := strings.Cut(good, ".") // with another header, the signature is a stranger's
	began, answers := time.Now(), map[int]int{}
	answer := func(token string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		return w.Code
	}
	for n := range 3000 {
		header := fmt.Sprintf(`{"alg":"RS256","typ":"at+jwt","kid":"invented-%d"}`, n)
		answers[answer(base64.RawURLEncoding.EncodeToString([]byte(header))+"."+rest)]++
	}
	if most := 1 + int(time.Since(began)/(10*time.Second)); answers[503] > most || answers[401]+answers[503] != 3000 {
		t.Errorf("got %v, want at most %d × 503, and 401", answers, most)
	}
	if got := answer(good); got != http.StatusOK {
		t.Errorf("a good token got %d", got)
	}
}

func TestARefusedRequestReachesNoLaterHandler(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	reached := 0
	router := gin.New()
	router.Use(verifiergin.Require(newVerifier(t, issuer)))
	router.GET("/orders", func(*gin.Context) { reached++ }, func(*gin.Context) { reached++ })
	for authorization, want := range map[string]int{"": 0, "Bearer " + issuer.ExpiredToken(): 0, "Bearer " + issuer.Token(): 2} {
		reached = 0
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
		r.Header.Set("Authorization", authorization)
		router.ServeHTTP(httptest.NewRecorder(), r)
		if reached != want {
			t.Errorf("%.20q reached %d handlers, want %d", authorization, reached, want)
		}
	}
}

func TestTheTokenIsThereForHandlersAndLaterMiddleware(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	var before, within, beneath, after *verifier.Token
	router := gin.New()
	router.Use(func(c *gin.Context) {
		before = verifiergin.Token(c)
		c.Next()
		after = verifiergin.Token(c) // a log of requests, say
	})
	router.GET("/orders", verifiergin.Require(newVerifier(t, issuer)), func(c *gin.Context) {
		within, beneath = verifiergin.Token(c), verifier.FromContext(c.Request.Context())
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token(verifiertest.Claims{"sub": "ada"}))
	router.ServeHTTP(httptest.NewRecorder(), r)
	if before != nil || within == nil || within.Subject != "ada" || beneath != within || after != within {
		t.Errorf("before %v, within %v, beneath %v, after %v", before, within, beneath, after)
	}
}

func TestEnforceAsksForAnotherAuthenticationAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	v := newVerifier(t, issuer)
	policy := verifier.Policy{Scopes: []string{"orders:read"}, ACR: []string{"gold"}}
	plain := serve(t, v.Enforce(policy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	router := gin.New()
	router.GET("/orders", verifiergin.Enforce(v, policy), func(*gin.Context) {})
	engine := serve(t, router)
	for status, claims := range map[string]verifiertest.Claims{
		"200": {"scope": "orders:read", "acr": "gold"}, "401": {"scope": "orders:read", "acr": "silver"}, "403": {"acr": "gold"},
	} {
		lines := []string{"Authorization: Bearer " + issuer.Token(claims)}
		want, got := ask(t, plain, "GET", lines), ask(t, engine, "GET", lines)
		if got != want || !strings.HasPrefix(got, "HTTP/1.1 "+status) {
			t.Errorf("%s: Gin answered\n%s\nand net/http\n%s", status, got, want)
		}
	}
}

func TestRequireRefusesAScopeThatNoTokenCanHold(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, verifiertest.NewIssuer(t))
	defer func() {
		if recover() == nil {
			t.Error("two scopes in one string did not panic")
		}
	}()
	verifiergin.Require(v, "orders:read orders:write")
}

func netHTTP(v *verifier.Verifier, scopes ...string) http.Handler {
	return v.Require(scopes...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, verifier.FromContext(r.Context()).Subject)
	}))
}

func ginEngine(v *verifier.Verifier, scopes ...string) http.Handler {
	router := gin.New()
	router.Any("/orders", verifiergin.Require(v, scopes...), func(c *gin.Context) {
		c.String(http.StatusOK, verifiergin.Token(c).Subject)
	})
	return router
}

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

var date = regexp.MustCompile(`(?m)^Date: .*\r\n`)

// ask returns the answer's bytes, but for the date.
func ask(t *testing.T, server *httptest.Server, method string, lines []string) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s /orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method)
	for _, line := range lines {
		fmt.Fprintf(conn, "%s\r\n", line)
	}
	io.WriteString(conn, "\r\n")
	answer, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	return date.ReplaceAllString(string(answer), "")
}
