package verifier_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// request asks a resource that requires scopes, with these Authorization headers.
func request(t *testing.T, v *verifier.Verifier, scopes []string, authorization ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
	r.Header["Authorization"] = authorization
	w := httptest.NewRecorder()
	v.Require(scopes...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, verifier.FromContext(r.Context()).Subject)
	})).ServeHTTP(w, r)
	return w
}

func TestRequireAnswersByRFC6750(t *testing.T) {
	t.Parallel()
	raw := good(firstKey(), "first", epoch)
	expired := good(firstKey(), "first", epoch.Add(-time.Hour))
	const realm = `Bearer realm="https://orders.example.com"`
	for name, c := range map[string]struct {
		scopes        []string
		authorization []string
		status        int
		challenge     string // a prefix of it; "" for none
		code          string
	}{
		"good":               {nil, []string{"Bearer " + raw}, 200, "", ""},
		"scheme in any case": {nil, []string{"bEARER " + raw}, 200, "", ""},
		"more spaces":        {nil, []string{"Bearer   " + raw}, 200, "", ""},
		"scope granted":      {[]string{"orders:read"}, []string{"Bearer " + raw}, 200, "", ""},
		"both granted":       {[]string{"orders:write", "orders:read"}, []string{"Bearer " + raw}, 200, "", ""},
		"no header":          {nil, nil, 401, realm, "unauthorized"},
		"empty header":       {nil, []string{""}, 401, realm, "unauthorized"},
		"Basic":              {nil, []string{"Basic dTpw"}, 401, realm, "unauthorized"},
		"no scheme":          {nil, []string{raw}, 401, realm, "unauthorized"},
		"scheme glued":       {nil, []string{"Bearer" + raw}, 401, realm, "unauthorized"},
		"tab":                {nil, []string{"Bearer\t" + raw}, 401, realm, "unauthorized"},
		"DPoP":               {nil, []string{"DPoP " + raw}, 401, realm, "unauthorized"},
		"broken":             {nil, []string{"Bearer garbage"}, 401, realm + `, error="invalid_token", error_description="`, "invalid_token"},
		"expired":            {nil, []string{"Bearer " + expired}, 401, realm + `, error="invalid_token", error_description="`, "invalid_token"},
		"expired, no scope":  {[]string{"admin"}, []string{"Bearer " + expired}, 401, realm + `, error="invalid_token"`, "invalid_token"},
		"no token":           {nil, []string{"Bearer"}, 401, realm, "unauthorized"},
		"spaces for token":   {nil, []string{"Bearer   "}, 401, realm, "unauthorized"},
		"two headers":        {nil, []string{"Bearer " + raw, "Bearer " + raw}, 400, realm + `, error="invalid_request"`, "invalid_request"},
		"scope missing":      {[]string{"orders:read", "admin"}, []string{"Bearer " + raw}, 403, realm + `, error="insufficient_scope"`, "insufficient_scope"},
		"prefix of a scope":  {[]string{"orders"}, []string{"Bearer " + raw}, 403, realm + `, error="insufficient_scope"`, "insufficient_scope"},
	} {
		w := request(t, newIssuer(firstKey()).ready(t, atEpoch()), c.scopes, c.authorization...)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d", name, w.Code, c.status)
		}
		if c.status == 200 {
			if w.Body.String() != "0192d3a0-user" {
				t.Errorf("%s: the handler saw %q", name, w.Body)
			}
			continue
		}
		got := w.Header().Get("WWW-Authenticate")
		if !strings.HasPrefix(got, c.challenge) || (c.code == "unauthorized") != (got == realm) {
			t.Errorf("%s: challenge %q, want %q …", name, got, c.challenge)
		}
		var body struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error != c.code || body.Description == "" {
			t.Errorf("%s: body %s, want error %s", name, w.Body, c.code)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers %v", name, w.Header())
		}
	}
}

func TestAMissingScopeIsNamedInTheChallenge(t *testing.T) {
	t.Parallel()
	w := request(t, newIssuer(firstKey()).ready(t, atEpoch()), []string{"orders:read", "admin"}, "Bearer "+good(firstKey(), "first", epoch))
	if got := w.Header().Get("WWW-Authenticate"); !strings.HasSuffix(got, `, scope="orders:read admin"`) {
		t.Errorf("challenge %q", got)
	}
}

func TestUnavailableKeysAre503WithRetryAfter(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	i.fail()
	w := request(t, i.verifier(t, atEpoch()), nil, "Bearer "+good(firstKey(), "first", epoch))
	seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if w.Code != 503 || err != nil || seconds < 1 || seconds > 10 || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	if !strings.Contains(w.Body.String(), `"error":"temporarily_unavailable"`) {
		t.Errorf("body %s", w.Body)
	}
}

func TestNothingOfATokenIsReflected(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey(), secondKey()).ready(t, atEpoch())
	// The characters that RFC 6750 §3 allows in error_description, and no more.
	clean := regexp.MustCompile(`^Bearer realm="[^"\\]*", error="[a-z_]+", error_description="[\x20-\x21\x23-\x5B\x5D-\x7E]+"$`)
	for _, h := range hostileTokens() {
		if strings.Trim(h.raw, " ") == "" {
			continue
		}
		w := request(t, v, nil, "Bearer "+h.raw)
		if got := w.Header().Get("WWW-Authenticate"); !clean.MatchString(got) {
			t.Errorf("%s: challenge %q", h.name, got)
		}
	}
	canary := "CANARYx"
	for name, raw := range map[string]string{
		"text": canary, "header": sign(firstKey(), header(set{canary: canary, "kid": canary, "typ": canary}), claims(epoch, nil)),
		"kid": sign(firstKey(), header(set{"kid": canary}), claims(epoch.Add(-time.Second), nil)), "alg": sign(firstKey(), header(set{"alg": canary}), "{}"),
		"iss": sign(firstKey(), goodHeader, claims(epoch, set{"iss": canary})), "claim": sign(firstKey(), goodHeader, claims(epoch, set{canary: canary, "exp": canary})),
		"duplicate": sign(firstKey(), goodHeader, withNumber(canary, `1,"`+canary+`":2`)), "scope": sign(firstKey(), goodHeader, claims(epoch, set{"scope": canary + "\t"})),
	} {
		w := request(t, v, []string{"orders:read"}, "Bearer "+raw)
		if all := w.Body.String() + w.Header().Get("WWW-Authenticate"); w.Code != 401 || strings.Contains(all, canary) {
			t.Errorf("%s: %d %s", name, w.Code, all)
		}
	}
}

func TestATokenInQueryOrBodyIsNotSeen(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch())
	form := url.Values{"access_token": {good(firstKey(), "first", epoch)}}.Encode()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/?"+form, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	v.Require()(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("got %d, want 401", w.Code)
	}
}

func TestRequireRefusesAScopeThatNoTokenCanHold(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).verifier(t)
	for _, scope := range []string{"", "orders:read orders:write", `a"`, `\`, "é", "a\n"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Require(%q) did not panic", scope)
				}
			}()
			v.Require("orders:read", scope)
		}()
	}
}

func TestTheRealmIsQuoted(t *testing.T) {
	t.Parallel()
	v, err := verifier.New(issuerURL, `a"b\c`)
	if err != nil {
		t.Fatal(err)
	}
	if got := request(t, v, nil).Header().Get("WWW-Authenticate"); got != `Bearer realm="a\"b\\c"` {
		t.Errorf("challenge %s", got)
	}
}
