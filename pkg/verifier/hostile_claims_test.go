package verifier_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"
)

func newInt(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

func wrongClaims() []hostile {
	var all []hostile
	add := func(name string, change set) {
		all = append(all, hostile{name, sign(firstKey(), goodHeader, claims(epoch, change))})
	}
	null := json.RawMessage("null")
	for _, claim := range []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id"} {
		add("CLM-01/12 without "+claim, set{claim: nil})
		for _, value := range []any{null, "", false, []int{}, set{}, []any{""}, []any{1}} {
			add(fmt.Sprintf("CLM-01/12 %s %v", claim, value), set{claim: value})
		}
	}
	for _, iss := range []any{
		issuerURL + "/", "HTTPS://auth.example.com", "http://auth.example.com", "https://Auth.example.com", []string{issuerURL},
		issuerURL[:len(issuerURL)-1], issuerURL + ".evil.example", issuerURL + "\x00", "https://other.example.com", 1, " " + issuerURL,
	} {
		add(fmt.Sprintf("CLM-06 iss %q", fmt.Sprint(iss)), set{"iss": iss})
	}
	for _, aud := range []any{
		"https://other.example.com", []string{}, []string{"https://other.example.com"}, set{"aud": audience}, set{audience: 1},
		audience[:len(audience)-1], audience + "/", strings.ToUpper(audience), [][]string{{audience}}, []any{audience, 1},
		[]any{audience, nil}, []any{1, audience}, audience + " https://other.example.com", 1, true,
	} {
		add(fmt.Sprintf("CLM-07 aud %v", aud), set{"aud": aud})
	}
	for _, scope := range []any{
		[]string{"orders:read"}, "a\tb", "a\nb", `a"b`, `a\b`, "a\x00", "é", 1, set{}, null, true,
	} {
		add(fmt.Sprintf("CLM-13 scope %q", fmt.Sprint(scope)), set{"scope": scope})
	}
	add("sid is a number", set{"sid": 1})
	add("auth_time is a string", set{"auth_time": "1800000000"})
	add("bound to a key", set{"cnf": set{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})
	return all
}

func wrongTimes() []hostile {
	var all []hostile
	for _, claim := range []string{"exp", "iat", "nbf", "auth_time"} {
		for _, text := range []string{
			`"1900000000"`, `""`, `null`, `false`, `{}`, `[1900000000]`, `-1`, `-0`, `-1.5`, `1e400`, `1e300`, `9007199254740993`,
			`9007199254740993.0`, `9223372036854775807`, `9223372036854775808`, `18446744073709551616`, `99999999999999999999`,
			`1` + strings.Repeat("0", 4000), `1900000000.` + strings.Repeat("0", 40), `1.9e9.0`, `0x7fffffff`, `+1900000000`, `01900000000`,
			`1900000000.`, `.5`, `NaN`, `Infinity`, `1_900_000_000`, `1900000000n`, `١٩٠٠٠٠٠٠٠٠`,
		} {
			all = append(all, hostile{fmt.Sprintf("CLM-02/04 %s %.30s", claim, text), sign(firstKey(), goodHeader, withNumber(claim, text))})
		}
	}
	for name, text := range map[string]string{"0": "0", "1e-400": "1e-400", "now": fmt.Sprint(epoch.Unix()), "just past": fmt.Sprintf("%d.9", epoch.Unix()-1)} {
		all = append(all, hostile{"CLM-02/03 exp " + name, sign(firstKey(), goodHeader, withNumber("exp", text))})
	}
	expired := epoch.Add(-time.Hour)
	return append(all, hostile{"CLM-03 expired", good(firstKey(), "first", expired)})
}

func wrongJSON() []hostile {
	good := claims(epoch, nil)
	add := func(member string) string { return good[:len(good)-1] + "," + member + "}" }
	payloads := map[string]string{
		"JSN-01 sub twice": add(`"sub":"admin"`), "JSN-01 aud twice": add(`"aud":"` + audience + `"`),
		"JSN-01 exp twice": add(`"exp":9007199254740991`), "JSN-01 unknown twice": add(`"x":1,"x":1`),
		"JSN-01 escaped": add(`"s\u0075b":"admin"`), "JSN-01 both escaped": add(`"\u0078":1,"\u0078":2`),
		"JSN-01 nested": add(`"x":{"y":1,"y":2}`), "JSN-01 in array": add(`"x":[{"y":1,"y":2}]`),
		"JSN-01 empty names":  add(`"":1,"":2`),
		"JSN-01 among many":   add(manyMembers(200) + `,"m7":1`),
		"JSN-01 last of many": add(manyMembers(200) + `,"m199":1`),
		"JSN-04 depth 33":     add(`"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32)),
		"JSN-04 objects":      add(`"x":` + strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)),
		"JSN-04 unclosed":     strings.Repeat("[", 10_000), "JSN-04 unclosed objects": strings.Repeat(`{"a":`, 2_000),
		"JSN-06 trailing": good + "x", "JSN-06 two documents": good + good, "JSN-06 trailing NUL": good + "\x00", "JSN-06 BOM": "\ufeff" + good,
		"JSN-06 comment": good + "//", "trailing comma": good[:len(good)-1] + ",}", "single quotes": strings.ReplaceAll(good, `"`, `'`),
		"no object": `[` + good + `]`, "string": `"x"`, "null": "null", "empty": "{}", "space": " ", "unclosed": good[:len(good)-1],
		"not UTF-8": add("\"x\":\"\xff\""), "overlong": add("\"x\":\"\xc0\xaf\""), "surrogate in UTF-8": add("\"x\":\"\xed\xa0\x80\""),
		"name not UTF-8": add("\"\xff\":1"), "lone surrogate": add(`"x":"\ud800"`), "lone low surrogate": add(`"x":"\udc00"`), "low first": add(`"x":"\udc00\ud800"`),
		"surrogate, letter": add(`"x":"\ud800\u0041"`), "half an escape": add(`"x":"\u00"`), "unknown escape": add(`"x":"\x41"`), "octal": add(`"x":"\101"`),
		"control character": add("\"x\":\"\n\""), "raw NUL": add("\"x\":\"\x00\""), "tru": add(`"x":tru`), "True": add(`"x":True`),
		"no value": add(`"x":`), "no colon": add(`"x"1`), "no comma": add(`"x":1 "y":2`), "no name": add(`:1`), "number name": add(`1:1`),
		"minus": add(`"x":-`), "two dots": add(`"x":1..2`), "e": add(`"x":1e`), "leading zero": add(`"x":00`), "undefined": add(`"x":undefined`),
		"array comma": add(`"x":[1,]`), "array without comma": add(`"x":[1 2]`), "form feed": "\f" + good, "no-break space": "\u00a0" + good,
	}
	var all []hostile
	for name, payload := range payloads {
		all = append(all, hostile{name, sign(firstKey(), goodHeader, payload)})
	}
	for name, h := range map[string]string{
		"alg twice": `{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"first"}`, "kid twice": `{"alg":"RS256","typ":"at+jwt","kid":"first","kid":"first"}`,
		"escaped": `{"alg":"RS256","typ":"at+jwt","kid":"second","\u006bid":"first"}`, "not UTF-8": "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"first\",\"x\":\"\xff\"}",
		"trailing": goodHeader + "{}", "array": "[" + goodHeader + "]", "Alg": `{"Alg":"RS256","typ":"at+jwt","kid":"first"}`, "null": "null",
	} {
		all = append(all, hostile{"JSN-01 header " + name, sign(firstKey(), h, good)})
	}
	return all
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"m%d":%d`, i, i)
	}
	return b.String()
}
