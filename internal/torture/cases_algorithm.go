package torture

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

func algorithmCases() []Case {
	return []Case{
		{ID: "alg-none", Name: `alg "none"`, Source: "RFC 8725 §3.1, CVE-2022-23540", shots: algNone},
		{ID: "alg-none-spelled", Name: `alg "none" in other spellings`, Source: "RFC 7515 §4.1.1", shots: algNoneSpelled},
		{ID: "alg-absent", Name: "an alg that names nothing", Source: "RFC 7515 §4.1.1", shots: algAbsent},
		{ID: "hs256-public-key", Name: "HS256, keyed with the issuer's public key", Source: "RFC 8725 §2.1, CVE-2016-10555, CVE-2022-29217",
			shots: hsPublicKey},
		{ID: "hs256-empty-key", Name: "HS256, keyed with nothing", Source: "RFC 8725 §3.5", shots: hsEmptyKey},
		{ID: "es256-zero", Name: "ES256 with a signature of zeros", Source: "CVE-2022-21449", shots: esZero},
		{ID: "alg-not-the-keys", Name: "the issuer's key, under an algorithm that is not the key's", Source: "RFC 8725 §3.1, RFC 7517 §4.4",
			Needs: NeedKey, shots: algNotTheKeys},
		{ID: "alg-mislabelled", Name: "the issuer's key, a signature of another algorithm than alg says", Source: "RFC 7515 §5.2",
			Needs: NeedKey, shots: algMislabelled},
		{ID: "alg-case", Name: `alg "rs256" in lower case`, Source: "RFC 7515 §4.1.1", Needs: NeedKey, shots: func(k *kit) []shot {
			return []shot{{sent: "the issuer's key", token: k.mint(set{"alg": "rs256"}, nil)}}
		}},
	}
}

func algNone(k *kit) []shot {
	unsigned := b64(k.head(set{"alg": "none"})) + "." + b64(k.body(nil))
	_, _, signature := parts(k.good())
	return []shot{
		{sent: "no signature", token: unsigned + "."},
		{sent: "no signature and no dot before it", token: unsigned},
		{sent: "the signature of a good token", token: unsigned + "." + signature},
	}
}

func algNoneSpelled(k *kit) []shot {
	var all []shot
	for _, alg := range []string{"None", "NONE", "nOnE", "none "} {
		all = append(all, shot{sent: `alg "` + alg + `"`, token: b64(k.head(set{"alg": alg})) + "." + b64(k.body(nil)) + "."})
	}
	escaped := strings.Replace(k.head(set{"alg": "none"}), `"none"`, `"\u006eone"`, 1)
	return append(all, shot{sent: `alg "\u006eone"`, token: b64(escaped) + "." + b64(k.body(nil)) + "."})
}

func algAbsent(k *kit) []shot {
	var all []shot
	for _, one := range []struct {
		sent string
		alg  any
	}{
		{"no alg", nil}, {"null", null}, {"an empty text", ""}, {"a number", 0}, {"a list", []string{"none"}},
	} {
		all = append(all, shot{sent: one.sent, token: b64(k.head(set{"alg": one.alg})) + "." + b64(k.body(nil)) + "."})
	}
	return all
}

// spelling is one of the forms in which libraries keep a public key.
type spelling struct {
	name string
	key  []byte
}

func spellings(public crypto.PublicKey) []spelling {
	var all []spelling
	add := func(name, block string, der []byte) {
		text := pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der})
		all = append(all, spelling{name + " PEM", text}, spelling{name + " PEM without the last newline", text[:len(text)-1]}, spelling{name + " DER", der})
	}
	if der, err := x509.MarshalPKIXPublicKey(public); err == nil {
		add("PKIX", "PUBLIC KEY", der)
	}
	if key, ok := public.(*rsa.PublicKey); ok {
		add("PKCS #1", "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(key))
		all = append(all, spelling{"the bytes of n", key.N.Bytes()}, spelling{"n in base64url", []byte(b64(key.N.Bytes()))})
	}
	return all
}

func hsPublicKey(k *kit) []shot {
	var all []shot
	for i, s := range spellings(k.public) {
		signed := b64(k.head(set{"alg": "HS256"})) + "." + b64(k.body(nil))
		all = append(all, shot{sent: s.name, token: hmacked(signed, crypto.SHA256, s.key)})
		if i == 0 {
			signed = b64(k.head(set{"alg": "HS512"})) + "." + b64(k.body(nil))
			all = append(all, shot{sent: s.name + ", HS512", token: hmacked(signed, crypto.SHA512, s.key)})
		}
	}
	return all
}

func hsEmptyKey(k *kit) []shot {
	signed := b64(k.head(set{"alg": "HS256"})) + "." + b64(k.body(nil))
	return []shot{
		{sent: "an empty key", token: hmacked(signed, crypto.SHA256, nil)},
		{sent: "the word secret", token: hmacked(signed, crypto.SHA256, []byte("secret"))},
	}
}

func esZero(k *kit) []shot {
	signed := b64(k.head(set{"alg": "ES256"})) + "." + b64(k.body(nil)) + "."
	return []shot{
		{sent: "r and s of zero", token: signed + b64(make([]byte, 64))},
		{sent: "the same in DER", token: signed + b64([]byte{0x30, 6, 2, 1, 0, 2, 1, 0})},
	}
}

func algNotTheKeys(k *kit) []shot {
	var all []shot
	for _, one := range []struct {
		alg  string
		hash crypto.Hash
		sign func(string, *rsa.PrivateKey, crypto.Hash) []byte
	}{
		{"RS384", crypto.SHA384, pkcs1}, {"RS512", crypto.SHA512, pkcs1}, {"PS256", crypto.SHA256, pss}, {"PS512", crypto.SHA512, pss},
	} {
		signed := b64(k.head(set{"alg": one.alg})) + "." + b64(k.body(nil))
		all = append(all, shot{sent: one.alg, token: signed + "." + b64(one.sign(signed, k.key, one.hash))})
	}
	return all
}

func algMislabelled(k *kit) []shot {
	signed := b64(k.head(nil)) + "." + b64(k.body(nil))
	return []shot{
		{sent: "RS512 called RS256", token: signed + "." + b64(pkcs1(signed, k.key, crypto.SHA512))},
		{sent: "PS256 called RS256", token: signed + "." + b64(pss(signed, k.key, crypto.SHA256))},
	}
}
