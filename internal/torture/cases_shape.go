package torture

import (
	"crypto/rand"
	"fmt"
	"strings"
)

func shapeCases() []Case {
	return []Case{
		{ID: "json-serialization", Name: "a JWS in JSON", Source: "RFC 7519 §3, CVE-2024-21664", shots: jsonSerialization},
		{ID: "jwe", Name: "an encrypted token that anybody can make", Source: "RFC 8725 §3.1, CVE-2023-49290", shots: jwe},
		{ID: "parts", Name: "too few or too many parts", Source: "RFC 7515 §7.1", shots: wrongParts},
		{ID: "dots", Name: "dots and nothing else", Source: "CVE-2025-30204, CVE-2025-27144", shots: func(*kit) []shot {
			return []shot{
				{sent: "two", token: ".."},
				{sent: "four", token: "...."},
				{sent: "5,000", token: strings.Repeat(".", 5_000)},
				{sent: "100,000", token: strings.Repeat(".", 100_000)},
			}
		}},
		{ID: "garbage", Name: "text that is no token", Source: "RFC 6750 §3.1", shots: func(*kit) []shot {
			var all []shot
			for _, text := range []string{"garbage", "null", "undefined", "{}", `""`, "%00", "*"} {
				all = append(all, shot{sent: text, token: text})
			}
			return append(all, shot{sent: "bytes that are no UTF-8", token: "\xff\xfe.\xff.\xff"})
		}},
		{ID: "refresh-token", Name: "a refresh token", Source: "RFC 6749 §1.5, RFC 8725 §3.12", shots: refreshToken},
		{ID: "nested-jwt", Name: "a good token inside an unsigned one", Source: "RFC 7519 §5.2", shots: func(k *kit) []shot {
			return []shot{{sent: `cty "JWT", alg "none"`, token: b64(k.head(set{"alg": "none", "cty": "JWT"})) + "." + b64(k.good()) + "."}}
		}},
		{ID: "huge", Name: "a forged token of great size", Source: "CVE-2025-61920", shots: func(k *kit) []shot {
			header, payload, _ := parts(k.forge(nil, nil))
			return []shot{
				{sent: "a header of 24 KiB", token: k.forge(set{"x": strings.Repeat("a", 24<<10)}, nil)},
				{sent: "a payload of 24 KiB", token: k.forge(nil, set{"x": strings.Repeat("a", 24<<10)})},
				{sent: "a payload of 300 KiB", token: k.forge(nil, set{"x": strings.Repeat("a", 300<<10)})},
				{sent: "a signature of 64 KiB", token: header + "." + payload + "." + strings.Repeat("A", 64<<10)},
			}
		}},
		{ID: "nested-json", Name: "a forged token of deeply nested JSON", Source: "CVE-2025-53864, CVE-2025-59043", shots: func(k *kit) []shot {
			return []shot{
				{sent: "a header 2,500 deep", token: k.forge(set{"x": nested(2_500)}, nil)},
				{sent: "a payload 2,500 deep", token: k.forge(nil, set{"x": nested(2_500)})},
				{sent: "a payload that never ends", token: k.forged(k.head(nil), strings.Repeat("[", 5_000))},
			}
		}},
		{ID: "large-claims", Name: "a good token with large claims", Source: "CVE-2025-53864, CVE-2025-61920", Must: Either, Needs: NeedKey, shots: func(k *kit) []shot {
			return []shot{
				{sent: "nested 1,000 deep", token: k.mint(nil, set{"x": nested(1_000)})},
				{sent: "2,000 members", token: k.mint(nil, manyMembers(2_000))},
				{sent: "a text of 24 KiB", token: k.mint(nil, set{"x": strings.Repeat("a", 24<<10)})},
			}
		}},
	}
}

func jsonSerialization(k *kit) []shot {
	header, payload, signature := parts(k.good())
	_, _, forged := parts(k.forge(nil, nil))
	return []shot{
		{sent: "general", token: fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, payload, header, signature)},
		{sent: "general, a forged signature first", token: fmt.Sprintf(
			`{"payload":%q,"signatures":[{"protected":%q,"signature":%q},{"protected":%[2]q,"signature":%[4]q}]}`, payload, header, forged, signature)},
		{sent: "flattened", token: fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, payload, header, signature)},
		{sent: "flattened, alg unprotected", token: fmt.Sprintf(`{"payload":%q,"header":{"alg":"none"},"signature":""}`, payload)},
	}
}

func jwe(*kit) []shot {
	return []shot{
		{sent: "alg dir", token: b64(`{"alg":"dir","enc":"A128GCM"}`) + ".." + b64("000000000000") + ".AAAA." + b64("0000000000000000")},
		{sent: "PBES2 that asks for 2^31 rounds", token: b64(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAAAAAAAAA"}`) +
			"." + b64("000000000000000000000000") + "." + b64("000000000000") + ".AAAA." + b64("0000000000000000")},
	}
}

func wrongParts(k *kit) []shot {
	good := k.good()
	header, payload, _ := parts(good)
	return []shot{
		{sent: "the header", token: header},
		{sent: "the payload", token: payload},
		{sent: "a good token and a part more", token: good + ".AAAA"},
		{sent: "a good token and an empty part", token: good + "."},
		{sent: "an empty part and a good token", token: "." + good},
		{sent: "no header", token: "." + payload + "." + b64("x")},
		{sent: "no payload", token: header + ".." + b64("x")},
		{sent: "a good token in quotes", token: `"` + good + `"`},
		{sent: "a good token twice", token: good + "," + good},
	}
}

func refreshToken(k *kit) []shot {
	all := []shot{
		{sent: "opaque", token: "mrt_" + b64(rand.Text()+rand.Text())},
		{sent: "opaque, of another make", token: rand.Text() + rand.Text()},
	}
	if k.key != nil {
		all = append(all, shot{sent: "a JWT for the issuer itself", token: k.mint(set{"typ": "JWT"}, set{"aud": k.issuer, "typ": "Refresh", "scope": "offline_access"})})
	}
	return all
}

// nested is JSON of that depth.
type nested int

func (n nested) MarshalJSON() ([]byte, error) {
	return []byte(strings.Repeat("[", int(n)) + strings.Repeat("]", int(n))), nil
}

func manyMembers(n int) set {
	all := set{}
	for i := range n {
		all[fmt.Sprintf("m%d", i)] = i
	}
	return all
}
