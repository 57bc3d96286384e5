package verifier_test

import (
	"crypto"
	"crypto/elliptic"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// refusedFor says for what raw is refused, or "" where it is accepted.
func refusedFor(t *testing.T, v *verifier.Verifier, raw string) string {
	t.Helper()
	_, err := v.Verify(t.Context(), raw)
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "invalid token: ")
}

// TestBoundsOfTokensAreExact: what is at a bound passes it, and is then judged by something else.
func TestBoundsOfTokensAreExact(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	i.answer(encodeJSON(map[string]any{"keys": []any{
		publicJWK(&firstKey().PublicKey, "first"), publicJWK(&firstKey().PublicKey, strings.Repeat("k", 256)),
	}}))
	v := i.ready(t, atEpoch())
	of := func(h, c set) string { return sign(firstKey(), header(h), claims(epoch, c)) }
	padded := func(n int) string { return "1800000100." + strings.Repeat("0", n-len("1800000100.")) }
	for name, c := range map[string]struct{ raw, want string }{
		"16 KiB":                 {strings.Repeat("a", 16<<10), "it is not a compact JWS of three parts"},
		"a byte more":            {strings.Repeat("a", 16<<10+1), "it is longer than 16 KiB"},
		"kid of 256 bytes":       {of(set{"kid": strings.Repeat("k", 256)}, nil), ""},
		"kid of 257 bytes":       {of(set{"kid": strings.Repeat("k", 257)}, nil), "its header does not name a key (kid)"},
		"exp of 32 digits":       {sign(firstKey(), goodHeader, withNumber("exp", padded(32))), ""},
		"exp of 33 digits":       {sign(firstKey(), goodHeader, withNumber("exp", padded(33))), "its claim exp has a wrong type or value"},
		"scope, least and most":  {of(nil, set{"scope": "!#[]~"}), ""},
		"scope with DEL":         {of(nil, set{"scope": "a\x7f"}), "its claim scope has a wrong type or value"},
		"scope with two spaces":  {of(nil, set{"scope": " a  b "}), ""},
		"acr a number":           {of(nil, set{"acr": 1}), "its claim acr has a wrong type or value"},
		"amr a string":           {of(nil, set{"amr": "pwd"}), ""},
		"amr a number":           {of(nil, set{"amr": 1}), "its claim amr has a wrong type or value"},
		"amr with a number":      {of(nil, set{"amr": []any{"pwd", 1}}), "its claim amr has a wrong type or value"},
		"client_id a number":     {of(nil, set{"client_id": 1}), "its claim client_id has a wrong type or value"},
		"jti a number":           {of(nil, set{"jti": 1}), "its claim jti has a wrong type or value"},
		"sub a number":           {of(nil, set{"sub": 1}), "its claim sub has a wrong type or value"},
		"status a number":        {of(nil, set{"status": 1}), "its claim status has a wrong type or value"},
		"iss missing":            {of(nil, set{"iss": nil}), "it lacks the claim iss"},
		"sub missing":            {of(nil, set{"sub": nil}), "it lacks the claim sub"},
		"aud missing":            {of(nil, set{"aud": nil}), "it lacks the claim aud"},
		"exp missing":            {of(nil, set{"exp": nil}), "it lacks the claim exp"},
		"iat missing":            {of(nil, set{"iat": nil}), "it lacks the claim iat"},
		"jti missing":            {of(nil, set{"jti": nil}), "it lacks the claim jti"},
		"client_id missing":      {of(nil, set{"client_id": nil}), "it lacks the claim client_id"},
		"another issuer":         {of(nil, set{"iss": "x"}), "it was issued by another issuer (iss)"},
		"another audience":       {of(nil, set{"aud": "x"}), "it was issued for another audience (aud)"},
		"expired":                {of(nil, set{"exp": epoch.Unix()}), "it has expired (exp)"},
		"issued in the future":   {of(nil, set{"iat": epoch.Unix() + 31}), "it was issued in the future (iat)"},
		"not valid yet":          {of(nil, set{"nbf": epoch.Unix() + 31}), "it is not valid yet (nbf)"},
		"valid from in a moment": {of(nil, set{"nbf": epoch.Unix() + 30}), ""},
		"bound":                  {of(nil, set{"cnf": set{"jkt": "x"}}), "it is bound to a key, and was sent without a proof that this service checks (cnf)"},
		"another type":           {of(set{"typ": "JWT"}, nil), "it is of another type (typ)"},
		"another algorithm":      {of(set{"alg": "RS512"}, nil), "its algorithm is not one that is accepted (alg)"},
		"a key of its own":       {of(set{"jwk": set{}}, nil), "its header brings a key of its own"},
		"a certificate":          {of(set{"x5c": []string{}}, nil), "its header brings a key of its own"},
		"an extension":           {of(set{"crit": []string{"x"}}, nil), "its header asks for an extension that is not supported"},
		"another key's kid":      {sign(secondKey(), goodHeader, claims(epoch, nil)), "the signature does not match the key that the header names"},
	} {
		if got := refusedFor(t, v, c.raw); got != c.want {
			t.Errorf("%s: refused for %q, want %q", name, got, c.want)
		}
	}
	token, err := v.Verify(t.Context(), of(nil, set{"scope": " a  b "}))
	if err != nil || len(token.Scopes()) != 2 || !token.Has("a") || !token.Has("b") {
		t.Errorf("scopes between spaces: %q, %v", token.Scopes(), err)
	}
}

// TestAnExpiredTokenIsCalledSoWithoutKeys: its client has to get another one, not to wait.
func TestAnExpiredTokenIsCalledSoWithoutKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	i.fail()
	v := i.verifier(t, atEpoch())
	for _, raw := range []string{good(firstKey(), "first", epoch.Add(-time.Hour)), sign(firstKey(), goodHeader, claims(epoch, set{"aud": "x"}))} {
		if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("got %v, want ErrInvalidToken", err)
		}
	}
	if i.metadata.Load() != 0 {
		t.Error("it made a fetch")
	}
}

func TestBoundsOfProofsAreExact(t *testing.T) {
	t.Parallel()
	h := newHolder(t, newEd25519(t))
	v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPRequired))
	parts := strings.Split(h.proof(nil, nil), ".")
	for name, c := range map[string]struct{ proof, want string }{
		"jti of 512":  {h.proof(nil, set{"jti": strings.Repeat("j", 512)}), ""},
		"jti of 513":  {h.proof(nil, set{"jti": strings.Repeat("j", 513)}), "it has no usable name (jti)"},
		"8 KiB":       {strings.Repeat("a", 8<<10), "it is not a compact JWS of three parts"},
		"a byte more": {strings.Repeat("a", 8<<10+1), "it is longer than 8 KiB"},
		"59 s old":    {h.proof(nil, set{"iat": epoch.Unix() - 59}), ""},
		"60 s old":    {h.proof(nil, set{"iat": epoch.Unix() - 60}), "it is too old (iat)"},
		"30 s ahead":  {h.proof(nil, set{"iat": epoch.Unix() + 30}), ""},
		"31 s ahead":  {h.proof(nil, set{"iat": epoch.Unix() + 31}), "it was made in the future (iat)"},
		"no iat":      {h.proof(nil, set{"iat": nil}), "it is too old (iat)"},
		"no key":      {h.proof(set{"jwk": nil}, nil), "its header does not bring its key (jwk)"},
		"no type":     {h.proof(set{"typ": nil}, nil), "it is of another type (typ)"},
		"a number":    {h.proof(nil, set{"ath": 1}), "its claim ath has a wrong type or value"},
		"extension":   {h.proof(set{"crit": []string{"x"}}, nil), "its header asks for an extension that is not supported"},
		"key by URL":  {h.proof(set{"jku": "https://x"}, nil), "its header brings a key of its own"},
		"not base64":  {parts[0] + ".*." + parts[2], "it holds a part that is not canonical base64url"},
		"not JSON":    {parts[0] + "." + b64("x") + "." + parts[2], "it holds malformed JSON"},
		"jwk a text":  {h.proof(set{"jwk": "x"}, nil), "its key cannot be read (jwk)"},
		"private jwk": {h.proof(set{"jwk": set{"d": "AA"}.onto(copied(h.jwk))}, nil), "its key is not a public one for its algorithm (jwk)"},
		"another key": {h.proof(set{"jwk": newEd25519(t).jwk}, nil), "it is by another key than the token is bound to (jwk)"},
		"unsigned":    {parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)), "its signature does not match its key"},
		"other way":   {h.proof(nil, set{"htm": "POST"}), "it is for another method (htm)"},
		"other URL":   {h.proof(nil, set{"htu": "x"}), "it is for another URL (htu)"},
		"other token": {h.proof(nil, set{"ath": "x"}), "it is for another access token (ath)"},
	} {
		w := send(v, "GET", "/orders", "DPoP "+h.raw, c.proof)
		if c.want == "" && w.Code != 200 || c.want != "" && (w.Code != 401 || !strings.Contains(w.Body.String(), "the proof of possession is refused: "+c.want)) {
			t.Errorf("%s: %d %s, want %q", name, w.Code, w.Body, c.want)
		}
	}
}

// TestAProofIsByAnAlgorithmThatTheChallengeNames: others that access tokens may have are not among them.
func TestAProofIsByAnAlgorithmThatTheChallengeNames(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPRequired), verifier.WithAlgorithms(extraAlgorithms...))
	for _, s := range []signer{
		newECDSA(t, "ES512", elliptic.P521(), crypto.SHA512), newRSA(t, "RS512", crypto.SHA512, false), newRSA(t, "PS384", crypto.SHA384, true),
	} {
		h := newHolder(t, s)
		if w := send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(nil, nil)); w.Code != 401 || !strings.Contains(w.Body.String(), "its algorithm is not one that is accepted") {
			t.Errorf("%s: %d %s", s.alg, w.Code, w.Body)
		}
	}
}

// TestAThumbprintHas43Characters: of another one, nobody can prove the key.
func TestAThumbprintHas43Characters(t *testing.T) {
	t.Parallel()
	h := newHolder(t, newEd25519(t))
	jkt := thumbprint(t, h.jwk)
	v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPOptional))
	for name, cnf := range map[string]any{"shorter": set{"jkt": jkt[:42]}, "longer": set{"jkt": jkt + "A"}, "empty": set{"jkt": ""}, "a number": set{"jkt": 1}, "none": set{}, "other name": set{"kid": jkt}} {
		h.raw = sign(firstKey(), goodHeader, claims(epoch, set{"cnf": cnf}))
		for _, scheme := range []string{"DPoP ", "Bearer "} {
			if w := send(v, "GET", "/orders", scheme+h.raw, h.proof(nil, nil)); w.Code != 401 || !strings.Contains(w.Body.String(), `"error":"invalid_token"`) {
				t.Errorf("%s, as %s: %d %s", name, scheme, w.Code, w.Body)
			}
		}
	}
}

// TestAProofIsForThePathThatWasAskedFor however the request came about.
func TestAProofIsForThePathThatWasAskedFor(t *testing.T) {
	t.Parallel()
	h := newHolder(t, newEd25519(t))
	v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPRequired))
	for name, c := range map[string]struct{ target, requestURI, path string }{
		"as a client sends it":       {"/a%2Fb?x=/c", "/a%2Fb?x=/c", "/a%2Fb"},
		"to a proxy":                 {"http://other.example.com/a?x", "http://other.example.com/a?x", "/a"},
		"to a proxy, without a path": {"http://other.example.com", "http://other.example.com", "/"},
		"made by a program":          {"/a%2Fb?x", "", "/a%2Fb"},
		"of another spelling":        {"/b", "/a//b/../c", "/a//b/../c"},
		"a query alone":              {"/?x", "/?x", "/"},
	} {
		r := httptest.NewRequest(http.MethodGet, c.target, nil)
		r.RequestURI = c.requestURI
		r.Header.Set("Authorization", "DPoP "+h.raw)
		r.Header.Set("DPoP", h.proof(nil, set{"htu": audience + c.path}))
		w := httptest.NewRecorder()
		v.Require()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestTheOriginOfProofsIsInOneSpelling: a port that is the scheme's own is left out, as clients do.
func TestTheOriginOfProofsIsInOneSpelling(t *testing.T) {
	t.Parallel()
	h := newHolder(t, newEd25519(t))
	for address, origin := range map[string]string{
		"https://API.example.com:443": "https://api.example.com", "HTTP://api.example.com:80/": "http://api.example.com",
		"https://api.example.com:80": "https://api.example.com:80", "http://api.example.com:443": "http://api.example.com:443",
		"https://api.example.com:8443": "https://api.example.com:8443",
	} {
		v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPRequired), verifier.WithURL(address))
		if w := send(v, "GET", "/orders", "DPoP "+h.raw, h.proof(nil, set{"htu": origin + "/orders"})); w.Code != 200 {
			t.Errorf("%s: a proof for %s gets %d %s", address, origin, w.Code, w.Body)
		}
	}
}
