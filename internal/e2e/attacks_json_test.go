package e2e_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/weather"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

func jsonAttacks() []attack {
	rows := []attack{
		{"JSN-01", "repeated names in a token's header or claims", repeatedClaims},
		{"JSN-01", "repeated names in a request", repeatedMembers},
		{"JSN-04", "nesting and width without end", endlessNesting},
		{"JSN-05", "tokens of all sizes", tokenSizes},
		{"JSN-06", "bodies that are not the one JSON object asked for", malformedBodies},
	}
	return append(rows, accessTokenAttacks()...)
}

// mint is an issuer whose keys a test holds, so that it can sign anything.
type mint struct {
	key *rsa.PrivateKey
	url string
}

// mintKey is made once: that takes longer than most tests.
var mintKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newMint(t testing.TB) *mint {
	t.Helper()
	key, err := mintKey()
	if err != nil {
		t.Fatal(err)
	}
	m := &mint{key: key}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/o") {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, m.url, m.url+"/keys")
			return
		}
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"k","n":%q,"e":%q}]}`,
			base64URL(key.N.Bytes()), base64URL(big.NewInt(int64(key.E)).Bytes()))
	}))
	t.Cleanup(server.Close)
	m.url = server.URL
	return m
}

func base64URL[T []byte | string](octets T) string {
	return base64.RawURLEncoding.EncodeToString([]byte(octets))
}

// sign makes a compact JWS by RS256 over any header and payload.
func sign(t testing.TB, key *rsa.PrivateKey, header, payload string) string {
	t.Helper()
	input := base64URL(header) + "." + base64URL(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64URL(signature)
}

const mintHeader = `{"alg":"RS256","typ":"at+jwt","kid":"k"}`

// claims are those of a good token, with more members before or behind them.
func (m *mint) claims(before, behind string) string {
	now := time.Now().Unix()
	return fmt.Sprintf(`{%s"iss":%q,"aud":%q,"sub":"alice","client_id":"c","jti":"j","sid":"s","iat":%d,"exp":%d%s}`, before, m.url, m.url, now, now+300, behind)
}

// forecast asks the weather service that trusts the mint, and whether it was the
// token that was refused.
func (m *mint) forecast(t testing.TB) func(token string) (status int, refused bool) {
	t.Helper()
	v, err := verifier.New(m.url, m.url, verifier.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	handler := weather.Handler(v, time.Now)
	return func(token string) (int, bool) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, weather.Path, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		_, err := v.Verify(t.Context(), token)
		challenge := w.Header().Get("WWW-Authenticate")
		return w.Code, errors.Is(err, verifier.ErrInvalidToken) && w.Code == http.StatusUnauthorized && strings.Contains(challenge, `error="invalid_token"`)
	}
}

// wantForecast and wantNoForecast say what becomes of a token that the mint signed.
func (m *mint) wantForecast(t testing.TB, what, header, claims string) {
	t.Helper()
	if status, _ := m.forecast(t)(sign(t, m.key, header, claims)); status != http.StatusOK {
		t.Errorf("%s: %d, want 200", what, status)
	}
}

func (m *mint) wantNoForecast(t testing.TB, what, header, claims string) {
	t.Helper()
	if status, refused := m.forecast(t)(sign(t, m.key, header, claims)); !refused {
		t.Errorf("%s: %d, want 401 invalid_token", what, status)
	}
}

func repeatedClaims(t *testing.T, _ *authority) {
	m := newMint(t)
	m.wantForecast(t, "a good token", mintHeader, m.claims("", ""))
	for _, name := range []string{"sub", "aud", "exp", "iss", "client_id", "scope"} {
		value, _ := json.Marshal(map[bool]any{true: 9999999999, false: "admin"}[name == "exp"])
		twice := fmt.Sprintf("%q:%s,%q:%s,", name, value, name, value)
		m.wantNoForecast(t, name+" first", mintHeader, m.claims(twice, ""))
		m.wantNoForecast(t, name+" escaped", mintHeader, m.claims(fmt.Sprintf(`"\u%04x%s":%s,%q:%s,`, name[0], name[1:], value, name, value), ""))
	}
	m.wantNoForecast(t, "sub behind", mintHeader, m.claims("", `,"sub":"admin"`))
	m.wantNoForecast(t, "inside a claim", mintHeader, m.claims("", `,"cnf":{"jkt":"a","jkt":"b"}`))
	for _, header := range []string{
		`{"alg":"RS256","alg":"none","typ":"at+jwt","kid":"k"}`, `{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"k"}`,
		`{"alg":"RS256","typ":"JWT","typ":"at+jwt","kid":"k"}`, `{"alg":"RS256","typ":"at+jwt","kid":"x","kid":"k"}`,
	} {
		m.wantNoForecast(t, header, header, m.claims("", ""))
	}
}

func repeatedMembers(t *testing.T, a *authority) {
	a.register(t, "jsn01")
	p := a.login(t, "jsn01")
	wantInvalidRequest(t, a, "login", `{"username":"jsn01","username":"jsn01","password":"`+testPassword+`"}`)
	wantInvalidRequest(t, a, "login", `{"username":"jsn01","user\u006eame":"jsn01","password":"`+testPassword+`"}`)
	wantInvalidRequest(t, a, "register", `{"username":"jsn01b","email":"a@example.com","email":"b@example.com","password":"`+testPassword+`"}`)
	for _, verb := range []string{"refresh-token", "logout"} {
		wantInvalidRequest(t, a, verb, fmt.Sprintf(`{"accessToken":%q,"refreshToken":%q,"refreshToken":%q}`, p.Access, p.Refresh, p.Refresh))
	}
	wantGrant(t, a, "the session afterwards", p.Refresh)
}

// wantInvalidRequest posts a body to a first-party endpoint.
func wantInvalidRequest(t testing.TB, a *authority, verb, body string) {
	t.Helper()
	got := send(t, http.MethodPost, a.URL+"/api/authentication/"+verb, "application/json", body)
	if want := `{"message":"Invalid request.","data":null,"statusCode":400,"code":"invalid_request"}`; got.Status != http.StatusBadRequest || string(got.Body) != want {
		t.Errorf("%s with %.60q…: %d %s, want 400 %s", verb, body, got.Status, got.Body, want)
	}
}

func endlessNesting(t *testing.T, a *authority) {
	m := newMint(t)
	m.wantForecast(t, "a claim of a few levels", mintHeader, m.claims("", `,"x":`+strings.Repeat("[", 8)+strings.Repeat("]", 8)))
	for _, levels := range []int{100, 4000, 10_000, 1_000_000} {
		nested := map[string]string{"[": "]", `{"x":`: "}"}
		for opening, closing := range nested {
			inner := map[string]string{"[": "", `{"x":`: "1"}[opening]
			m.wantNoForecast(t, fmt.Sprintf("%d levels of %s", levels, opening), mintHeader,
				m.claims("", `,"x":`+strings.Repeat(opening, levels)+inner+strings.Repeat(closing, levels)))
		}
	}
	var wide strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&wide, `,"x%d":1`, i)
	}
	m.wantNoForecast(t, "a million claims", mintHeader, m.claims("", wide.String()))

	for _, verb := range []string{"login", "register", "refresh-token", "logout"} {
		for _, levels := range []int{10_000, 60_000} {
			wantInvalidRequest(t, a, verb, strings.Repeat("[", levels))
			wantInvalidRequest(t, a, verb, `{"username":`+strings.Repeat("[", levels)+`}`)
		}
		got := send(t, http.MethodPost, a.URL+"/api/authentication/"+verb, "application/json", `{"username":`+strings.Repeat("[", 1_000_000))
		if got.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s with a million levels: %d, want 413", verb, got.Status)
		}
	}
}

func tokenSizes(t *testing.T, a *authority) {
	m := newMint(t)
	m.wantForecast(t, "8 KiB", mintHeader, m.claims("", `,"x":"`+strings.Repeat("x", 5<<10)+`"`))
	for _, size := range []int{16 << 10, 64 << 10, 1 << 20, 16 << 20} {
		filler := strings.Repeat("x", size)
		m.wantNoForecast(t, fmt.Sprintf("a payload of %d bytes", size), mintHeader, m.claims("", `,"x":"`+filler+`"`))
		m.wantNoForecast(t, fmt.Sprintf("a header of %d bytes", size), `{"alg":"RS256","typ":"at+jwt","kid":"k","x":"`+filler+`"}`, m.claims("", ""))
		good := sign(t, m.key, mintHeader, m.claims("", ""))
		if status, refused := m.forecast(t)(good + base64URL(filler)); !refused {
			t.Errorf("a signature of %d bytes: %d, want 401", size, status)
		}
	}
	a.register(t, "jsn05")
	p := a.login(t, "jsn05")
	for size, want := range map[int]int{8 << 10: 400, 60 << 10: 400, 1 << 20: 413} {
		for _, verb := range []string{"refresh-token", "logout"} {
			if got, _ := a.firstParty(t, verb, map[string]string{"accessToken": p.Access + strings.Repeat("A", size), "refreshToken": p.Refresh}); got.Status != want {
				t.Errorf("%s with %d bytes more: %d, want %d", verb, size, got.Status, want)
			}
		}
	}
	wantGrant(t, a, "the session afterwards", p.Refresh)
}

// notTheObject are bodies that are not one JSON object of the members asked for.
func notTheObject(good string) map[string]string {
	members := strings.TrimSuffix(strings.TrimPrefix(good, "{"), "}")
	return map[string]string{
		"nothing": "", "a space": " ", "null": "null", "a number": "1", "a text": `"x"`, "a list": "[" + good + "]", "no JSON": "username=x", "HTML": "<a/>",
		"two documents": good + good, "trailing garbage": good + "x", "a trailing comma": "{" + members + ",}", "a leading comma": "{," + members + "}",
		"cut short": good[:len(good)-1], "cut in a text": good[:len(good)-5], "single quotes": strings.ReplaceAll(good, `"`, "'"), "a comment": "/**/" + good,
		"a byte order mark": "\ufeff" + good, "an unknown member": "{" + members + `,"x":"y"}`, "a member without a name": "{" + members + `,"":"y"}`,
		"a name in other case": strings.Replace(good, good[2:3], strings.ToUpper(good[2:3]), 1),
		"NaN":                  firstValue(good, "NaN"), "Infinity": firstValue(good, "Infinity"), "1e9999": firstValue(good, "1e9999"), "a number inside": firstValue(good, "1"),
		"a truth value": firstValue(good, "true"), "null inside": firstValue(good, "null"), "a list inside": firstValue(good, `["x"]`), "an object inside": firstValue(good, `{"x":"y"}`),
		"NUL": firstValue(good, `"a\u0000b"`), "a raw NUL": firstValue(good, "\"a\x00b\""), "a raw line end": firstValue(good, "\"a\nb\""), "invalid UTF-8": firstValue(good, "\"a\xffb\""),
		"overlong UTF-8": firstValue(good, "\"\xc0\xaf\""), "a surrogate in UTF-8": firstValue(good, "\"\xed\xa0\x80\""), "a lone surrogate": firstValue(good, `"\ud800"`),
		"a bad escape": firstValue(good, `"\x41"`), "UTF-16": "\xff\xfe{\x00}\x00",
	}
}

// firstValue puts another value in place of the first member's.
func firstValue(object, value string) string {
	at := strings.Index(object, `":`) + 2
	end := at + 1 + strings.IndexByte(object[at+1:], '"') + 1
	return object[:at] + value + object[end:]
}

// notJSON are content types that no JSON body has.
func notJSON() []string {
	return []string{"", "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/jsonp", "application/*", "application/json, text/html", ";"}
}

func malformedBodies(t *testing.T, a *authority) {
	a.register(t, "jsn06")
	p := a.login(t, "jsn06")
	good := map[string]string{
		"register": registration("jsn06b"), "login": credentials("jsn06", testPassword), "refresh-token": pairBody(p), "logout": pairBody(p),
	}
	for verb, body := range good {
		for what, bad := range notTheObject(body) {
			t.Run(verb+" "+what, func(t *testing.T) { wantInvalidRequest(t, a, verb, bad) })
		}
		for _, contentType := range notJSON() {
			if got := send(t, http.MethodPost, a.URL+"/api/authentication/"+verb, contentType, body); got.Status != http.StatusBadRequest {
				t.Errorf("%s as %q: %d, want 400", verb, contentType, got.Status)
			}
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/api/authentication/"+verb, io.NopCloser(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Content-Type"] = []string{"application/json", "application/json"}
		if got := do(t, req); got.Status != http.StatusBadRequest {
			t.Errorf("%s with two content types: %d, want 400", verb, got.Status)
		}
	}
	if got := a.tryLogin(t, "jsn06b", testPassword); got.Status != http.StatusBadRequest {
		t.Errorf("a refused registration made a user: login %d", got.Status)
	}
	wantGrant(t, a, "the session afterwards", p.Refresh)
}
