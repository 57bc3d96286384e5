package verifier

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// FuzzJWKS reads any set of keys: what comes out is strong enough and fits its algorithm.
func FuzzJWKS(f *testing.F) {
	algorithms := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`)
	f.Add(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"b","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	f.Add(`{"keys":[{"kty":"RSA","alg":"PS256","use":"sig","kid":"c","e":"AQAB","n":"` + strings.Repeat("_", 341) + `w"}]}`)
	f.Add(`{"keys":[{"kty":"oct","k":"AAAA"},null,1,{}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		keys, err := parseKeys(body, algorithms, slog.New(slog.DiscardHandler))
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		for kid, key := range keys {
			fits := false
			switch public := key.public.(type) {
			case *rsa.PublicKey:
				fits = key.algorithm.kty == "RSA" && public.N.BitLen() >= 2048 && public.N.BitLen() <= 8192 && public.E >= 65537
			case *ecdsa.PublicKey:
				_, err := public.Bytes() // fails off the curve
				fits = key.algorithm.kty == "EC" && key.algorithm.crv == public.Params().Name && err == nil
			case ed25519.PublicKey:
				fits = key.algorithm.name == "EdDSA" && len(public) == ed25519.PublicKeySize
			}
			if !fits || kid == "" || !slices.Contains(algorithms, key.algorithm.name) {
				t.Errorf("accepted %q: %+v", kid, key)
			}
		}
	})
}

// FuzzMetadata reads any metadata: only our issuer's, leading to https alone.
func FuzzMetadata(f *testing.F) {
	const issuer = "https://auth.example.com"
	s := &source{issuer: issuer, metadataURL: issuer + wellKnown}
	f.Add(`{"issuer":"https://auth.example.com","jwks_uri":"https://auth.example.com/jwks","introspection_endpoint":"https://auth.example.com/i"}`)
	f.Add(`{"issuer":"https://auth.example.com","jwks_uri":"http://127.0.0.1/jwks"}`)
	f.Add(`{"issuer":"https://auth.example.com","jwks_uri":"https://a@b/","introspection_endpoint":"http://x"}`)
	f.Fuzz(func(t *testing.T, body string) {
		m, err := s.readMetadata(body)
		if err != nil {
			return
		}
		var said map[string]any
		if err := json.Unmarshal([]byte(body), &said); err != nil || said["issuer"] != issuer {
			t.Errorf("accepted the issuer %q, %v", said["issuer"], err)
		}
		if !strings.HasPrefix(strings.ToLower(m.jwksURI), "https://") || (m.introspection != "" && !strings.HasPrefix(strings.ToLower(m.introspection), "https://")) {
			t.Errorf("accepted %+v", m)
		}
	})
}

// FuzzStatusList reads any claims of a list.
func FuzzStatusList(f *testing.F) {
	const issuer, uri = "https://auth.example.com", "https://auth.example.com/oauth/status-lists/3"
	for _, lst := range []string{"eNrbuRgAAhcBXQ", "eNo76fITAAPfAgc", "", "AAAA"} {
		f.Add(fmt.Sprintf(`{"iss":%q,"sub":%q,"iat":1800000000,"exp":1800003600,"ttl":30,"status_list":{"bits":1,"lst":%q}}`, issuer, uri, lst), uint64(3))
	}
	f.Add(`{"sub":"x","status_list":{"bits":3}}`, uint64(1<<53))
	f.Fuzz(func(t *testing.T, payload string, idx uint64) {
		list, err := readStatuses(b64([]byte(payload)), issuer, uri)
		if err != nil {
			return
		}
		if !slices.Contains([]uint64{1, 2, 4, 8}, list.bits) || len(list.packed) == 0 || len(list.packed) > maxInflated {
			t.Errorf("accepted %+v", list)
		}
		if status, ok := list.at(idx); ok != (idx < uint64(len(list.packed))*8/list.bits) || uint64(status) >= 1<<list.bits {
			t.Errorf("status %d of a list of %d bytes at %d bits is %d %v", idx, len(list.packed), list.bits, status, ok)
		}
	})
}

// FuzzInflate decompresses anything: what comes out is what went in, or nothing.
func FuzzInflate(f *testing.F) {
	f.Add([]byte{0xb9, 0xa3}, true)
	f.Add([]byte("eNrbuRgAAhcBXQ"), false)
	f.Fuzz(func(t *testing.T, data []byte, pack bool) {
		packed := data
		if pack {
			var b bytes.Buffer
			z := zlib.NewWriter(&b)
			z.Write(data)
			z.Close()
			packed = b.Bytes()
		}
		flat, err := inflate(packed)
		if pack && len(data) > 0 && !bytes.Equal(flat, data) {
			t.Errorf("got %d bytes of %d, %v", len(flat), len(data), err)
		}
		if err == nil && (len(flat) == 0 || len(flat) > maxInflated) {
			t.Errorf("got %d bytes", len(flat))
		}
	})
}

// FuzzStatusClaim reads any claim of a token.
func FuzzStatusClaim(f *testing.F) {
	f.Add(`{"status_list":{"idx":3,"uri":"https://auth.example.com/oauth/status-lists/3"}}`)
	f.Add(`{"status_list":{"idx":-1,"uri":""}}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, value string) {
		if r, ok := referenceOf(value); ok && (r.idx >= 1<<53 || (r.uri == "" && r.idx != 0)) {
			t.Errorf("accepted %+v", r)
		}
	})
}

// FuzzProof knows every proof that the client ever made: whatever else is accepted is forged.
func FuzzProof(f *testing.F) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) // the same in every process of the fuzzing engine
	jwk := `{"crv":"Ed25519","kty":"OKP","x":"` + b64(key.Public().(ed25519.PublicKey)) + `"}`
	thumbprint, token := sha256.Sum256([]byte(jwk)), "a.b.c"
	ath := sha256.Sum256([]byte(token))
	signed := b64([]byte(`{"typ":"dpop+jwt","alg":"EdDSA","jwk":`+jwk+`}`)) + "." +
		b64([]byte(`{"jti":"1","htm":"GET","htu":"https://orders.example.com/","iat":1800000000,"ath":"`+b64(ath[:])+`"}`))
	good := signed + "." + b64(ed25519.Sign(key, []byte(signed)))
	now := time.Unix(1_800_000_000, 0)
	check := func(text string) error {
		p := &proofs{mode: DPoPRequired, origin: "https://orders.example.com", seen: newReplays()}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("DPoP", text)
		return p.check(r, token, b64(thumbprint[:]), now)
	}
	if err := check(good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(signed + ".")
	f.Add(b64([]byte(`{"typ":"dpop+jwt","alg":"none","jwk":{}}`)) + ".e30.AA")
	f.Fuzz(func(t *testing.T, text string) {
		if err := check(text); (err == nil) != (text == good) {
			t.Errorf("got %v for %q", err, text)
		}
	})
}

// FuzzIntrospection reads any answer about an opaque token.
func FuzzIntrospection(f *testing.F) {
	v := &Verifier{issuer: "https://auth.example.com", audience: "https://orders.example.com"}
	f.Add(`{"active":true,"aud":"https://orders.example.com","exp":1800000000,"scope":"a b"}`)
	f.Add(`{"active":false}`)
	f.Fuzz(func(t *testing.T, body string) {
		token, err := v.readIntrospection(body)
		if err != nil {
			return
		}
		var said struct {
			Active any `json:"active"`
		}
		if err := json.Unmarshal([]byte(body), &said); err != nil {
			t.Fatalf("accepted what is no JSON: %q", body)
		}
		if token.Issuer != v.issuer || !slices.Contains(token.audience, v.audience) {
			t.Errorf("accepted %+v", token)
		}
	})
}
