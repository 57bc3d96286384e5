package e2e_test

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// accessTokenAttacks put a forged access token beside a good refresh token: it
// must be refused, and the session must stand afterwards.
func accessTokenAttacks() []attack {
	return []attack{
		{"JWS-01", "alg none in a pair", besideRefreshToken("jws01", algNone)},
		{"JWS-03", "HS256 under the public key in a pair", besideRefreshToken("jws03", hmacByPublicKey)},
		{"JWS-05", "another algorithm in a pair", besideRefreshToken("jws05", otherAlgorithm)},
		{"JWS-08", "a key in the header in a pair", besideRefreshToken("jws08", keyInHeader)},
		{"JWS-11", "a kid that is a path or a statement in a pair", besideRefreshToken("jws11", hostileKID)},
		{"JWS-16", "another serialization in a pair", besideRefreshToken("jws16", otherSerialization)},
		{"JWS-25", "another signature in a pair", besideRefreshToken("jws25", otherSignature)},
		{"CLM-06", "a token of another issuer in a pair", besideRefreshToken("clm06", otherIssuer)},
		{"CLM-10", "one kind of token in place of another", besideRefreshToken("clm10", otherKind)},
		{"CLM-12", "tokens of two sessions in a pair", mixedPair},
	}
}

func besideRefreshToken(name string, forge func(t *testing.T, a *authority, p pair) []string) func(*testing.T, *authority) {
	return func(t *testing.T, a *authority) {
		a.register(t, name)
		p := a.login(t, name)
		for _, forged := range forge(t, a, p) {
			wantInvalidPair(t, a, pair{forged, p.Refresh})
		}
		if _, got := a.refresh(t, p); got.Status != http.StatusOK {
			t.Errorf("the good pair afterwards: %d %s, want 200", got.Status, got.Body)
		}
	}
}

func wantInvalidPair(t testing.TB, a *authority, p pair) {
	t.Helper()
	for _, verb := range []string{"refresh-token", "logout"} {
		got, e := a.firstParty(t, verb, map[string]string{"accessToken": p.Access, "refreshToken": p.Refresh})
		if got.Status != http.StatusBadRequest || e.Message != "Invalid access token or refresh token." {
			t.Errorf("%s with %.90s…: %d %s, want 400", verb, p.Access, got.Status, got.Body)
		}
	}
}

// parts of a compact JWS, the first two decoded.
func partsOf(t testing.TB, jws string) (header, payload, signature string) {
	t.Helper()
	parts := strings.Split(jws, ".")
	for i := range 2 {
		decoded, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = string(decoded)
	}
	return parts[0], parts[1], parts[2]
}

func algNone(t *testing.T, _ *authority, p pair) []string {
	_, payload, signature := partsOf(t, p.Access)
	var forged []string
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", `\u006eone`, ""} {
		for _, typ := range []string{"at+jwt", "JWT"} {
			input := base64URL(fmt.Sprintf(`{"alg":"%s","typ":%q}`, alg, typ)) + "." + base64URL(payload) + "."
			forged = append(forged, input, input+signature)
		}
	}
	return forged
}

// publicKey is the authority's key that signed the token.
func publicKey(t testing.TB, a *authority, access string) *rsa.PublicKey {
	t.Helper()
	var set struct{ Keys []struct{ Kid, N, E string } }
	if err := json.Unmarshal(send(t, http.MethodGet, a.URL+"/.well-known/jwks.json", "", "").Body, &set); err != nil {
		t.Fatal(err)
	}
	header, _, _ := partsOf(t, access)
	for _, key := range set.Keys {
		if !strings.Contains(header, key.Kid) {
			continue
		}
		n, errN := base64.RawURLEncoding.DecodeString(key.N)
		e, errE := base64.RawURLEncoding.DecodeString(key.E)
		if errN != nil || errE != nil {
			t.Fatal(errN, errE)
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	t.Fatal("the key that signed is not in the JWKS")
	return nil
}

func hmacByPublicKey(t *testing.T, a *authority, p pair) []string {
	key := publicKey(t, a, p.Access)
	pkix, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(key)
	secrets := [][]byte{pkix, pkcs1, key.N.Bytes(), []byte(base64URL(key.N.Bytes()))}
	for _, block := range []*pem.Block{{Type: "PUBLIC KEY", Bytes: pkix}, {Type: "RSA PUBLIC KEY", Bytes: pkcs1}} {
		encoded := pem.EncodeToMemory(block)
		secrets = append(secrets, encoded, encoded[:len(encoded)-1])
	}
	header, payload, _ := partsOf(t, p.Access)
	input := base64URL(strings.Replace(header, "RS256", "HS256", 1)) + "." + base64URL(payload)
	var forged []string
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		forged = append(forged, input+"."+base64URL(mac.Sum(nil)))
	}
	return forged
}

func otherAlgorithm(t *testing.T, _ *authority, p pair) []string {
	header, payload, signature := partsOf(t, p.Access)
	var forged []string
	for _, alg := range []string{"RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256"} {
		forged = append(forged, base64URL(strings.Replace(header, "RS256", alg, 1))+"."+base64URL(payload)+"."+signature)
	}
	return forged
}

// keyInHeader also asserts that nobody looks where a header says the key is.
func keyInHeader(t *testing.T, _ *authority, p pair) []string {
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(func() {
		elsewhere.Close()
		if asked.Load() > 0 {
			t.Error("a URL in a header was fetched")
		}
	})
	attacker := newMint(t).key
	header, payload, _ := partsOf(t, p.Access)
	jwk := fmt.Sprintf(`{"kty":"RSA","alg":"RS256","use":"sig","n":%q,"e":"AQAB"}`, base64URL(attacker.N.Bytes()))
	own := fmt.Sprintf(`{"alg":"RS256","typ":"at+jwt","jwk":%s}`, jwk)
	forged := []string{sign(t, attacker, own, payload), sign(t, attacker, header, payload)}
	for _, member := range []string{`"jwk":` + jwk, `"jku":"` + elsewhere.URL + `/keys"`, `"x5u":"` + elsewhere.URL + `/cert"`, `"x5c":["MIIB"]`, `"crit":["exp"]`, `"b64":false`} {
		forged = append(forged, sign(t, attacker, strings.TrimSuffix(header, "}")+","+member+"}", payload))
		forged = append(forged, sign(t, attacker, `{"alg":"RS256","typ":"at+jwt","kid":"unknown",`+member+"}", payload))
	}
	return forged
}

func hostileKID(t *testing.T, _ *authority, p pair) []string {
	attacker := newMint(t).key
	_, payload, signature := partsOf(t, p.Access)
	kids := []string{
		`"../../../../dev/null"`, `"/proc/self/environ"`, `"key.pem\u0000"`, `"| id"`, `"' OR 1=1--"`, `""`, `1`, `null`, `["k"]`, `{"k":1}`,
		`"` + strings.Repeat("k", 8<<10) + `"`, `"\u001b[31m\r\nforged"`,
	}
	var forged []string
	for _, kid := range kids {
		header := `{"alg":"RS256","typ":"at+jwt","kid":` + kid + `}`
		forged = append(forged, sign(t, attacker, header, payload), base64URL(header)+"."+base64URL(payload)+"."+signature)
	}
	return append(forged, sign(t, attacker, `{"alg":"RS256","typ":"at+jwt"}`, payload))
}

func otherSerialization(t *testing.T, _ *authority, p pair) []string {
	protected, rest, _ := strings.Cut(p.Access, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	return []string{
		fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, payload, protected, signature),
		fmt.Sprintf(`{"payload":%q,"header":{"alg":"RS256"},"signature":%q}`, payload, signature),
		fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q},{"protected":%q,"signature":"AA"}]}`, payload, protected, signature, protected),
		p.Access + ".", "." + p.Access, p.Access + ".AA", "." + rest, protected + ".", protected + ".." + signature, ".", "..", strings.Repeat(".", 10_000),
		protected + ".AA." + payload + ".AA." + signature, // as long as a JWE
		"eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJlbmMiOiJBMTI4R0NNIiwicDJjIjoyMTQ3NDgzNjQ3LCJwMnMiOiJBQSIsInppcCI6IkRFRiJ9.AA.AA.AA.AA",
		"Bearer " + p.Access, p.Access + " ", "\t" + p.Access, p.Access + "=",
	}
}

func otherSignature(t *testing.T, _ *authority, p pair) []string {
	header, payload, signature := partsOf(t, p.Access)
	octets, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	input := base64URL(header) + "." + base64URL(payload) + "."
	flipped := append([]byte(nil), octets...)
	flipped[0] ^= 1
	return []string{
		input, input + base64URL(octets[:255]), input + base64URL(octets[1:]), input + base64URL(append(octets[:256:256], 0)), input + base64URL(append([]byte{0}, octets...)),
		input + base64URL(flipped), input + base64URL(make([]byte, 256)), input + base64URL(string(octets)+string(octets)),
		input + signature[:100] + "\n" + signature[100:], input + signature + "==", input + base64.StdEncoding.EncodeToString(octets),
		input + signature[:341] + nextLetter(signature[341]), // 256 bytes are 341⅓ characters
		base64URL(header) + "." + base64URL(strings.Replace(payload, `"sid"`, `"sud"`, 1)) + "." + signature,
	}
}

// otherIssuer gives good tokens of other authorities: one whose user has the same
// name, and one that claims to be this authority under keys of its own.
func otherIssuer(t *testing.T, a *authority, p pair) []string {
	other, imposter := startEmbedded(t), startEmbedded(t, "MINTMARK_ISSUER="+a.Issuer)
	var forged []string
	for _, o := range []*authority{other, imposter} {
		o.register(t, "clm06")
		foreign := o.login(t, "clm06")
		forged = append(forged, foreign.Access)
		wantRefused(t, a, "a refresh token of another authority", foreign.Refresh)
		wantInvalidPair(t, a, foreign)
		wantInvalidPair(t, a, pair{p.Access, foreign.Refresh})
	}
	return forged
}

func otherKind(t *testing.T, a *authority, p pair) []string {
	wantRefused(t, a, "an access token as refresh token", p.Access)
	wantInvalidPair(t, a, pair{p.Refresh, p.Access})
	wantInvalidPair(t, a, pair{p.Access, p.Access})
	return []string{p.Refresh, ""}
}

// mixedPair leaves both sessions as they were.
func mixedPair(t *testing.T, a *authority) {
	a.register(t, "clm12")
	a.register(t, "clm12-other")
	first, second, other := a.login(t, "clm12"), a.login(t, "clm12"), a.login(t, "clm12-other")
	wantInvalidPair(t, a, pair{first.Access, second.Refresh})
	wantInvalidPair(t, a, pair{other.Access, first.Refresh})
	wantInvalidPair(t, a, pair{first.Access, other.Refresh})
	wantInvalidPair(t, a, pair{"", first.Refresh})
	wantInvalidPair(t, a, pair{first.Access, ""})
	for _, p := range []pair{first, second, other} {
		if _, got := a.refresh(t, p); got.Status != http.StatusOK {
			t.Errorf("a session after its token was mixed with another: %d %s, want 200", got.Status, got.Body)
		}
	}
}
