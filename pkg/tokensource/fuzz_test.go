package tokensource

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// FuzzAnswers: whatever the token endpoint says, a pair is whole, only a plain refusal ends a session, and nobody makes
// us wait forever.
func FuzzAnswers(f *testing.F) {
	f.Add(200, `{"access_token":"a","token_type":"Bearer","expires_in":300,"refresh_token":"r"}`, "")
	f.Add(200, `{"access_token":"a","token_type":"Bearer","expires_in":1e400}`, "")
	f.Add(400, `{"error":"invalid_grant"}`, "")
	f.Add(401, `{"error":"invalid_client"}`, "")
	f.Add(429, ``, "Thu, 26 Nov 2099 00:00:00 GMT")
	f.Add(503, `{"error":"invalid_grant"}`, "99999999999")
	f.Add(302, `[]`, "-1")
	f.Fuzz(func(t *testing.T, status int, body, wait string) {
		response := &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {wait}}}
		started := time.Now()
		a := read(response, []byte(body), oauth2.Token{RefreshToken: "before"}, started)
		switch {
		case a.retryAfter < 0 || a.retryAfter > maxRetryAfter:
			t.Errorf("wait %v", a.retryAfter)
		case (a.kind == granted) != (a.token != nil) || (a.kind == granted) == (a.err != nil):
			t.Errorf("got %+v", a)
		case a.kind == ended && (status < 400 || status > 499):
			t.Errorf("%d ended the session", status)
		case a.kind == granted && (status != 200 || a.token.AccessToken == "" || a.token.RefreshToken == "" ||
			a.token.Expiry.After(started.Add(maxLife*time.Second))):
			t.Errorf("%d granted %+v", status, a.token)
		}
	})
}
