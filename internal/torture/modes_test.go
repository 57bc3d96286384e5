package torture_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/torture"
)

// authority is a real issuer, as far as a kit can tell.
type authority struct {
	*httptest.Server
	key     *rsa.PrivateKey
	granted atomic.Value // what its token endpoint was asked for
}

func startAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: pool()[5]} // the runs begin with the first
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"token_endpoint":%q}`, a.URL, a.URL+"/.well-known/jwks.json", a.URL+"/token")
	})
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","kid":"k1","n":%q,"e":"AQAB"}]}`, base64.RawURLEncoding.EncodeToString(a.key.N.Bytes()))
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "tester" || secret != "s%3Acret" {
			w.WriteHeader(401)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		r.ParseForm()
		a.granted.Store(r.PostForm.Encode())
		fmt.Fprintf(w, `{"access_token":%q}`, a.token(time.Now().Add(time.Minute)))
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func (a *authority) token(expiry time.Time) string {
	payload, _ := json.Marshal(map[string]any{
		"iss": a.URL, "aud": audience, "sub": "u", "client_id": "c", "jti": "j", "scope": "orders:read", "iat": time.Now().Unix(), "exp": expiry.Unix(),
	})
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"k1"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	signature, _ := rsa.SignPKCS1v15(nil, a.key, crypto.SHA256, digest[:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (a *authority) service(t *testing.T, faults ...fault) string {
	t.Helper()
	s := &service{issuer: func() string { return a.URL }, audience: audience, scope: "orders:read", now: time.Now, faults: faults}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

func run(t *testing.T, cfg torture.Config) (*torture.Report, error) {
	t.Helper()
	return torture.Run(t.Context(), cfg.WithKeys(fromPool()))
}

// With no more than a good token everything is tried that needs no good signature, and nothing else is counted.
func TestAGoodTokenIsEnoughForWhatNeedsNoSignature(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	report, err := run(t, torture.Config{
		Target: torture.Target{URL: a.service(t)}, Issuer: a.URL, Token: a.token(time.Now().Add(time.Minute)), Scope: "orders:read",
	})
	if err != nil || report.Failed() {
		t.Fatalf("%v, %v", err, failures(report))
	}
	for _, one := range report.Results {
		needy := one.Case.Needs&(torture.NeedKey|torture.NeedIssuer|torture.NeedStatus) != 0
		if (one.Verdict == torture.NotTried) != needy || needy && !strings.HasPrefix(one.Why, "needs --own-issuer") {
			t.Errorf("%s: %s %s", one.Case.ID, one.Verdict, one.Why)
		}
	}
}

func TestHolesAreFoundWithAGoodTokenAlone(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	for f, want := range map[fault]string{
		hmacPublic: "hs256-public-key: wrongly accepted", trustsJKU: "jku: wrongly accepted", algNoneKept: "alg-none: wrongly accepted",
	} {
		report, err := run(t, torture.Config{Target: torture.Target{URL: a.service(t, f)}, Issuer: a.URL, Token: a.token(time.Now().Add(time.Minute))})
		if err != nil || !slices.Contains(failures(report), want) {
			t.Errorf("%s: %v, %v", f, err, failures(report))
		}
	}
}

// TestALongTokenThatCutsTheConnectionIsUnclearWhereNoneCanBeSigned: a good one of that size might have passed.
func TestALongTokenThatCutsTheConnectionIsUnclearWhereNoneCanBeSigned(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	cfg := torture.Config{
		Target: torture.Target{URL: a.service(t, cutsLong)}, Issuer: a.URL, Token: a.token(time.Now().Add(time.Minute)), Only: []string{"huge"},
	}
	report, err := run(t, cfg)
	if err != nil || !slices.Equal(failures(report), []string{"huge: unclear"}) {
		t.Errorf("%v, %v", err, failures(report))
	}
	// Who reads no further says 431, and may have closed before that is read.
	for name, refuse := range map[string]func(w http.ResponseWriter, r *http.Request){
		"cuts whatever is long": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"says 431 at times": func(w http.ResponseWriter, r *http.Request) {
			if len(r.Header.Get("Authorization")) > 8<<10 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
		},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			size := 0
			for _, values := range r.Header {
				size += len(values[0])
			}
			switch {
			case size > 8<<10:
				refuse(w, r)
			case r.Header.Get("Authorization") != "Bearer "+cfg.Token:
				w.WriteHeader(401)
			}
		}))
		t.Cleanup(s.Close)
		cfg.Target.URL = s.URL
		if report, err = run(t, cfg); err != nil || report.Failed() {
			t.Errorf("a service that %s: %v, %v", name, err, failures(report))
		}
	}
}

func TestATestKeyIsEnoughForAllButChangesOfTheIssuer(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	a.key = strong
	report, err := run(t, torture.Config{
		Target: torture.Target{URL: a.service(t)}, Issuer: a.URL, Audience: audience, TestKey: strong, TestKeyKID: "k1", Scope: "orders:read",
		Claims: map[string]any{"tenant": "t1", "iss": "somebody else"},
	})
	if err != nil || report.Failed() {
		t.Fatalf("%v, %v, %s", err, failures(report), report.Stopped)
	}
	for _, one := range report.Results {
		needy := one.Case.Needs&(torture.NeedIssuer|torture.NeedStatus) != 0
		if (one.Verdict == torture.NotTried) != needy {
			t.Errorf("%s: %s %s", one.Case.ID, one.Verdict, one.Why)
		}
	}
}

func TestAClientGetsItsOwnToken(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	cfg := torture.Config{
		Target: torture.Target{URL: a.service(t)}, Issuer: a.URL, Audience: audience, Scope: "orders:read", Only: []string{"alg-none"},
		Client: &torture.Client{ID: "tester", Secret: "s:cret"},
	}
	if report, err := run(t, cfg); err != nil || report.Failed() {
		t.Fatalf("%v, %v", err, failures(report))
	}
	if want := "audience=https%3A%2F%2Forders.example.com&grant_type=client_credentials&resource=https%3A%2F%2Forders.example.com&scope=orders%3Aread"; a.granted.Load() != want {
		t.Errorf("asked for %v", a.granted.Load())
	}
	cfg.Client = &torture.Client{ID: "tester", Secret: "wrong"}
	if _, err := run(t, cfg); err == nil || !strings.Contains(err.Error(), "401 Unauthorized, invalid_client") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("%v", err)
	}
}

func TestAnExpiredTokenIsNotBlamedOnTheService(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	token := a.token(time.Now().Add(time.Minute))
	var over atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if over.Load() || !strings.HasSuffix(r.Header.Get("Authorization"), token) {
			w.WriteHeader(401)
		}
	}))
	t.Cleanup(server.Close)
	report, err := run(t, torture.Config{
		Target: torture.Target{URL: server.URL}, Issuer: a.URL, Token: token,
		Progress: func(_, _ int, id string) { over.Store(over.Load() || id == "alg-none") },
		Now: func() time.Time {
			if over.Load() {
				return time.Now().Add(time.Hour)
			}
			return time.Now()
		},
	})
	if err != nil || report.Stopped != "the good token has expired; give one that lives longer than the run" {
		t.Errorf("%v, %q", err, report.Stopped)
	}
}

// Keys of an https issuer that travel in the clear are nobody's, and a secret does not go that way at all.
func TestAnHTTPSIssuerIsNotFollowedToPlainHTTP(t *testing.T) {
	t.Parallel()
	for _, endpoints := range []string{
		`"jwks_uri":"http://127.0.0.1:1/jwks","token_endpoint":"https://127.0.0.1:1/token"`,
		`"jwks_uri":"https://127.0.0.1:1/jwks","token_endpoint":"http://127.0.0.1:1/token"`,
	} {
		var issuer late
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"issuer":%q,%s}`, issuer.name(), endpoints)
		}))
		t.Cleanup(server.Close)
		issuer.is(server.URL)
		if _, err := torture.Described(t.Context(), server.URL, server.Client()); err == nil || !strings.Contains(err.Error(), "plain http") {
			t.Errorf("%s: %v", endpoints, err)
		}
	}
}

// The token goes where the user's request has it, and what is about the Authorization header is left alone.
func TestTheTokenTravelsWhereTheUserSays(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	s := &service{issuer: func() string { return a.URL }, audience: audience, now: time.Now}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 5)
		r.Body.Read(body)
		if r.Method != "PUT" || r.Header.Get("X-Tenant") != "t1" || string(body) != "hello" || r.Header.Get("Authorization") != "" {
			w.WriteHeader(418)
			return
		}
		if token := r.Header.Get("X-Token"); token != "" {
			r.Header.Set("Authorization", "Bearer "+strings.TrimPrefix(token, "jwt "))
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	report, err := run(t, torture.Config{
		Target: torture.Target{URL: server.URL, Method: "PUT", Body: "hello", Header: http.Header{"X-Token": {"jwt {token}"}, "X-Tenant": {"t1"}}},
		Issuer: a.URL, Token: a.token(time.Now().Add(time.Minute)),
	})
	if err != nil || report.Failed() {
		t.Fatalf("%v, %v, %s", err, failures(report), report.Stopped)
	}
	if got := resultOf(t, report, "scheme-case"); got.Why != "needs the token in Authorization" {
		t.Errorf("%s: %s", got.Verdict, got.Why)
	}
}

func TestAnUnreachableServiceIsNotAFinding(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	down, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := "http://" + down.Addr().String()
	down.Close()
	for name, cfg := range map[string]torture.Config{
		"the service": {Target: torture.Target{URL: nowhere}, Issuer: a.URL, Token: a.token(time.Now().Add(time.Minute))},
		"the issuer":  {Target: torture.Target{URL: a.URL}, Issuer: nowhere, Audience: audience, Client: &torture.Client{ID: "tester"}},
		"with an issuer of our own": {Target: torture.Target{URL: nowhere}, OwnIssuer: "127.0.0.1:0", Audience: audience,
			Wait: 50 * time.Millisecond},
	} {
		if _, err := run(t, cfg); !errors.Is(err, torture.ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllProblemsOfAConfigurationAreReported(t *testing.T) {
	t.Parallel()
	_, err := run(t, torture.Config{Target: torture.Target{URL: "orders"}, Issuer: "auth", Only: []string{"alg-non"}, RevokedWithin: 1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"one source of good tokens", `the endpoint "orders"`, `the issuer "auth"`, "audience is empty", `no case "alg-non"`, "can revoke"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

func TestATokenThatIsNotAJWTIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"opaque", "a.b", "!.!.!", "bnVsbA.bnVsbA.AA"} {
		if _, err := run(t, torture.Config{Target: torture.Target{URL: "http://localhost:1"}, Issuer: "http://localhost:1", Token: token}); err == nil ||
			!strings.Contains(err.Error(), "the good token: ") || strings.Contains(err.Error(), "bnVsbA") {
			t.Errorf("%s: %v", token, err)
		}
	}
}

// No report holds a token or a part of one that could be used.
func TestNoTokenGetsIntoAReport(t *testing.T) {
	t.Parallel()
	for _, f := range []fault{acceptsAnything, answers500} {
		report := tortured(t, func(c *torture.Config) { c.KeysWithin, c.RevokedWithin = brief, brief }, f)
		text := fmt.Sprintf("%+v", report)
		for _, o := range report.Results {
			for _, one := range o.Outcomes {
				text += one.Sent + one.Got + one.Remark
			}
		}
		if found := regexp.MustCompile(`eyJ[\w-]{8}|[\w-]{60}`).FindString(text); found != "" {
			t.Errorf("%s", found)
		}
	}
}

func TestEveryCaseIsWellFormed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range torture.Catalogue() {
		if seen[c.ID] || !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(c.ID) || c.Name == "" || c.Source == "" || c.Group == "" ||
			(c.Remark != "" && c.Must != torture.Either) {
			t.Errorf("%+v", c)
		}
		seen[c.ID] = true
	}
}

// The key of an elliptic curve is a secret for HS256 like any other.
func TestHS256IsKeyedWithECKeysToo(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var issuer late
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/jwks") {
			fmt.Fprintf(w, `{"keys":[{"kty":"EC","crv":"P-256","kid":"e","x":%q,"y":%q}]}`,
				base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:]))
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer.name(), issuer.name()+"/jwks")
	}))
	t.Cleanup(server.Close)
	issuer.is(server.URL)
	good := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"e"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":%q,"aud":"a"}`, server.URL)) + ".AAAA"
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	confused := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		dot := max(0, strings.LastIndexByte(token, '.'))
		mac := hmac.New(sha256.New, der)
		mac.Write([]byte(token[:dot]))
		if token != good && !strings.HasSuffix(token, "."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil))) {
			w.WriteHeader(401)
		}
	}))
	t.Cleanup(confused.Close)
	report, err := run(t, torture.Config{
		Target: torture.Target{URL: confused.URL}, Issuer: server.URL, Audience: "a", Token: good, Only: []string{"hs256-public-key", "hs256-empty-key"},
	})
	if err != nil || !slices.Equal(failures(report), []string{"hs256-public-key: wrongly accepted"}) {
		t.Errorf("%v, %v", err, failures(report))
	}
}
