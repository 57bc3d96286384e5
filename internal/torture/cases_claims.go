package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// change is one claim, or more, that a token says otherwise than a good one.
type change struct {
	sent   string
	claims set
}

// minted signs a token for each change.
func minted(k *kit, changes ...change) []shot {
	var all []shot
	for _, c := range changes {
		all = append(all, shot{sent: c.sent, token: k.mint(nil, c.claims)})
	}
	return all
}

func partyCases() []Case {
	return []Case{
		{ID: "iss-other", Name: "another issuer", Source: "RFC 9068 §4, CVE-2024-53861, CVE-2025-30144", Needs: NeedKey, shots: func(k *kit) []shot {
			return minted(k,
				change{"another", set{"iss": "https://issuer.example"}},
				change{"none", set{"iss": nil}},
				change{"an empty text", set{"iss": ""}},
				change{"a slash behind it", set{"iss": k.issuer + "/"}},
				change{"a name that begins with it", set{"iss": k.issuer + ".evil.example"}},
				change{"the beginning of it", set{"iss": k.issuer[:len(k.issuer)-1]}},
				change{"upper case", set{"iss": strings.ToUpper(k.issuer)}},
				change{"a NUL behind it", set{"iss": k.issuer + "\x00"}},
				change{"a list with it", set{"iss": []string{"https://issuer.example", k.issuer}}},
				change{"a list of it alone", set{"iss": []string{k.issuer}}},
			)
		}},
		{ID: "aud-other", Name: "another audience: the token of another service", Source: "RFC 9068 §4, CVE-2020-26160, CVE-2026-55669", Needs: NeedKey,
			shots: func(k *kit) []shot {
				return minted(k,
					change{"another", set{"aud": "https://other.example"}},
					change{"a list of others", set{"aud": []string{"https://other.example", "https://third.example"}}},
					change{"none", set{"aud": nil}},
					change{"null", set{"aud": null}},
					change{"an empty text", set{"aud": ""}},
					change{"an empty list", set{"aud": []string{}}},
					change{"the beginning of it", set{"aud": k.audience[:len(k.audience)-1]}},
					change{"a name that begins with it", set{"aud": k.audience + ".evil.example"}},
					change{"two names in one text", set{"aud": "https://other.example " + k.audience}},
					change{"an object with its name", set{"aud": set{k.audience: true}}},
					change{"a list in a list", set{"aud": [][]string{{k.audience}}}},
					change{"the other case", set{"aud": swapCase(k.audience)}},
				)
			}},
		{ID: "aud-list", Name: "a list of audiences with the right one", Source: "RFC 7519 §4.1.3", Must: Accept, Needs: NeedKey, shots: func(k *kit) []shot {
			return minted(k, change{"the second of two", set{"aud": []string{"https://other.example", k.audience}}})
		}},
	}
}

func kindCases() []Case {
	return []Case{
		{ID: "id-token", Name: "an ID token", Source: "RFC 9068 §5, RFC 8725 §3.11", Needs: NeedKey, shots: func(k *kit) []shot {
			return []shot{{sent: "for the client", token: k.mint(set{"typ": "JWT"}, set{
				"aud": k.claims["client_id"], "azp": k.claims["client_id"], "client_id": nil, "scope": nil, "nonce": "n", "at_hash": b64("0000000000000000"),
			})}}
		}},
		{ID: "typ-other", Name: "a token of another kind for the same audience (typ)", Source: "RFC 9068 §4, RFC 8725 §3.11", Needs: NeedKey | NeedType,
			shots: func(k *kit) []shot {
				var all []shot
				for _, typ := range []string{"JWT", "logout+jwt", "dpop+jwt", "secevent+jwt", "statuslist+jwt", "at+jwt2"} {
					all = append(all, shot{sent: "typ " + typ, token: k.mint(set{"typ": typ}, nil)})
				}
				return append(all, shot{sent: "no typ", token: k.mint(set{"typ": nil}, nil)})
			}},
		{ID: "typ-long", Name: "the long spelling of the right typ", Source: "RFC 7515 §4.1.9, RFC 9068 §4", Must: Accept, Needs: NeedKey | NeedType,
			shots: func(k *kit) []shot {
				return []shot{{sent: "application/at+jwt", token: k.mint(set{"typ": "application/at+jwt"}, nil)}}
			}},
	}
}

func timeCases() []Case {
	return []Case{
		{ID: "exp-past", Name: "an expired token", Source: "RFC 7519 §4.1.4, RFC 9068 §4", Needs: NeedKey, shots: func(k *kit) []shot {
			return minted(k,
				change{"since the leeway and a second", k.expired(k.leeway + time.Second)},
				change{"since a day", k.expired(24 * time.Hour)},
				change{"since 1970", set{"exp": 0}},
				change{"since before 1970", set{"exp": -1}},
			)
		}},
		{ID: "exp-cached", Name: "a token that was accepted, when it has expired", Source: "RFC 7519 §4.1.4", Needs: NeedKey, play: expCached},
		{ID: "exp-absent", Name: "a token that never expires", Source: "RFC 9068 §2.2", Needs: NeedKey, shots: func(k *kit) []shot {
			return minted(k, change{"no exp", set{"exp": nil}}, change{"null", set{"exp": null}}, change{"an empty text", set{"exp": ""}},
				change{"false", set{"exp": false}}, change{"an object", set{"exp": set{}}})
		}},
		{ID: "exp-text", Name: "an exp that is no number", Source: "RFC 7519 §2", Needs: NeedKey, shots: func(k *kit) []shot {
			return minted(k, change{"digits in quotes", set{"exp": "9999999999"}}, change{"a list", set{"exp": []int{9999999999}}}, change{"true", set{"exp": true}})
		}},
		{ID: "exp-fraction", Name: "an exp with a fraction", Source: "RFC 7519 §2", Must: Accept, Needs: NeedKey, shots: func(k *kit) []shot {
			return minted(k, change{"half a second more", set{"exp": json.RawMessage(fmt.Sprintf("%d.5", k.now().Add(lifetime).Unix()))}})
		}},
		{ID: "exp-huge", Name: "an exp beyond all machines", Source: "RFC 7519 §2", Must: Either, Needs: NeedKey,
			Remark: "it takes a lifetime without end; that is the issuer's business", shots: func(k *kit) []shot {
				return minted(k, change{"2^63", set{"exp": json.RawMessage("9223372036854775808")}}, change{"10^20", set{"exp": json.RawMessage("1e20")}},
					change{"10^400", set{"exp": json.RawMessage("1e400")}})
			}},
		{ID: "nbf-future", Name: "a token that is not valid yet", Source: "RFC 7519 §4.1.5", Needs: NeedKey, shots: func(k *kit) []shot {
			return minted(k, change{"for the leeway and a minute", set{"nbf": k.now().Add(k.leeway + time.Minute).Unix()}},
				change{"for a day", set{"nbf": k.now().Add(24 * time.Hour).Unix(), "exp": k.now().Add(48 * time.Hour).Unix()}})
		}},
		{ID: "nbf-text", Name: "an nbf that is no number", Source: "RFC 7519 §2", Needs: NeedKey, shots: func(k *kit) []shot {
			return minted(k, change{"digits in quotes", set{"nbf": "9999999999"}})
		}},
		{ID: "iat-future", Name: "a token issued in the future", Source: "RFC 7519 §4.1.6", Must: Either, Needs: NeedKey,
			Remark: "no rule forbids it, but the clocks differ or the token is made up", shots: func(k *kit) []shot {
				at := k.now().Add(24 * time.Hour)
				return minted(k, change{"in a day", set{"iat": at.Unix(), "exp": at.Add(lifetime).Unix()}})
			}},
	}
}

// expCached is for services that remember tokens longer than these live.
func expCached(ctx context.Context, r *round) []*Outcome {
	const brief = 2 * time.Second
	var token string
	var end time.Time
	before := &Outcome{}
	for life := brief; life <= 16*brief; life *= 2 { // on its way to a slow service it may expire
		end = r.cfg.Now().Add(life).Truncate(time.Second)
		token = r.kit.mint(nil, set{"exp": end.Unix()})
		before = r.fire(ctx, Accept, shot{sent: "before", token: token})
		if before.Verdict == Passed || before.Verdict != WronglyRefused || r.cfg.Now().Before(end) {
			break
		}
	}
	if before.Verdict != Passed {
		return []*Outcome{before}
	}
	for end = end.Add(r.kit.leeway + time.Second); ; {
		late := !r.cfg.Now().Before(end)
		after := r.fire(ctx, Refuse, shot{sent: "after it, and the leeway", token: token})
		if !after.Verdict.Failed() || late {
			return []*Outcome{before, after}
		}
		if err := sleep(ctx, time.Second/4); err != nil {
			return []*Outcome{before, after}
		}
	}
}

// expired sets the times of a token that expired the given time ago.
func (k *kit) expired(ago time.Duration) set {
	end := k.now().Add(-ago)
	return set{"exp": end.Unix(), "iat": end.Add(-lifetime).Unix()}
}

func claimCases() []Case {
	return []Case{
		{ID: "payload-not-json", Name: "a signed payload that is no JSON object", Source: "RFC 7519 §7.2", Needs: NeedKey, shots: func(k *kit) []shot {
			good := k.body(nil)
			var all []shot
			for _, one := range []struct{ sent, payload string }{
				{"null", "null"}, {"a list", "[" + good + "]"}, {"a text", encode(good)}, {"a number", "0"}, {"cut off", good[:len(good)-1]},
				{"text behind it", good + "x"}, {"twice", good + good},
			} {
				all = append(all, shot{sent: one.sent, token: k.signed(k.head(nil), one.payload)})
			}
			return all
		}},
		{ID: "claims-duplicate", Name: "a claim twice, wrong the last time", Source: "RFC 7519 §4, RFC 8725 §2.6", Needs: NeedKey, shots: func(k *kit) []shot {
			open := strings.TrimSuffix(k.body(nil), "}")
			var all []shot
			for _, one := range []struct{ sent, last string }{
				{"aud", `"aud":"https://other.example"`}, {"iss", `"iss":"https://issuer.example"`}, {"exp", `"exp":1`},
			} {
				all = append(all, shot{sent: one.sent, token: k.signed(k.head(nil), open+","+one.last+"}")})
			}
			return all
		}},
		{ID: "claims-absent", Name: "a token without a claim that RFC 9068 asks of issuers", Source: "RFC 9068 §2.2", Must: Either, Needs: NeedKey,
			Remark: "no rule asks services to look", shots: func(k *kit) []shot {
				return minted(k, change{"no sub", set{"sub": nil}}, change{"no client_id", set{"client_id": nil}}, change{"no jti", set{"jti": nil}},
					change{"no iat", set{"iat": nil}})
			}},
		{ID: "cnf", Name: "a token bound to a key, without the proof (cnf)", Source: "RFC 9449 §7.2, RFC 7800 §3", Must: Either, Needs: NeedKey | NeedBearer,
			Remark: "a stolen DPoP token works here as a bearer token", shots: func(k *kit) []shot {
				return minted(k, change{"as a bearer token", set{"cnf": set{"jkt": thumbprint(&k.attacker.PublicKey)}}})
			}},
	}
}

func scopeCases() []Case {
	return []Case{
		{ID: "scope-missing", Name: "a good token without the scope that is required", Source: "RFC 6750 §3.1", Needs: NeedKey | NeedScope, shots: func(k *kit) []shot {
			scope := k.scope
			shots := minted(k,
				change{"no scope", set{"scope": nil}},
				change{"an empty text", set{"scope": ""}},
				change{"another", set{"scope": "another-" + scope}},
				change{"one that begins with it", set{"scope": scope + "x"}},
				change{"the beginning of it", set{"scope": scope[:len(scope)-1]}},
			)
			if other := swapCase(scope); other != scope {
				shots = append(shots, minted(k, change{"the other case", set{"scope": other}})...)
			}
			for i := range shots {
				shots[i].want = 403
			}
			return shots
		}},
		{ID: "scope-list", Name: "the scope as a list", Source: "RFC 8693 §4.2", Must: Either, Needs: NeedKey | NeedScope,
			Remark: "the standard knows a text with spaces only", shots: func(k *kit) []shot {
				return minted(k, change{"with the right scope", set{"scope": []string{k.scope}}})
			}},
		{ID: "scope-among", Name: "the scope among others", Source: "RFC 6749 §3.3", Must: Accept, Needs: NeedKey | NeedScope, shots: func(k *kit) []shot {
			return minted(k, change{"between two", set{"scope": "first " + k.scope + " last"}})
		}},
	}
}

// swapCase is the same text in the other case, so that it differs whatever it was.
func swapCase(text string) string {
	if upper := strings.ToUpper(text); upper != text {
		return upper
	}
	return strings.ToLower(text)
}
