package verifier_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// enforce asks a resource that enforces p, with raw.
func enforce(v *verifier.Verifier, p verifier.Policy, raw string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	w := httptest.NewRecorder()
	v.Enforce(p)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
	return w
}

// TestAnotherAuthenticationIsAskedForByRFC9470 has the user authenticated an hour ago.
func TestAnotherAuthenticationIsAskedForByRFC9470(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch())
	plain := good(firstKey(), "first", epoch)
	mfa := sign(firstKey(), goodHeader, claims(epoch, set{"acr": "urn:example:mfa"}))
	undated := sign(firstKey(), goodHeader, claims(epoch, set{"auth_time": nil, "acr": "urn:example:mfa"}))
	ways := []string{"urn:example:hardware", "urn:example:mfa"}
	for name, c := range map[string]struct {
		policy verifier.Policy
		raw    string
		status int
		end    string // of the challenge
	}{
		"nothing asked":      {verifier.Policy{}, plain, 200, ""},
		"right way":          {verifier.Policy{ACR: ways}, mfa, 200, ""},
		"other way":          {verifier.Policy{ACR: ways[:1]}, mfa, 401, `, acr_values="urn:example:hardware"`},
		"no acr":             {verifier.Policy{ACR: ways}, plain, 401, `, acr_values="urn:example:hardware urn:example:mfa"`},
		"recent enough":      {verifier.Policy{MaxAge: time.Hour}, plain, 200, ""},
		"too long ago":       {verifier.Policy{MaxAge: time.Hour - time.Second}, plain, 401, `, max_age="3599"`},
		"no auth_time":       {verifier.Policy{MaxAge: time.Hour}, undated, 401, `, max_age="3600"`},
		"both":               {verifier.Policy{ACR: ways, MaxAge: time.Minute}, mfa, 401, `, acr_values="urn:example:hardware urn:example:mfa", max_age="60"`},
		"scope comes before": {verifier.Policy{Scopes: []string{"admin"}, MaxAge: time.Minute}, plain, 403, `, scope="admin"`},
		"with a scope":       {verifier.Policy{Scopes: []string{"orders:read"}, ACR: ways}, mfa, 200, ""},
	} {
		w := enforce(v, c.policy, c.raw)
		challenge := w.Header().Get("WWW-Authenticate")
		if w.Code != c.status || !strings.HasSuffix(challenge, c.end) {
			t.Errorf("%s: %d %s", name, w.Code, challenge)
		}
		if c.status == 401 && !strings.Contains(challenge, `error="insufficient_user_authentication", error_description="`) {
			t.Errorf("%s: challenge %s", name, challenge)
		}
	}
}

func TestEnforceRefusesWhatNoChallengeCanAskFor(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).verifier(t)
	for _, p := range []verifier.Policy{
		{ACR: []string{""}}, {ACR: []string{"a b"}}, {ACR: []string{`a"`}}, {MaxAge: -time.Second}, {MaxAge: time.Millisecond}, {Scopes: []string{"a b"}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Enforce(%+v) did not panic", p)
				}
			}()
			v.Enforce(p)
		}()
	}
}

func TestAPolicyIsFixedWhenItIsEnforced(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch())
	scopes := []string{"admin"}
	handler := v.Enforce(verifier.Policy{Scopes: scopes})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	scopes[0] = "orders:read"
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+good(firstKey(), "first", epoch))
	w := httptest.NewRecorder()
	if handler.ServeHTTP(w, r); w.Code != 403 {
		t.Errorf("got %d", w.Code)
	}
}
