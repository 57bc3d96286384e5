package verifiertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"
)

// HostileTokens returns forged, damaged and misused tokens, each with what is wrong with it. They come from RFC 8725,
// RFC 9068 §4 and past vulnerabilities of JOSE libraries. Each breaks a mandatory rule, so even a lenient service must
// refuse every one of them with 401 and invalid_token:
//
//	for name, token := range issuer.HostileTokens() {
//		if status := get(t, service, token); status != http.StatusUnauthorized {
//			t.Errorf("%s: answered %d", name, status)
//		}
//	}
//
// Except for the forged ones, all have the issuer's own signature, so that only the check in question can refuse them.
func (i *Issuer) HostileTokens() iter.Seq2[string, string] {
	return func(yield func(name, token string) bool) {
		for _, family := range []func() map[string]string{i.forged, i.misused, i.untimely, i.malformed} {
			for name, token := range family() {
				if !yield(name, token) {
					return
				}
			}
		}
	}
}

// DoubtfulTokens returns tokens that the standards allow a service to accept, and that a careful service refuses.
// pkg/verifier refuses them all.
func (i *Issuer) DoubtfulTokens() iter.Seq2[string, string] {
	return maps.All(map[string]string{
		"no subject":                        i.Token(Claims{"sub": nil}),
		"bound to a key, without its proof": i.Token(Claims{"cnf": map[string]string{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
		"an empty crit":                     i.Token(Header{"crit": []string{}}),
	})
}

// forged tokens lack the signature of the key that the issuer publishes under their kid.
func (i *Issuer) forged() map[string]string {
	good := i.Token()
	parts := strings.Split(good, ".")
	header, payload, signature := parts[0], parts[1], parts[2]
	stranger := strangersKey()
	tokens := map[string]string{
		"signed by a key that nobody publishes": i.Token(SignedByStranger()),
		"a kid that nobody publishes":           i.Token(SignedByStranger(), Header{"kid": stranger.kid}, i.aMinuteAgo()),
		"the kid of another key of the issuer":  i.Token(Header{"kid": i.standby().kid}),
		"brings its own key (jwk)":              i.Token(SignedByStranger(), Header{"jwk": stranger.jwk()}),
		"says where its key is (jku)":           i.Token(SignedByStranger(), Header{"jku": "http://127.0.0.1:1/jwks.json"}),
		"says where its certificate is (x5u)":   i.Token(SignedByStranger(), Header{"x5u": "http://127.0.0.1:1/cert.pem"}),
		"no signature":                          header + "." + payload + ".",
		"the signature of another token":        header + "." + payload + "." + i.Token()[strings.LastIndex(i.Token(), ".")+1:],
		"a signature cut short":                 header + "." + payload + "." + signature[:len(signature)-4],
		"other claims under a good signature":   header + "." + encode(i.encodeJSON(map[string]any{"iss": i.URL(), "sub": "admin", "aud": i.audience})) + "." + signature,
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE"} {
		tokens["alg "+alg] = encode(i.encodeJSON(map[string]any{"alg": alg, "typ": "at+jwt"})) + "." + payload + "."
	}
	for name, secret := range i.publicKeyTexts() {
		signed := encode(i.encodeJSON(map[string]any{"alg": "HS256", "typ": "at+jwt", "kid": i.KID()})) + "." + payload
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signed))
		tokens["HS256 keyed with the public key as "+name] = signed + "." + encode(mac.Sum(nil))
	}
	return tokens
}

// misused tokens are the issuer's own, but for another purpose or another service.
func (i *Issuer) misused() map[string]string {
	return map[string]string{
		"another issuer":                       i.Token(Claims{"iss": "https://auth.example.org"}),
		"the issuer with a slash at its end":   i.Token(Claims{"iss": i.URL() + "/"}),
		"no issuer":                            i.Token(Claims{"iss": nil}),
		"another audience":                     i.Token(Claims{"aud": "https://other.example.org"}),
		"an audience that begins like the one": i.Token(Claims{"aud": i.audience + ".example.org"}),
		"no audience":                          i.Token(Claims{"aud": nil}),
		"an empty list of audiences":           i.Token(Claims{"aud": []string{}}),
		"an ID token":                          i.Token(Header{"typ": "JWT"}),
		"a logout token":                       i.Token(Header{"typ": "logout+jwt"}),
		"no typ":                               i.Token(Header{"typ": nil}),
	}
}

// untimely tokens would be valid at another time.
func (i *Issuer) untimely() map[string]string {
	now := i.now()
	return map[string]string{
		"expired":             i.ExpiredToken(),
		"no expiry":           i.Token(Claims{"exp": nil}),
		"expiry 0":            i.Token(Claims{"exp": 0}),
		"an expiry in quotes": i.Token(Claims{"exp": fmt.Sprint(now.Add(lifetime).Unix())}),
		"not valid yet":       i.Token(Claims{"nbf": now.Add(lifetime).Unix()}),
	}
}

// malformed tokens break the rules of JWS or JSON where readers differ.
func (i *Issuer) malformed() map[string]string {
	good := i.Token()
	claims := string(i.encodeJSON(map[string]any{
		"iss": i.URL(), "sub": "user", "client_id": "client", "jti": "token",
		"iat": i.now().Unix(), "exp": i.now().Add(lifetime).Unix(), "aud": i.audience,
	}))
	header := fmt.Sprintf(`{"alg":"RS256","typ":"at+jwt","kid":%q}`, i.KID())
	return map[string]string{
		"garbage":                           "garbage",
		"three empty parts":                 "..",
		"two parts":                         good[:strings.LastIndex(good, ".")],
		"four parts":                        good + ".",
		"a character added":                 good + "A",
		"padded base64":                     good + "==",
		"claims that are no JSON":           i.Sign(header, "no JSON"),
		"claims that are no object":         i.Sign(header, "[]"),
		"an audience twice":                 i.Sign(header, claims[:len(claims)-1]+`,"aud":"https://other.example.org"}`),
		"an algorithm twice":                i.Sign(header[:len(header)-1]+`,"alg":"none"}`, claims),
		"something after the claims":        i.Sign(header, claims+"{}"),
		"a kid that is a path":              i.Token(Header{"kid": "../../../../dev/null"}, i.aMinuteAgo()),
		"crit with an unknown member":       i.Token(Header{"crit": []string{"bork"}, "bork": true}),
		"b64 off":                           i.Token(Header{"b64": false, "crit": []string{"b64"}}),
		"an algorithm it was not signed by": i.Token(Header{"alg": "RS512"}),
	}
}

// aMinuteAgo sets the iat of a token with an unknown kid into the past: if it were issued this second, a verifier that
// has just read the keys could not know whether its key was published since.
func (i *Issuer) aMinuteAgo() Claims { return Claims{"iat": i.now().Add(-time.Minute).Unix()} }

func (i *Issuer) standby() signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return issuersKeys.key(i.next())
}

// publicKeyTexts are the forms of the public key that a confused verifier might take for an HMAC secret.
func (i *Issuer) publicKeyTexts() map[string][]byte {
	public := &i.signing().PublicKey
	pkix, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(fmt.Sprintf("verifiertest: encode the public key: %v", err))
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(public)
	return map[string][]byte{
		"PEM":           pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}),
		"PKCS #1 PEM":   pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1}),
		"DER":           pkix,
		"PKCS #1 DER":   pkcs1,
		"its modulus":   public.N.Bytes(),
		"an empty text": nil,
	}
}
