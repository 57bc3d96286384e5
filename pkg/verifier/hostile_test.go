package verifier_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// hostile is one token that must be refused, under the id of the attack it comes from.
type hostile struct{ name, raw string }

// TestHostileTokensAreRefused sends every token to the verifier and, where an HTTP header can carry it, to a resource
// behind its middleware: no attack reaches the handler, or fetches anything but the issuer's own keys.
func TestHostileTokensAreRefused(t *testing.T) {
	t.Parallel()
	i := newIssuer(firstKey(), secondKey())
	v := i.ready(t, atEpoch())
	called := 0
	resource := v.Require()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ }))
	if _, err := v.Verify(t.Context(), good(firstKey(), "first", epoch)); err != nil {
		t.Fatal(err)
	}
	fetched := i.jwks.Load()

	for _, h := range hostileTokens() {
		token, err := v.Verify(t.Context(), h.raw)
		if token != nil || !errors.Is(err, verifier.ErrInvalidToken) || errors.Is(err, verifier.ErrKeysUnavailable) {
			t.Errorf("%s: got %v, %v; want ErrInvalidToken", h.name, token, err)
		}
		if strings.Trim(h.raw, " \r\n") == "" {
			continue
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{"Bearer " + h.raw}
		resource.ServeHTTP(w, r)
		if w.Code != 401 || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%s: the resource answers %d %v", h.name, w.Code, w.Header())
		}
	}
	if called != 0 {
		t.Errorf("%d hostile tokens reached the handler", called)
	}
	if got := i.jwks.Load(); got != fetched {
		t.Errorf("hostile tokens caused %d fetches within the cool-down", got-fetched)
	}
}

func hostileTokens() []hostile {
	var all []hostile
	for _, group := range [][]hostile{
		algorithms(), headers(), shapes(), signatures(), wrongClaims(), wrongTimes(), wrongJSON(),
	} {
		all = append(all, group...)
	}
	return all
}

func algorithms() []hostile {
	payload := claims(epoch, nil)
	var all []hostile
	for _, alg := range []any{
		"none", "None", "NONE", "nOnE", "none ", "", "rs256", "RS256 ", "RS384", "RS512", "PS256", "ES256", "EdDSA", "HS256",
		nil, 1, true, []string{"RS256"}, set{"alg": "RS256"},
	} {
		h := header(set{"alg": alg})
		if alg == nil {
			h = header(set{"alg": nil})
		}
		name := fmt.Sprintf("JWS-01/02/05 alg %q", fmt.Sprint(alg))
		all = append(all, hostile{name, sign(firstKey(), h, payload)},
			hostile{name + " unsigned", b64(h) + "." + b64(payload) + "."})
	}
	escaped := b64(`{"alg":"\u006eone","typ":"at+jwt","kid":"first"}`) + "." + b64(payload)
	all = append(all, hostile{"JWS-02 escaped none", escaped + "."}, hostile{"JWS-02 escaped none, signature", escaped + ".AA"})

	signed := b64(header(set{"alg": "RS512"})) + "." + b64(payload)
	digest := sha512.Sum512([]byte(signed))
	signature, _ := rsa.SignPKCS1v15(nil, firstKey(), crypto.SHA512, digest[:])
	all = append(all, hostile{"JWS-05 RS512 by the right key", signed + "." + b64(signature)})
	for _, alg := range []string{"RS256", "PS256"} {
		signed = b64(header(set{"alg": alg})) + "." + b64(payload)
		sum := sha256.Sum256([]byte(signed))
		signature, _ = rsa.SignPSS(rand.Reader, firstKey(), crypto.SHA256, sum[:], nil)
		all = append(all, hostile{"JWS-05 PSS called " + alg, signed + "." + b64(signature)})
	}
	return append(all, confusedHMAC()...)
}

// confusedHMAC keys HS256 with every spelling of the public key (JWS-03).
func confusedHMAC() []hostile {
	public := &firstKey().PublicKey
	pkix, _ := x509.MarshalPKIXPublicKey(public)
	pkcs1 := x509.MarshalPKCS1PublicKey(public)
	pemPKIX := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})
	pemPKCS1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1})
	var all []hostile
	for i, secret := range [][]byte{
		pkix, pkcs1, pemPKIX, pemPKCS1, pemPKIX[:len(pemPKIX)-1], pemPKCS1[:len(pemPKCS1)-1], public.N.Bytes(), {},
	} {
		for _, alg := range []string{"HS256", "RS256"} {
			signed := b64(header(set{"alg": alg})) + "." + b64(claims(epoch, nil))
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(signed))
			all = append(all, hostile{fmt.Sprintf("JWS-03 HMAC %d called %s", i, alg), signed + "." + b64(mac.Sum(nil))})
		}
	}
	return all
}

func headers() []hostile {
	payload := claims(epoch.Add(-time.Second), nil) // the keys are read after it was issued: an unknown kid is known to be none
	attacker := publicJWK(&secondKey().PublicKey, "attacker")
	var all []hostile
	add := func(name string, key *rsa.PrivateKey, change set) {
		all = append(all, hostile{name, sign(key, header(change), payload)})
	}
	for _, key := range []*rsa.PrivateKey{firstKey(), secondKey()} {
		add("JWS-08 jwk", key, set{"jwk": attacker})
		add("JWS-08 jwk, own kid", key, set{"jwk": attacker, "kid": "attacker"})
		add("JWS-09 jku", key, set{"jku": "http://127.0.0.1:1/jwks.json", "kid": "attacker"})
		add("JWS-10 x5u", key, set{"x5u": "http://127.0.0.1:1/cert.pem"})
		add("JWS-10 x5c", key, set{"x5c": []string{"MIIB"}})
		add("JWS-08 jwk null", key, set{"jwk": []any(nil)})
	}
	for _, kid := range []any{
		"../../../../dev/null", "/proc/self/environ", "key.pem\x00", "| id", "' OR 1=1--", strings.Repeat("k", 8<<10),
		"first\x00", "First", "first ", "", 1, []string{"first"}, set{"kid": "first"}, false,
	} {
		add(fmt.Sprintf("JWS-11/12 kid %.20q", fmt.Sprint(kid)), firstKey(), set{"kid": kid})
	}
	add("JWS-12 no kid", firstKey(), set{"kid": nil})
	add("JWS-29 kid of another key", firstKey(), set{"kid": "second"})
	add("CLM-15 key of nobody's kid", secondKey(), set{"kid": "third"})
	for _, crit := range []any{[]string{"exp"}, []string{"bork"}, []string{}, "exp", []string{"alg"}, []string{"b64", "b64"}, 0} {
		add(fmt.Sprintf("JWS-14 crit %v", crit), firstKey(), set{"crit": crit, "bork": 1})
	}
	add("JWS-15 b64 false", firstKey(), set{"b64": false})
	add("JWS-15 b64 true", firstKey(), set{"b64": true})
	add("JWS-15 b64 and crit", firstKey(), set{"b64": false, "crit": []string{"b64"}})
	for _, typ := range []any{"JWT", "", nil, "at+jwt ", "logout+jwt", "dpop+jwt", "statuslist+jwt", "at+jwt;x", "text/at+jwt", 1, []string{"at+jwt"}} {
		add(fmt.Sprintf("CLM-08/09 typ %v", typ), firstKey(), set{"typ": typ})
	}
	return all
}

func shapes() []hostile {
	raw := good(firstKey(), "first", epoch)
	p := strings.Split(raw, ".")
	var all []hostile
	for name, raw := range map[string]string{
		"JWS-16 general JSON": fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p[1], p[0], p[2]),
		"JWS-18 flattened":    fmt.Sprintf(`{"payload":%q,"header":{"alg":"RS256"},"signature":%q}`, p[1], p[2]),
		"JWS-19 no alg":       b64(`{"typ":"at+jwt","kid":"first"}`) + "." + p[1] + "." + p[2],
		"JWS-21 JWE":          b64(`{"alg":"dir","enc":"A128GCM"}`) + "..AAAA.AAAA.AAAA",
		"JWS-23 JWE zip":      b64(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`) + "..AAAA." + strings.Repeat("A", 1<<20) + ".AAAA",
		"JWS-22 PBES2":        b64(`{"alg":"PBES2-HS256+A128KW","p2c":2147483648}`) + ".AAAA.AAAA.AAAA.AAAA",
		"JWS-28 one part":     p[0], "JWS-28 two parts": p[0] + "." + p[1], "JWS-28 four parts": raw + ".AAAA",
		"JWS-28 six parts": raw + ".." + p[0], "JWS-28 leading dot": "." + raw, "JWS-28 trailing dot": raw + ".",
		"JWS-28 two dots": "..", "JWS-28 a million dots": strings.Repeat(".", 1_000_000), "JWS-28 16 KiB of dots": strings.Repeat(".", 16<<10),
		"empty": "", "space": " ", "NUL": "\x00", "not UTF-8": "\xff.\xff.\xff",
		"no header": "." + p[1] + "." + p[2], "no payload": p[0] + ".." + p[2], "no signature": p[0] + "." + p[1] + ".",
		"payload of another": p[0] + "." + b64(claims(epoch, set{"sub": "admin"})) + "." + p[2],
		"header of another":  b64(header(set{"x": 1})) + "." + p[1] + "." + p[2],
		"newline inside":     raw[:9] + "\n" + raw[9:], "newline at the end": raw + "\n", "CR inside": p[0] + ".\r" + p[1] + "." + p[2],
		"newlines in the signature": p[0] + "." + p[1] + "." + p[2][:8] + "\n\r\n\n" + p[2][8:],
		"space inside":              raw[:9] + " " + raw[9:], "quoted": `"` + raw + `"`, "twice": raw + "," + raw,
		"JSN-05 huge signature": p[0] + "." + p[1] + "." + strings.Repeat("A", 64<<10),
		"JSN-05 huge header":    b64(header(set{"x": strings.Repeat("a", 64<<10)})) + "." + p[1] + "." + p[2],
		"JSN-05 huge payload":   sign(firstKey(), goodHeader, claims(epoch, set{"x": strings.Repeat("a", 1<<20)})),
		"JSN-05 one byte over":  exactly(16<<10 + 1),
	} {
		all = append(all, hostile{name, raw})
	}
	for at, part := range p {
		other := func(spelling string) string {
			q := append([]string{}, p...)
			q[at] = spelling
			return strings.Join(q, ".")
		}
		decoded, _ := base64.RawURLEncoding.DecodeString(part)
		all = append(all,
			hostile{"padding", other(part + "=")}, hostile{"more padding", other(part + "==")},
			hostile{"standard alphabet", other(strings.NewReplacer("-", "+", "_", "/").Replace(b64(string(decoded) + "\xfb\xff\xfe\xfb\xff\xfe")))},
			hostile{"one character more", other(part + "A")}, hostile{"one less", other(part[:len(part)-1])})
		if last := respell(part); last != part {
			all = append(all, hostile{"not canonical", other(last)})
		}
	}
	return all
}

// exactly makes a token of n bytes, or one more where base64url has no n, whose only fault can be its length.
func exactly(n int) string {
	padding := n * 3 / 4
	for len(b64(goodHeader))+len(b64(claims(epoch, set{"x": strings.Repeat("a", padding)})))+len("..")+342 > n {
		padding--
	}
	raw := sign(firstKey(), goodHeader, claims(epoch, set{"x": strings.Repeat("a", padding)}))
	if len(raw) < n {
		return sign(firstKey(), goodHeader, claims(epoch, set{"x": strings.Repeat("a", padding+1)}))
	}
	return raw
}

// respell changes the last character of base64url in bits that carry nothing, if there are any.
func respell(part string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if len(part)%4 == 0 {
		return part
	}
	at := strings.IndexByte(alphabet, part[len(part)-1])
	return part[:len(part)-1] + string(alphabet[at^1])
}

func signatures() []hostile {
	raw := good(firstKey(), "first", epoch)
	dot := strings.LastIndexByte(raw, '.')
	signature, _ := base64.RawURLEncoding.DecodeString(raw[dot+1:])
	flipped := append([]byte{}, signature...)
	flipped[100] ^= 1
	all := []hostile{
		{"JWS-29 by another key", sign(secondKey(), goodHeader, claims(epoch, nil))},
		{"CLM-15 own key under their kid", sign(secondKey(), header(set{"kid": "first"}), claims(epoch, nil))},
	}
	for name, s := range map[string][]byte{
		"truncated": signature[:255], "extended": append(append([]byte{}, signature...), 0),
		"with a zero before": append([]byte{0}, signature...), "stripped": signature[1:], "one byte": {0}, "zeros": make([]byte, 256),
		"ones": []byte(strings.Repeat("\xff", 256)), "flipped": flipped, "twice": append(append([]byte{}, signature...), signature...),
		"the modulus": firstKey().N.Bytes(),
	} {
		all = append(all, hostile{"JWS-25 signature " + name, raw[:dot+1] + b64(s)})
	}
	return append(all, bleichenbacher(raw[:dot])...)
}

// bleichenbacher signs paddings with the private key itself that RFC 8017 §9.2 does not allow (JWS-26).
func bleichenbacher(signed string) []hostile {
	digest := sha256.Sum256([]byte(signed))
	info := append([]byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}, digest[:]...)
	forge := func(padding int, tail string) string {
		em := append([]byte{0, 1}, []byte(strings.Repeat("\xff", padding))...)
		em = append(append(append(em, 0), info...), tail...)
		em = append(em, make([]byte, 256-len(em))...)
		return signed + "." + b64(rawRSA(em))
	}
	return []hostile{
		{"JWS-26 short padding", forge(8, "")},
		{"JWS-26 garbage after the digest", forge(8, "garbage")},
		{"JWS-26 one byte of padding less", forge(256-3-len(info)-1, "x")},
	}
}

func rawRSA(em []byte) []byte {
	key := firstKey()
	m := newInt(em)
	return m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size()))
}
