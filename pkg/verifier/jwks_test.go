package verifier_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// TestABadAnswerNeverReplacesGoodKeys is JWK-06: whatever comes instead of keys, those there are go on; a verifier that
// has none says that it could not look, not that the token is bad.
func TestABadAnswerNeverReplacesGoodKeys(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		io.WriteString(w, jwks(firstKey()))
	}))
	t.Cleanup(other.Close)
	many := make([]*rsa.PrivateKey, 0)
	for name, answer := range map[string]http.HandlerFunc{
		"empty set":      says(jwks(many...)),
		"null keys":      says(`{"keys":null}`),
		"keys an object": says(`{"keys":{}}`),
		"no keys":        says(`{}`),
		"HTML":           says(`<!doctype html><title>maintenance</title>`),
		"truncated":      says(jwks(firstKey())[:200]),
		"trailing data":  says(jwks(firstKey()) + "{}"),
		"repeated keys":  says(`{"keys":[],` + jwks(firstKey())[1:]),
		"too deep":       says(strings.Repeat("[", 100_000)),
		"500":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, jwks(firstKey())) },
		"204":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"206":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); io.WriteString(w, jwks(firstKey())) },
		"over 1 MiB":     says(jwks(firstKey()) + strings.Repeat(" ", 1<<20)),
		"endless":        endless,
		"gzip bomb":      bomb,
		"101 keys":       says(copies(101)),
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			io.WriteString(w, "{")
		},
		"redirect away": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		},
		"private only": says(`{"keys":[` + privateJWK() + `]}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var bad atomic.Bool
			bad.Store(true)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasPrefix(r.URL.Path, "/.well-known/oauth"):
					fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://%s/jwks"}`, r.Host, r.Host)
				case bad.Load() && r.URL.Path == "/jwks":
					answer(w, r)
				default:
					io.WriteString(w, jwks(firstKey()))
				}
			}))
			t.Cleanup(server.Close)
			var offset atomic.Int64
			now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
			v := quiet(t, server.URL, now)
			token := func(kid string) string {
				return sign(firstKey(), header(set{"kid": kid}), claims(now(), set{"iss": server.URL}))
			}

			if _, err := v.Verify(t.Context(), token("first")); !errors.Is(err, verifier.ErrKeysUnavailable) || errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("without keys: got %v, want ErrKeysUnavailable", err)
			}
			bad.Store(false)
			eventually(t, func() error { // the bad answer may still be under way
				offset.Add(int64(11 * time.Second))
				return v.Wait(t.Context())
			})
			mustVerify(t, v, token("first"))
			bad.Store(true)
			offset.Add(int64(11 * time.Second))
			if _, err := v.Verify(t.Context(), token("third")); !errors.Is(err, verifier.ErrKeysUnavailable) {
				t.Errorf("an unknown kid: got %v, want ErrKeysUnavailable", err)
			}
			mustVerify(t, v, token("first"))
		})
	}
	t.Cleanup(func() {
		if elsewhere.Load() != 0 {
			t.Error("a redirect to another host was followed")
		}
	})
}

func quiet(t *testing.T, issuer string, now func() time.Time) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(issuer, audience, verifier.WithClock(now), verifier.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
}

func endless(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, jwks(firstKey()))
	for {
		if _, err := w.Write(make([]byte, 32<<10)); err != nil {
			return
		}
	}
}

// bomb is valid but for its size.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	w.Write(zipped())
}

// zipped is 8 MiB of spaces in some 8 KiB, made once: it takes longer than a verifier waits on a busy machine.
var zipped = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, jwks(firstKey()))
	for range 8 {
		z.Write([]byte(strings.Repeat(" ", 1<<20)))
	}
	z.Close()
	return b.Bytes()
})

func copies(n int) string {
	keys := make([]map[string]any, n)
	for i := range keys {
		keys[i] = publicJWK(&firstKey().PublicKey, fmt.Sprint(i))
	}
	keys[0]["kid"] = "first"
	return encodeJSON(map[string]any{"keys": keys})
}

func privateJWK() string {
	key := publicJWK(&firstKey().PublicKey, "first")
	key["d"] = b64(firstKey().D.Bytes())
	key["p"] = b64(firstKey().Primes[0].Bytes())
	key["q"] = b64(firstKey().Primes[1].Bytes())
	return encodeJSON(key)
}

func TestKeysOfTheWrongKindAreSkippedOneByOne(t *testing.T) {
	t.Parallel()
	odd := func(bits uint) *big.Int { return new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1) }
	modulus := func(n *big.Int) set { return set{"n": b64(n.Bytes())} }
	exponent := func(e int64) set { return set{"e": b64(big.NewInt(e).Bytes())} }
	for name, change := range map[string]set{
		"use enc": {"use": "enc"}, "use number": {"use": 1}, "alg RS512": {"alg": "RS512"}, "alg HS256": {"alg": "HS256"}, "alg null": {"alg": []any(nil)},
		"key_ops sign": {"key_ops": []string{"sign"}}, "key_ops empty": {"key_ops": []string{}}, "kty EC": {"kty": "EC"}, "kty oct": {"kty": "oct", "k": "AAAA"},
		"kty rsa": {"kty": "rsa"}, "no kty": {"kty": nil}, "1024 bits": modulus(odd(1024)), "2047 bits": modulus(odd(2047)), "8193 bits": modulus(odd(8193)),
		"even modulus": modulus(new(big.Int).Lsh(firstKey().N, 1)), "no modulus": {"n": nil}, "modulus not base64": {"n": "***"}, "JWS-26 e=3": exponent(3),
		"e=1": exponent(1), "e=0": {"e": "AA"}, "e even": exponent(65538), "e=65535": exponent(65535), "e of 32 bits": exponent(1<<32 + 1),
		"e wraps to 65537": {"e": b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})}, "no e": {"e": nil}, "kid empty": {"kid": ""}, "kid number": {"kid": 1},
		"no kid": {"kid": nil}, "kid too long": {"kid": strings.Repeat("k", 257)}, "private": {"d": "AAAA"},
	} {
		changed := change.onto(publicJWK(&firstKey().PublicKey, "first"))
		i := newIssuer()
		i.answer(encodeJSON(map[string]any{"keys": []any{changed, publicJWK(&secondKey().PublicKey, "second")}}))
		v := i.ready(t, atEpoch())
		if _, err := v.Verify(t.Context(), good(secondKey(), "second", epoch)); err != nil {
			t.Errorf("%s: it hides its neighbour: %v", name, err)
		}
		earlier := epoch.Add(-time.Second) // than the keys were read
		_, unknown := v.Verify(t.Context(), good(firstKey(), "nobody's", earlier))
		if _, err := v.Verify(t.Context(), good(firstKey(), "first", earlier)); err == nil || err.Error() != unknown.Error() {
			t.Errorf("%s: got %v, want %v", name, err, unknown)
		}
	}
	for name, element := range map[string]any{"null": nil, "string": "x", "number": 1, "array": []int{}, "object": set{}} {
		i := newIssuer()
		i.answer(encodeJSON(map[string]any{"keys": []any{element, publicJWK(&firstKey().PublicKey, "first")}}))
		if _, err := i.ready(t, atEpoch()).Verify(t.Context(), good(firstKey(), "first", epoch)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysWithoutUseAndAlgorithmServe(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	key := set{"use": nil, "alg": nil, "key_ops": []string{"verify"}, "x5t": "x"}.onto(publicJWK(&firstKey().PublicKey, "first"))
	i.answer(encodeJSON(map[string]any{"keys": []any{key}, "other": true}))
	if _, err := i.ready(t, atEpoch()).Verify(t.Context(), good(firstKey(), "first", epoch)); err != nil {
		t.Error(err)
	}
}

func TestOfTwoKeysWithOneKidTheFirstStands(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	i.answer(encodeJSON(map[string]any{"keys": []any{publicJWK(&firstKey().PublicKey, "first"), publicJWK(&secondKey().PublicKey, "first")}}))
	v := i.ready(t, atEpoch())
	if _, err := v.Verify(t.Context(), good(firstKey(), "first", epoch)); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(t.Context(), good(secondKey(), "first", epoch)); !errors.Is(err, verifier.ErrInvalidToken) {
		t.Errorf("the second: %v", err)
	}
}

// TestMetadataOfAnotherIssuerAreRefused is JWK-09 and the rules for jwks_uri.
func TestMetadataOfAnotherIssuerAreRefused(t *testing.T) {
	t.Parallel()
	right := issuerURL + "/jwks"
	for name, c := range map[string]struct {
		metadata string
		ok       bool
	}{
		"right":             {fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuerURL, right), true},
		"another host":      {fmt.Sprintf(`{"issuer":%q,"jwks_uri":"https://keys.example.com/jwks"}`, issuerURL), true},
		"attacker":          {fmt.Sprintf(`{"issuer":"https://evil.example.com","jwks_uri":%q}`, right), false},
		"slash":             {fmt.Sprintf(`{"issuer":"%s/","jwks_uri":%q}`, issuerURL, right), false},
		"case":              {fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, strings.ToUpper(issuerURL), right), false},
		"none":              {fmt.Sprintf(`{"jwks_uri":%q}`, right), false},
		"array":             {fmt.Sprintf(`{"issuer":[%q],"jwks_uri":%q}`, issuerURL, right), false},
		"twice":             {fmt.Sprintf(`{"issuer":"x","issuer":%q,"jwks_uri":%q}`, issuerURL, right), false},
		"no jwks_uri":       {fmt.Sprintf(`{"issuer":%q}`, issuerURL), false},
		"jwks_uri http":     {fmt.Sprintf(`{"issuer":%q,"jwks_uri":"http://auth.example.com/jwks"}`, issuerURL), false},
		"jwks_uri loopback": {fmt.Sprintf(`{"issuer":%q,"jwks_uri":"http://127.0.0.1/jwks"}`, issuerURL), false},
		"jwks_uri relative": {fmt.Sprintf(`{"issuer":%q,"jwks_uri":"/jwks"}`, issuerURL), false},
		"jwks_uri file":     {fmt.Sprintf(`{"issuer":%q,"jwks_uri":"file:///etc/passwd"}`, issuerURL), false},
		"HTML":              {`<html>`, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				if strings.HasPrefix(r.URL.Path, "/.well-known/") {
					io.WriteString(w, c.metadata)
				} else {
					io.WriteString(w, jwks(firstKey()))
				}
				return w.Result(), nil
			})
			v, err := verifier.New(issuerURL, audience, atEpoch(), verifier.WithHTTPClient(&http.Client{Transport: transport}),
				verifier.WithLogger(slog.New(slog.DiscardHandler)))
			if err != nil {
				t.Fatal(err)
			}
			_, err = v.Verify(t.Context(), good(firstKey(), "first", epoch))
			if c.ok != (err == nil) || (err != nil && !errors.Is(err, verifier.ErrKeysUnavailable)) {
				t.Errorf("%s: got %v, want accepted %v", name, err, c.ok)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestMetadataOfAnIssuerWithAPathStandBeforeIt(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://auth.example.com":                 "https://auth.example.com/.well-known/oauth-authorization-server",
		"https://auth.example.com/":                "https://auth.example.com/.well-known/oauth-authorization-server",
		"https://auth.example.com:444/a/ten%20ant": "https://auth.example.com:444/.well-known/oauth-authorization-server/a/ten%20ant",
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Value
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				asked.Store(r.URL.String())
				return nil, errors.New("no")
			})
			v, err := verifier.New(issuer, audience, atEpoch(), verifier.WithHTTPClient(&http.Client{Transport: transport}),
				verifier.WithLogger(slog.New(slog.DiscardHandler)))
			if err != nil {
				t.Fatal(err)
			}
			v.Verify(t.Context(), sign(firstKey(), goodHeader, claims(epoch, set{"iss": issuer})))
			if asked.Load() != want {
				t.Errorf("%s: asked %v, want %s", issuer, asked.Load(), want)
			}
		})
	}
}

func TestAPanicInTheTransportStopsNothing(t *testing.T) {
	t.Parallel()
	i := newIssuer(firstKey())
	i.handle(func(http.ResponseWriter, *http.Request) { panic("broken") })
	if _, err := i.verifier(t, atEpoch()).Verify(t.Context(), good(firstKey(), "first", epoch)); !errors.Is(err, verifier.ErrKeysUnavailable) {
		t.Errorf("got %v", err)
	}
}
