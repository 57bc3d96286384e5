package verifier_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// thumbprint is that of RFC 7638.
func thumbprint(t testing.TB, key set) string {
	t.Helper()
	parsed, err := jwk.ParseKey([]byte(encodeJSON(key)))
	if err != nil {
		t.Fatal(err)
	}
	digest, err := parsed.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return b64(digest)
}

// holder is a client with a key of its own and a token bound to it.
type holder struct {
	signer
	raw string
}

func newHolder(t testing.TB, s signer) holder {
	t.Helper()
	raw := sign(firstKey(), goodHeader, claims(epoch, set{"cnf": set{"jkt": thumbprint(t, s.jwk)}}))
	return holder{s, raw}
}

// proof makes a good proof for GET /orders, or a changed one; each has a jti of its own.
func (h holder) proof(headerChange, claimChange set) string {
	ath := sha256.Sum256([]byte(h.raw))
	return h.compact(set{"typ": "dpop+jwt", "jwk": h.jwk}.with(headerChange), encodeJSON(claimChange.onto(map[string]any{
		"jti": rand.Text(), "htm": "GET", "htu": audience + "/orders", "iat": epoch.Unix(), "ath": b64(ath[:]),
	})))
}

// send asks for url with these headers and returns the answer.
func send(v *verifier.Verifier, method, url, authorization string, proofs ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, nil)
	r.Header.Set("Authorization", authorization)
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	w := httptest.NewRecorder()
	v.Require("orders:read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, verifier.FromContext(r.Context()).Subject)
	})).ServeHTTP(w, r)
	return w
}

func dpop(mode verifier.DPoPMode) verifier.Option { return verifier.WithDPoP(mode) }

func TestABoundTokenPassesWithItsProof(t *testing.T) {
	t.Parallel()
	for _, mode := range []verifier.DPoPMode{verifier.DPoPOptional, verifier.DPoPRequired} {
		v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(mode))
		for _, s := range []signer{
			newECDSA(t, "ES256", elliptic.P256(), crypto.SHA256), newECDSA(t, "ES384", elliptic.P384(), crypto.SHA384),
			newEd25519(t), newRSA(t, "PS256", crypto.SHA256, true), newRSA(t, "RS256", crypto.SHA256, false),
		} {
			h := newHolder(t, s)
			for name, w := range map[string]*httptest.ResponseRecorder{
				"plain":      send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(nil, nil)),
				"any case":   send(v, "GET", "/orders", "dPoP "+h.raw, h.proof(set{"typ": "DPoP+JWT"}, nil)),
				"query":      send(v, "GET", "/orders?a=b&c", "DPoP "+h.raw, h.proof(nil, nil)),
				"other path": send(v, "DELETE", "/orders/a%2Fb", "DPoP "+h.raw, h.proof(nil, set{"htm": "DELETE", "htu": audience + "/orders/a%2Fb"})),
				"Host":       send(v, "GET", "http://internal:8080/orders", "DPoP "+h.raw, h.proof(nil, nil)),
				"unknown":    send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(set{"x": 1}, set{"nonce": "n", "x": []int{1}})),
				"oldest":     send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(nil, set{"iat": epoch.Unix() - 59})),
				"ahead":      send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(nil, set{"iat": epoch.Unix() + 30})),
			} {
				if w.Code != 200 {
					t.Errorf("%s, %s: %d %s", s.alg, name, w.Code, w.Body)
				}
			}
		}
	}
}

func TestAProofIsForTheURLAsItWasRequested(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPRequired), verifier.WithURL("HTTPS://API.example.com:443/"))
	h := newHolder(t, newEd25519(t))
	handler := http.StripPrefix("/v1", v.Require()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	for htu, want := range map[string]int{"https://api.example.com/v1/orders": 200, "https://api.example.com/orders": 401, audience + "/v1/orders": 401} {
		r := httptest.NewRequest("GET", "/v1/orders?x", nil)
		r.Header.Set("Authorization", "DPoP "+h.raw)
		r.Header.Set("DPoP", h.proof(nil, set{"htu": htu}))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d: %s", htu, w.Code, want, w.Body)
		}
	}
}

// TestABadProofIsRefused is DPO-03, DPO-04 and RFC 9449 §4.3.
func TestABadProofIsRefused(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPRequired))
	s := newECDSA(t, "ES256", elliptic.P256(), crypto.SHA256)
	other := newECDSA(t, "ES256", elliptic.P256(), crypto.SHA256)
	rsaSigner := newRSA(t, "RS256", crypto.SHA256, false)
	h := newHolder(t, s)
	another := holder{other, h.raw}
	good := h.proof(nil, nil)
	parts := strings.Split(good, ".")
	for name, proofs := range map[string][]string{
		"none": nil, "empty": {""}, "DPO-04 two headers": {h.proof(nil, nil), h.proof(nil, nil)}, "two in one": {good + "," + good}, "garbage": {"garbage"},
		"DPO-03 htm": {h.proof(nil, set{"htm": "POST"})}, "DPO-03 htm case": {h.proof(nil, set{"htm": "get"})}, "htm missing": {h.proof(nil, set{"htm": nil})},
		"DPO-03 htu path": {h.proof(nil, set{"htu": audience + "/orders/"})}, "DPO-03 htu query": {h.proof(nil, set{"htu": audience + "/orders?a=b"})},
		"DPO-03 htu fragment": {h.proof(nil, set{"htu": audience + "/orders#x"})}, "DPO-03 htu host case": {h.proof(nil, set{"htu": "https://ORDERS.example.com/orders"})},
		"DPO-03 htu port": {h.proof(nil, set{"htu": "https://orders.example.com:444/orders"})}, "DPO-03 htu array": {h.proof(nil, set{"htu": []string{audience + "/orders"}})},
		"DPO-03 htu number": {h.proof(nil, set{"htu": 1})}, "htu http": {h.proof(nil, set{"htu": "http://orders.example.com/orders"})}, "htu missing": {h.proof(nil, set{"htu": nil})},
		"htu of Host": {h.proof(nil, set{"htu": "http://example.com/orders"})}, "htu user": {h.proof(nil, set{"htu": "https://x@orders.example.com/orders"})},
		"DPO-04 ath missing": {h.proof(nil, set{"ath": nil})}, "DPO-04 ath wrong": {h.proof(nil, set{"ath": b64(make([]byte, 32))})}, "ath padded": {holderAth(h) + "="},
		"jti missing": {h.proof(nil, set{"jti": nil})}, "jti empty": {h.proof(nil, set{"jti": ""})}, "jti number": {h.proof(nil, set{"jti": 1})}, "jti long": {h.proof(nil, set{"jti": strings.Repeat("j", 513)})},
		"iat missing": {h.proof(nil, set{"iat": nil})}, "iat old": {h.proof(nil, set{"iat": epoch.Unix() - 60})}, "iat ahead": {h.proof(nil, set{"iat": epoch.Unix() + 31})},
		"iat string": {h.proof(nil, set{"iat": fmt.Sprint(epoch.Unix())})}, "iat zero": {h.proof(nil, set{"iat": 0})}, "iat huge": {h.proof(nil, set{"iat": json.Number("9e300")})},
		"typ JWT": {h.proof(set{"typ": "JWT"}, nil)}, "typ at+jwt": {h.proof(set{"typ": "at+jwt"}, nil)}, "typ missing": {h.proof(set{"typ": nil}, nil)},
		"DPO-04 alg none": {h.proof(set{"alg": "none"}, nil)}, "DPO-04 alg none, unsigned": {b64(encodeJSON(set{"alg": "none", "typ": "dpop+jwt", "jwk": h.jwk})) + "." + parts[1] + "."},
		"DPO-04 alg HS256": {h.proof(set{"alg": "HS256"}, nil)}, "DPO-04 symmetric key": {h.proof(set{"alg": "HS256", "jwk": set{"kty": "oct", "k": "AAAA"}}, nil)},
		"DPO-04 private key": {h.proof(set{"jwk": set{"d": b64(make([]byte, 32))}.onto(copied(h.jwk))}, nil)}, "jwk missing": {h.proof(set{"jwk": nil}, nil)},
		"jwk null": {h.proof(set{"jwk": json.RawMessage("null")}, nil)}, "jwk string": {h.proof(set{"jwk": encodeJSON(h.jwk)}, nil)}, "jwk array": {h.proof(set{"jwk": []any{h.jwk}}, nil)},
		"jwk of another, own signature": {h.proof(set{"jwk": other.jwk}, nil)}, "by another key": {another.proof(nil, nil)}, "by another, own jwk": {another.proof(set{"jwk": h.jwk}, nil)},
		"alg of another kind": {h.proof(set{"alg": "RS256"}, nil)}, "RSA key": {holder{rsaSigner, h.raw}.proof(nil, nil)},
		"crit": {h.proof(set{"crit": []string{"x"}, "x": 1}, nil)}, "b64": {h.proof(set{"b64": false}, nil)}, "jku": {h.proof(set{"jku": "http://127.0.0.1:1/"}, nil)}, "x5c": {h.proof(set{"x5c": []string{"AA"}}, nil)},
		"JSN-01 htu twice":  {h.compact(set{"typ": "dpop+jwt", "jwk": h.jwk}, `{"htu":"x",`+string(mustDecode(t, parts[1]))[1:])},
		"signature changed": {good[:len(good)-4] + "AAAA"}, "payload of another": {parts[0] + "." + b64(`{"jti":"x"}`) + "." + parts[2]}, "four parts": {good + ".AAAA"},
		"huge": {h.proof(nil, set{"x": strings.Repeat("x", 9<<10)})}, "the access token": {h.raw},
	} {
		w := send(v, "GET", "/orders", "DPoP "+h.raw, proofs...)
		challenge := w.Header().Get("WWW-Authenticate")
		if w.Code != 401 || !proofChallenge.MatchString(challenge) || !strings.Contains(w.Body.String(), `"error":"invalid_dpop_proof"`) {
			t.Errorf("%s: %d %s %s", name, w.Code, challenge, w.Body)
		}
	}
	if w := send(v, "GET", "/orders", "DPoP "+h.raw, good); w.Code != 200 {
		t.Errorf("the good one, after all: %d %s", w.Code, w.Body)
	}
}

var proofChallenge = regexp.MustCompile(`^DPoP realm="[^"\\]*", error="invalid_dpop_proof", error_description="[\x20-\x21\x23-\x5B\x5D-\x7E]+", algs="ES256 ES384 EdDSA PS256 RS256"$`)

func holderAth(h holder) string { return h.proof(nil, set{"ath": "x"}) }

func copied(s set) set {
	c := set{}
	for name, value := range s {
		c[name] = value
	}
	return c
}

func mustDecode(t testing.TB, segment string) []byte {
	t.Helper()
	decoded, err := decode64(segment)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// TestAProofWorksOnce is DPO-01 within one service.
func TestAProofWorksOnce(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPRequired))
	h := newHolder(t, newEd25519(t))
	proof := h.proof(nil, nil)
	var passed, refused atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			switch w := send(v, "GET", "/orders", "DPoP "+h.raw, proof); {
			case w.Code == 200:
				passed.Add(1)
			case w.Code == 401 && strings.Contains(w.Body.String(), "invalid_dpop_proof"):
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 1 || refused.Load() != 49 {
		t.Errorf("%d passed, %d were refused", passed.Load(), refused.Load())
	}
}

// TestProofsOfDifferentKeysMayBearOneName: a client cannot use up the jti of another's proofs.
func TestProofsOfDifferentKeysMayBearOneName(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPRequired))
	one, other := newHolder(t, newEd25519(t)), newHolder(t, newEd25519(t))
	for _, h := range []holder{one, other} {
		for _, want := range []int{200, 401} {
			if w := send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(nil, set{"jti": "1"})); w.Code != want {
				t.Errorf("got %d, want %d: %s", w.Code, want, w.Body)
			}
		}
	}
}

func TestABadProofDoesNotUseUpItsName(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPRequired))
	h := newHolder(t, newEd25519(t))
	good := h.proof(nil, set{"jti": "x"})
	send(v, "GET", "/orders", "DPoP "+h.raw, good[:len(good)-4]+"AAAA")
	send(v, "POST", "/orders", "DPoP "+h.raw, good)
	if w := send(v, "GET", "/orders", "DPoP "+h.raw, good); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestATokenGoesWithItsScheme is RFC 9449 §7.1 and §7.2: no downgrade.
func TestATokenGoesWithItsScheme(t *testing.T) {
	t.Parallel()
	h := newHolder(t, newEd25519(t))
	bearer := good(firstKey(), "first", epoch)
	mtls := sign(firstKey(), goodHeader, claims(epoch, set{"cnf": set{"x5t#S256": b64(make([]byte, 32))}}))
	both := sign(firstKey(), goodHeader, claims(epoch, set{"cnf": set{"x5t#S256": b64(make([]byte, 32)), "jkt": thumbprint(t, h.jwk)}}))
	odd := sign(firstKey(), goodHeader, claims(epoch, set{"cnf": "x"}))
	off, optional, required := verifier.DPoPOff, verifier.DPoPOptional, verifier.DPoPRequired
	for _, c := range []struct {
		name          string
		mode          verifier.DPoPMode
		authorization string
		status        int
		code          string
		challenges    []string
	}{
		{"off: bearer", off, "Bearer " + bearer, 200, "", nil},
		{"off: bound as bearer", off, "Bearer " + h.raw, 401, "invalid_token", []string{"Bearer"}},
		{"off: bound", off, "DPoP " + h.raw, 401, "unauthorized", []string{"Bearer"}},
		{"optional: bearer", optional, "Bearer " + bearer, 200, "", nil},
		{"optional: bound", optional, "DPoP " + h.raw, 200, "", nil},
		{"DPO-04 bound as bearer", optional, "Bearer " + h.raw, 401, "invalid_token", []string{"Bearer"}},
		{"optional: bearer with proof", optional, "DPoP " + bearer, 401, "invalid_token", []string{"DPoP"}},
		{"optional: nothing", optional, "", 401, "unauthorized", []string{"Bearer", "DPoP"}},
		{"optional: garbage", optional, "DPoP garbage", 401, "invalid_token", []string{"DPoP"}},
		{"required: bearer", required, "Bearer " + bearer, 401, "invalid_token", []string{"DPoP"}},
		{"required: bound", required, "DPoP " + h.raw, 200, "", nil},
		{"required: bound as bearer", required, "Bearer " + h.raw, 401, "invalid_token", []string{"DPoP"}},
		{"required: nothing", required, "", 401, "unauthorized", []string{"DPoP"}},
		{"bound to a certificate", required, "DPoP " + mtls, 401, "invalid_token", []string{"DPoP"}},
		{"bound to a certificate, as bearer", optional, "Bearer " + mtls, 401, "invalid_token", []string{"Bearer"}},
		{"bound in two ways", optional, "DPoP " + both, 401, "invalid_token", []string{"DPoP"}},
		{"an odd cnf", optional, "DPoP " + odd, 401, "invalid_token", []string{"DPoP"}},
	} {
		v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(c.mode))
		for range 2 { // the second time from the cache
			w := send(v, "GET", "/orders", c.authorization, h.proof(nil, nil))
			if w.Code != c.status || (c.code != "" && !strings.Contains(w.Body.String(), `"error":"`+c.code+`"`)) {
				t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
			}
			values := w.Header().Values("WWW-Authenticate")
			if len(values) != len(c.challenges) {
				t.Errorf("%s: challenges %q, want %q", c.name, values, c.challenges)
				continue
			}
			for at, scheme := range c.challenges {
				if !strings.HasPrefix(values[at], scheme+" realm=") || strings.Contains(values[at], "algs=") != (scheme == "DPoP") {
					t.Errorf("%s: challenge %q, want %s", c.name, values[at], scheme)
				}
			}
		}
	}
	// Verify has no request to look for a proof in, so it never returns a bound token, and no other where those are due.
	for mode, raw := range map[verifier.DPoPMode][]string{off: {h.raw}, optional: {h.raw}, required: {h.raw, bearer}} {
		v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(mode))
		send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(nil, nil))
		for _, raw := range raw {
			if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("mode %d: Verify: %v", mode, err)
			}
		}
	}
}

func TestDPoPNeedsTheURLOfTheService(t *testing.T) {
	t.Parallel()
	for _, mode := range []verifier.DPoPMode{verifier.DPoPOptional, verifier.DPoPRequired} {
		if _, err := verifier.New(issuerURL, "orders", dpop(mode)); err == nil || !strings.Contains(err.Error(), "WithURL") {
			t.Errorf("got %v", err)
		}
		if _, err := verifier.New(issuerURL, "orders", dpop(mode), verifier.WithURL("https://orders.example.com")); err != nil {
			t.Errorf("got %v", err)
		}
	}
	if _, err := verifier.New(issuerURL, audience, dpop(7)); err == nil {
		t.Error("New accepted a mode that is none")
	}
}

// TestAProofThatIsDatedAheadIsRememberedUntilItIsTooOld: it may be used for half a minute longer than one that is dated now.
// What is remembered is forgotten by the generation, so it comes at different moments of one, alone and among others.
func TestAProofThatIsDatedAheadIsRememberedUntilItIsTooOld(t *testing.T) {
	t.Parallel()
	h := newHolder(t, newEd25519(t))
	for _, arrival := range []int{0, 1, 29, 30, 31, 59, 60, 61, 88, 89} {
		for _, alone := range []bool{true, false} {
			second := 0
			now := func() time.Time { return epoch.Add(time.Duration(second) * time.Second) }
			v := newIssuer(firstKey()).ready(t, verifier.WithClock(now), dpop(verifier.DPoPRequired))
			send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(nil, nil)) // which begins a generation
			second = arrival
			early := h.proof(nil, set{"iat": now().Unix() + 30})
			if w := send(v, "GET", "/orders", "DPoP "+h.raw, early); w.Code != 200 {
				t.Fatalf("after %d s: %d %s", arrival, w.Code, w.Body)
			}
			for ; second < arrival+30+60; second++ {
				if w := send(v, "GET", "/orders", "DPoP "+h.raw, early); w.Code != 401 || !strings.Contains(w.Body.String(), "used before") {
					t.Fatalf("used after %d s and, alone %t, after %d s again: %d %s", arrival, alone, second, w.Code, w.Body)
				}
				if !alone {
					send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(nil, set{"iat": now().Unix()}))
				}
			}
			if w := send(v, "GET", "/orders", "DPoP "+h.raw, early); w.Code != 401 || !strings.Contains(w.Body.String(), "too old") {
				t.Errorf("when it is a minute old: %d %s", w.Code, w.Body)
			}
		}
	}
}

// TestAProofIsRememberedAsLongAsItCouldBeUsed walks the clock second by second.
func TestAProofIsRememberedAsLongAsItCouldBeUsed(t *testing.T) {
	t.Parallel()
	now := epoch
	v := newIssuer(firstKey()).ready(t, verifier.WithClock(func() time.Time { return now }), dpop(verifier.DPoPRequired))
	h := newHolder(t, newEd25519(t))
	early := h.proof(nil, set{"iat": epoch.Unix() + 30})
	uses := 0
	for range 200 {
		if w := send(v, "GET", "/orders", "DPoP "+h.raw, early); w.Code == 200 {
			uses++
		}
		send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(nil, set{"iat": now.Unix()}))
		now = now.Add(time.Second)
	}
	if uses != 1 {
		t.Errorf("the proof worked %d times", uses)
	}
}
