package httpapi_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

func oauthError(code, description string) string {
	if description == "" {
		return `{"error":"` + code + `"}`
	}
	return `{"error":"` + code + `","error_description":"` + description + `"}`
}

const (
	badClient   = "client authentication failed"
	typeMissing = "the content type must be application/x-www-form-urlencoded"
)

// TestTheClientIsKnownBeforeItsGrantIsLookedAt, in the order in which a request is read.
func TestTheClientIsKnownBeforeItsGrantIsLookedAt(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	mine := s.login(t, "alice")
	unknown := oauthError("invalid_client", badClient)
	basic := http.Header{"Authorization": {"Basic Zmlyc3QtcGFydHk6"}}
	type answer struct {
		name, form string
		header     http.Header
		status     int
		body       string
	}
	both := []answer{
		{"nothing", "", nil, 401, unknown},
		{"no client", "grant_type=x&token=x", nil, 401, unknown},
		{"an unknown client", "client_id=nobody&grant_type=x&token=x", nil, 401, unknown},
		{"a disabled client", "client_id=disabled&grant_type=x&token=x", nil, 401, unknown},
		{"a confidential client without its secret", "client_id=keeps-secrets&grant_type=x&token=x", nil, 401, unknown},
		{"a public client with a secret", "client_id=first-party&client_secret=x&grant_type=x&token=x", nil, 401, unknown},
		{"Basic", "client_id=first-party", basic, 401, unknown},
		{"an empty Authorization", "client_id=first-party", http.Header{"Authorization": {""}}, 401, unknown},
		{"Basic and a secret", "client_id=first-party&client_secret=x", basic, 400,
			oauthError("invalid_request", "two ways of client authentication in one request")},
	}
	token := []answer{
		{"no grant", "client_id=no-grants", nil, 400, oauthError("invalid_request", "grant_type is missing")},
		{"an unknown grant", "client_id=no-grants&grant_type=password", nil, 400,
			oauthError("unsupported_grant_type", "grant_types_supported of the metadata lists what there is")},
		{"a grant the client may not use", "client_id=no-grants&grant_type=refresh_token", nil, 400,
			oauthError("unauthorized_client", "this client may not use this grant")},
		{"no refresh token", "client_id=first-party&grant_type=refresh_token&scope=x", nil, 400, oauthError("invalid_request", "refresh_token is missing")},
		{"a scope", refreshForm(mine.Refresh) + "&scope=x&resource=x", nil, 400, oauthError("invalid_scope", "the scope is wider than what was granted")},
		{"a resource", refreshForm(mine.Refresh) + "&resource=https://x.example", nil, 400,
			oauthError("invalid_target", "the audience of a session is chosen at its beginning")},
		{"an audience", refreshForm(mine.Refresh) + "&audience=x", nil, 400,
			oauthError("invalid_target", "the audience of a session is chosen at its beginning")},
		{"another token", refreshForm("x"), nil, 400,
			oauthError("invalid_grant", "the refresh token is invalid, expired, revoked or was issued to another client")},
	}
	revoke := []answer{
		{"no token", "client_id=first-party&token=", nil, 400, oauthError("invalid_request", "token is missing")},
		{"an access token", "client_id=first-party&token=" + mine.Access, nil, 400,
			oauthError("unsupported_token_type", "revoke the refresh token; its access tokens end with it")},
		{"a token of nobody", "client_id=first-party&token=x", nil, 200, `{}`},
		{"another client's token", "client_id=no-grants&token=" + mine.Refresh, nil, 200, `{}`},
	}
	for path, answers := range map[string][]answer{"/oauth/token": append(token, both...), "/oauth/revoke": append(revoke, both...)} {
		for _, a := range answers {
			got := s.ask(t, asked{method: "POST", path: path, typ: formBody, body: a.form, header: a.header})
			wantAnswer(t, path+", "+a.name, got, a.status, a.body)
			challenge := ""
			if a.status == 401 && a.header != nil { // the scheme that was tried
				challenge = `Basic realm="mintmark", charset="UTF-8"`
			}
			if said := got.Header().Get("WWW-Authenticate"); said != challenge {
				t.Errorf("%s, %s: WWW-Authenticate %q, want %q", path, a.name, said, challenge)
			}
		}
	}
	if got := s.bearer(t, mine.Access); got.Code != http.StatusOK {
		t.Errorf("the session after all that was refused: %d", got.Code)
	}
}

// TestTokensAreAnsweredInBothSpellings and all of the members are there.
func TestTokensAreAnsweredInBothSpellings(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	first := s.login(t, "alice")
	masked := func(body, access, refresh string) string {
		return strings.NewReplacer(access, "A", refresh, "R").Replace(body)
	}
	login := s.post(t, "login", credentials("alice"))
	of := granted(t, login)
	if got, want := masked(login.Body.String(), of.Access, of.Refresh), `{"message":"User logged in successfully.","data":{"accessToken":"A","refreshToken":"R","expiresIn":300},"statusCode":200}`; got != want {
		t.Errorf("login: %s, want %s", got, want)
	}
	pair := s.post(t, "refresh-token", map[string]string{"accessToken": first.Access, "refreshToken": first.Refresh})
	next := granted(t, pair)
	if got, want := masked(pair.Body.String(), next.Access, next.Refresh), `{"message":"Token refreshed successfully.","data":{"accessToken":"A","refreshToken":"R","expiresIn":300},"statusCode":200}`; got != want {
		t.Errorf("refresh: %s, want %s", got, want)
	}
	got := s.grant(t, "/oauth/token", refreshForm(first.Refresh)) // again, within the grace: the same successor
	var fresh struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(got.Body.Bytes(), &fresh); err != nil {
		t.Fatal(err)
	}
	if got, want := masked(got.Body.String(), fresh.Access, next.Refresh), `{"access_token":"A","token_type":"Bearer","expires_in":300,"refresh_token":"R"}`; got != want {
		t.Errorf("token: %s, want %s", got, want)
	}
	if live := s.bearer(t, fresh.Access); live.Code != http.StatusOK {
		t.Errorf("its access token: %d", live.Code)
	}
	if pragma := got.Header().Get("Pragma"); pragma != "no-cache" {
		t.Errorf("token: Pragma %q", pragma)
	}
	wantAnswer(t, "revoke", s.grant(t, "/oauth/revoke", "client_id=first-party&token="+next.Refresh), 200, `{}`)
	if got := s.bearer(t, next.Access); got.Code != http.StatusUnauthorized {
		t.Errorf("the session goes on after it was revoked: %d", got.Code)
	}
}

func TestARegistrationMakesTheUserThatItNames(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	register := func(name, email, word string) string {
		t.Helper()
		return s.post(t, "register", map[string]string{"username": name, "email": email, "password": word}).Body.String()
	}
	for _, c := range []struct{ name, email, word, want string }{
		{"Carol", "carol@example.com", password, `{"message":"User created successfully.","data":null,"statusCode":200}`},
		{"carol", "other@example.com", password, `{"message":"User already exists.","data":null,"statusCode":400,"code":"user_already_exists"}`},
		{"dora", "carol@example.com", password, `{"message":"User creation failed.","data":{"errors":["Email is already in use."],"codes":["email_taken"]},"statusCode":400,"code":"user_creation_failed"}`},
		{"dora", "dora@example.com", "short", `{"message":"User creation failed.","data":{"errors":["Password must have at least 12 characters."],"codes":["password_too_short"]},"statusCode":400,"code":"user_creation_failed"}`},
	} {
		if got := register(c.name, c.email, c.word); got != c.want {
			t.Errorf("%s <%s>: %s, want %s", c.name, c.email, got, c.want)
		}
	}
	u, err := s.store.UserByUsername(t.Context(), "carol")
	if err != nil || u.Username != "Carol" || u.Email != "carol@example.com" {
		t.Errorf("%+v, %v", u, err)
	}
	if got := s.post(t, "login", credentials("carol")); got.Code != http.StatusOK {
		t.Errorf("log in: %d %s", got.Code, got.Body)
	}
	wantAnswer(t, "a wrong password", s.post(t, "login", map[string]string{"username": "carol", "password": "x"}), 400,
		`{"message":"Invalid credentials.","data":null,"statusCode":400,"code":"invalid_credentials"}`)
}

func TestARegistrationIsRefusedWhereOperatorsAddUsers(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *httpapi.Config) { c.Authority.Registration = false })
	wantAnswer(t, "register", s.post(t, "register", map[string]string{"username": "carol", "email": "carol@example.com", "password": password}), 403,
		`{"message":"User creation failed.","data":{"errors":["Registration is closed; ask an operator for an account."],"codes":["registration_closed"]},"statusCode":403,"code":"user_creation_failed"}`)
}

// TestABodyIsOfTheOneTypeAndUnencoded, as to which two readers could differ.
func TestABodyIsOfTheOneTypeAndUnencoded(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, r := range knownRoutes() {
		if r.body == "" {
			continue
		}
		refusal := oauthError("invalid_request", typeMissing)
		if r.envelope {
			refusal = `{"message":"Invalid request.","data":null,"statusCode":400,"code":"invalid_request"}`
		}
		other := map[string]string{jsonBody: formBody, formBody: jsonBody}[r.body]
		for name, c := range map[string]struct {
			types, codings []string
			want           bool
		}{
			"plain":                   {[]string{r.body}, nil, true},
			"in UTF-8":                {[]string{r.body + "; charset=utf-8"}, nil, true},
			"in UTF-8, written large": {[]string{strings.ToUpper(r.body) + ";charset=UTF-8"}, nil, true},
			"with another parameter":  {[]string{r.body + "; x=y"}, nil, true},
			"in Latin 1":              {[]string{r.body + "; charset=iso-8859-1"}, nil, false},
			"no type":                 {nil, nil, false},
			"an empty type":           {[]string{""}, nil, false},
			"another type":            {[]string{other}, nil, false},
			"plain text":              {[]string{"text/plain"}, nil, false},
			"a broken type":           {[]string{r.body + "; charset"}, nil, false},
			"two types":               {[]string{r.body, r.body}, nil, false},
			"gzip":                    {[]string{r.body}, []string{"gzip"}, false},
			"identity":                {[]string{r.body}, []string{"Identity"}, true},
			"no coding":               {[]string{r.body}, []string{""}, true},
			"a list of codings":       {[]string{r.body}, []string{"identity, gzip"}, false},
			"a second coding":         {[]string{r.body}, []string{"identity", "gzip"}, false},
			"a coding after nothing":  {[]string{r.body}, []string{"", "br"}, false},
		} {
			a := r.request()
			a.typ, a.header = "", http.Header{"Content-Type": c.types, "Content-Encoding": c.codings}
			if got := s.ask(t, a); (got.Body.String() != refusal) != c.want {
				t.Errorf("%s %s, %s: %d %s, taken should be %v", r.method, r.path, name, got.Code, got.Body, c.want)
			}
		}
	}
}

func TestParametersBelongIntoTheBody(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, path := range []string{"/oauth/token", "/oauth/revoke"} {
		wantAnswer(t, path, s.grant(t, path+"?client_id=first-party", "client_id=first-party"), 400,
			oauthError("invalid_request", "parameters belong into the body, not into the URL"))
	}
}

func TestAnUnreadableBodyIsDistinguished(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, r := range knownRoutes() {
		if r.body == "" {
			continue
		}
		for _, c := range []struct {
			err             error
			status          int
			envelope, oauth string
		}{
			{os.ErrDeadlineExceeded, 408, "Request timeout.", "the body did not arrive in time"},
			{io.ErrUnexpectedEOF, 400, "Invalid request.", "the request is malformed"},
			{errors.New("read tcp 10.0.0.1: disk"), 400, "Invalid request.", "the request is malformed"},
		} {
			a := r.request()
			a.raw = func(req *http.Request) {
				req.Body = io.NopCloser(io.MultiReader(strings.NewReader(a.body), iotest.ErrReader(c.err)))
			}
			want := oauthError("invalid_request", c.oauth)
			if r.envelope {
				want = `{"message":"` + c.envelope + `","data":null,"statusCode":` + map[int]string{408: `408,"code":"request_timeout"`, 400: `400,"code":"invalid_request"`}[c.status] + `}`
			}
			wantAnswer(t, r.method+" "+r.path+" with "+c.err.Error(), s.ask(t, a), c.status, want)
		}
	}
}
