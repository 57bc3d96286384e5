package torture

import "strings"

func headerCases() []Case {
	return []Case{
		{ID: "header-not-json", Name: "a header that is no JSON object", Source: "RFC 7515 §4", shots: func(k *kit) []shot {
			var all []shot
			for _, one := range []struct{ sent, header string }{
				{"null", "null"}, {"a list", "[]"}, {"a text", `"RS256"`}, {"a number", "0"}, {"cut off", `{"alg":"none"`},
				{"text behind it", `{"alg":"none"}x`}, {"a NUL behind it", "{\"alg\":\"none\"}\x00"}, {"a trailing comma", `{"alg":"none",}`},
				{"not UTF-8", "{\"alg\":\"none\",\"x\":\"\xff\"}"},
			} {
				all = append(all, shot{sent: one.sent, token: b64(one.header) + "." + b64(k.body(nil)) + "."})
			}
			if k.key == nil {
				return all
			}
			good := k.head(nil)
			for _, one := range []struct{ sent, header string }{
				{"text behind it, signed", good + "x"}, {"twice, signed", good + good}, {"a list, signed", "[" + good + "]"},
			} {
				all = append(all, shot{sent: one.sent, token: k.signed(one.header, k.body(nil))})
			}
			return all
		}},
		{ID: "header-duplicates", Name: "a header that names alg twice", Source: "RFC 7515 §4", shots: func(k *kit) []shot {
			header := strings.TrimPrefix(k.head(set{"alg": nil}), "{")
			all := []shot{
				{sent: "none first, unsigned", token: b64(`{"alg":"none","alg":"RS256",`+header) + "." + b64(k.body(nil)) + "."},
				{sent: "none last, unsigned", token: b64(`{"alg":"RS256","alg":"none",`+header) + "." + b64(k.body(nil)) + "."},
			}
			if k.key != nil {
				all = append(all, shot{sent: "none last, signed", token: k.signed(`{"alg":"RS256","alg":"none",`+header, k.body(nil))})
			}
			return all
		}},
		{ID: "crit", Name: "an extension that must be understood and can't be (crit)", Source: "RFC 7515 §4.1.11, CVE-2025-59420",
			Needs: NeedKey, shots: func(k *kit) []shot {
				return critical(k, []string{"bork"}, []string{"exp"}, []string{"absent"}, []string{"bork", "bork"})
			}},
		{ID: "crit-malformed", Name: "a crit that no issuer may write, and that names no extension", Source: "RFC 7515 §4.1.11", Must: Either, Needs: NeedKey,
			Remark: "it lets a malformed crit pass", shots: func(k *kit) []shot {
				return critical(k, []string{"alg"}, []string{}, "bork", null)
			}},
		{ID: "b64", Name: "a payload that says it is not encoded (b64)", Source: "RFC 7797 §7", Needs: NeedKey, shots: func(k *kit) []shot {
			return []shot{{sent: "b64 false, critical", token: k.mint(set{"b64": false, "crit": []string{"b64"}}, nil)}}
		}},
		{ID: "b64-uncritical", Name: "the same, not marked critical", Source: "RFC 7797 §6", Must: Either, Needs: NeedKey,
			Remark: "it ignores b64, as it may where it knows nothing of it", shots: func(k *kit) []shot {
				return []shot{{sent: "b64 false", token: k.mint(set{"b64": false}, nil)}}
			}},
	}
}

// critical signs a token for each value of crit.
func critical(k *kit, all ...any) []shot {
	var shots []shot
	for _, one := range all {
		shots = append(shots, shot{sent: "crit " + encode(one), token: k.mint(set{"crit": one, "bork": 1, "exp": 1}, nil)})
	}
	return shots
}
