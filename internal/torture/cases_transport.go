package torture

import (
	"io"
	"net/http"
	"net/url"
	"strings"
)

func transportCases() []Case {
	return []Case{
		{ID: "scheme-case", Name: "the scheme in another case", Source: "RFC 9110 §11.1", Must: Accept, Needs: NeedBearer, shots: func(k *kit) []shot {
			return []shot{
				{sent: "bearer", token: k.good(), place: after("bearer ")},
				{sent: "BEARER", token: k.good(), place: after("BEARER ")},
			}
		}},
		{ID: "scheme-other", Name: "a good token under another scheme", Source: "RFC 6750 §2.1", Needs: NeedBearer, shots: func(k *kit) []shot {
			var all []shot
			for _, one := range []struct{ sent, before string }{
				{"Basic", "Basic "}, {"Token", "Token "}, {"none", ""}, {"no space behind it", "Bearer"}, {"a colon behind it", "Bearer:"},
			} {
				all = append(all, shot{sent: one.sent, token: k.good(), place: after(one.before)})
			}
			return all
		}},
		{ID: "empty-bearer", Name: "an empty token", Source: "RFC 6750 §2.1", Needs: NeedBearer, shots: func(*kit) []shot {
			return []shot{
				{sent: "the scheme alone", place: after("Bearer")},
				{sent: "the scheme and a space", place: after("Bearer ")},
				{sent: "an empty header", place: after("")},
			}
		}},
		{ID: "two-headers", Name: "two Authorization headers", Source: "RFC 9110 §5.3", Must: Either, Needs: NeedBearer,
			Remark: "a proxy in front may look at the other one", shots: func(k *kit) []shot {
				forged, good := k.forge(nil, nil), k.good()
				both := func(first, second string) func(*http.Request, string) {
					return func(r *http.Request, _ string) {
						r.Header["Authorization"] = []string{"Bearer " + first, "Bearer " + second}
					}
				}
				return []shot{
					{sent: "a forged and a good token", place: both(forged, good)},
					{sent: "a good and a forged token", place: both(good, forged)},
				}
			}},
		{ID: "two-headers-forged", Name: "two Authorization headers, both forged", Source: "RFC 9110 §5.3", Needs: NeedBearer, shots: func(k *kit) []shot {
			forged := k.forge(nil, nil)
			return []shot{{sent: "the same twice", place: func(r *http.Request, _ string) {
				r.Header["Authorization"] = []string{"Bearer " + forged, "Bearer " + forged}
			}}}
		}},
		{ID: "token-in-query", Name: "a good token in the query alone", Source: "RFC 9700 §4.3.2, RFC 6750 §5.3", Needs: NeedBearer, shots: func(k *kit) []shot {
			return []shot{{sent: "access_token", token: k.good(), place: func(r *http.Request, token string) {
				query := r.URL.Query()
				query.Set("access_token", token)
				r.URL.RawQuery = query.Encode()
			}}}
		}},
		{ID: "token-in-form", Name: "a good token in a form alone", Source: "RFC 6750 §2.2", Must: Either, Needs: NeedBearer,
			Remark: "it takes a token from a form, as it may; whoever logs forms has tokens", shots: func(k *kit) []shot {
				return []shot{{sent: "access_token", token: k.good(), place: inForm, moot: true}}
			}},
	}
}

// after sends the token in Authorization behind some text.
func after(text string) func(*http.Request, string) {
	return func(r *http.Request, token string) { r.Header["Authorization"] = []string{text + token} }
}

// inForm sends the token as a form, by POST where the user's method has no body.
func inForm(r *http.Request, token string) {
	form := url.Values{"access_token": {token}}.Encode()
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		r.Method = http.MethodPost
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Body = io.NopCloser(strings.NewReader(form))
	r.ContentLength = int64(len(form))
	r.GetBody = nil
}
