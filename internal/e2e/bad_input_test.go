package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// badRequest is a request that no client of good will sends, and the sentence it
// is answered with.
type badRequest struct {
	what        string
	path        string
	contentType string
	body        string
	status      int
	sentence    string // message of the envelope, or error and description
}

const (
	urlencoded = "application/x-www-form-urlencoded"
	tooLarge   = "invalid_request: the body is larger than 64 KiB"
)

// badForms are the requests to the OAuth endpoints; malformedBodies sends those to
// the first-party API.
func badForms(p pair) []badRequest {
	grant := "grant_type=refresh_token&client_id=first-party&refresh_token=" + p.Refresh
	revocation := "client_id=first-party&token=" + p.Refresh
	requests := []badRequest{
		{"no grant type", "/oauth/token", urlencoded, "client_id=first-party&refresh_token=" + p.Refresh, 400, "invalid_request: grant_type is missing"},
		{"no token", "/oauth/token", urlencoded, "client_id=first-party&grant_type=refresh_token", 400, "invalid_request: refresh_token is missing"},
		{"an empty token", "/oauth/token", urlencoded, "client_id=first-party&grant_type=refresh_token&refresh_token=", 400, "invalid_request: refresh_token is missing"},
		{"another grant", "/oauth/token", urlencoded, "client_id=first-party&grant_type=password&username=x&password=x", 400, "unsupported_grant_type: "},
		{"a line break at the end", "/oauth/token", urlencoded, grant + "%0A", 400, "invalid_request: refresh_token ends with a line break"},
		{"a line break at the end", "/oauth/revoke", urlencoded, revocation + "%0D%0A", 400, "invalid_request: token ends with a line break"},
		{"no token", "/oauth/revoke", urlencoded, "client_id=first-party", 400, "invalid_request: token is missing"},
		{"an access token", "/oauth/revoke", urlencoded, "client_id=first-party&token=" + p.Access, 400, "unsupported_token_type: "},
	}
	for path, good := range map[string]string{"/oauth/token": grant, "/oauth/revoke": revocation} {
		requests = append(requests,
			badRequest{"no client", path, urlencoded, strings.Replace(good, "client_id", "x", 1), 401, "invalid_client: client authentication failed"},
			badRequest{"another client", path, urlencoded, strings.Replace(good, "first-party", "nobody", 1), 401, "invalid_client: client authentication failed"},
			badRequest{"a repeated parameter", path, urlencoded, good + "&client_id=first-party", 400, "invalid_request: a parameter is repeated"},
			badRequest{"a repeated unknown parameter", path, urlencoded, good + "&x=1&x=2", 400, "invalid_request: a parameter is repeated"},
			badRequest{"a repeated token", path, urlencoded, good + "&" + good, 400, "invalid_request: a parameter is repeated"},
			badRequest{"a bad escape", path, urlencoded, good + "&x=%zz", 400, "invalid_request: the form is malformed"},
			badRequest{"a semicolon", path, urlencoded, good + ";x=y", 400, "invalid_request: the form is malformed"},
			badRequest{"NUL", path, urlencoded, good + "&x=%00", 400, "invalid_request: a parameter is no text"},
			badRequest{"NUL in a name", path, urlencoded, good + "&x%00=y", 400, "invalid_request: a parameter is no text"},
			badRequest{"invalid UTF-8", path, urlencoded, good + "&x=%ff", 400, "invalid_request: a parameter is no text"},
			badRequest{"too many parameters", path, urlencoded, good + strings.Repeat("&", 1000), 400, "invalid_request: too many parameters"},
			badRequest{"a large body", path, urlencoded, good + "&x=" + strings.Repeat("x", 64<<10), 413, tooLarge},
			badRequest{"parameters in the URL", path + "?client_id=first-party", urlencoded, good, 400, "invalid_request: parameters belong into the body, not into the URL"},
			badRequest{"JSON", path, "application/json", `{"grant_type":"refresh_token"}`, 400, "invalid_request: the content type must be application/x-www-form-urlencoded"},
			badRequest{"no content type", path, "", good, 400, "invalid_request: the content type must be application/x-www-form-urlencoded"},
			badRequest{"plain text", path, "text/plain", good, 400, "invalid_request: the content type must be application/x-www-form-urlencoded"},
			badRequest{"another charset", path, urlencoded + "; charset=utf-16", good, 400, "invalid_request: the content type must be application/x-www-form-urlencoded"},
			badRequest{"a multipart form", path, "multipart/form-data; boundary=x", "--x\r\n", 400, "invalid_request: the content type must be application/x-www-form-urlencoded"},
			badRequest{"nothing", path, urlencoded, "", 401, "invalid_client: client authentication failed"},
		)
	}
	return requests
}

// bounds are requests that are too large for any endpoint.
func bounds(p pair) []badRequest {
	filler := strings.Repeat("x", 64<<10)
	large := func(body string) string { return strings.Replace(body, `":"`, `":"`+filler, 1) }
	return []badRequest{
		{"a large registration", "/api/authentication/register", "application/json", large(registration("bad-input")), 413, "Request too large."},
		{"a large login", "/api/authentication/login", "application/json", large(credentials("bad-input", "x")), 413, "Request too large."},
		{"a large pair", "/api/authentication/refresh-token", "application/json", large(pairBody(p)), 413, "Request too large."},
		{"a large logout", "/api/authentication/logout", "application/json", large(pairBody(p)), 413, "Request too large."},
		{"a long target", "/api/authentication/login?" + filler[:9<<10], "application/json", credentials("bad-input", "x"), 414, "Request too large."},
		{"a long path", "/api/authentication/" + filler[:9<<10], "application/json", "{}", 414, "Request too large."},
		{"a long target", "/oauth/token?" + filler[:9<<10], urlencoded, "x=y", 414, "invalid_request: the request target is longer than 8 KiB"},
		{"a long path", "/" + filler[:9<<10], urlencoded, "x=y", 414, "invalid_request: the request target is longer than 8 KiB"},
		{"an unknown path", "/oauth/nothing", urlencoded, "x=y", 404, "invalid_request: there is nothing at this path; /openapi.yaml lists what there is"},
		{"an unknown path", "/api/authentication/nothing", "application/json", "{}", 404, "Not found."},
	}
}

func TestBadInputIsReportedAndChangesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *authority) {
		a.register(t, testUser)
		p := a.login(t, testUser)
		for _, request := range append(badForms(p), bounds(p)...) {
			got := send(t, http.MethodPost, a.URL+request.path, request.contentType, request.body)
			if sentence := sentenceOf(t, got); got.Status != request.status || !strings.HasPrefix(sentence, request.sentence) {
				t.Errorf("%s to %.40s: %d %q, want %d %q", request.what, request.path, got.Status, sentence, request.status, request.sentence)
			}
			if strings.Contains(string(got.Body), p.Refresh) || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s to %.40s: the answer repeats a secret or may be stored", request.what, request.path)
			}
		}
		for name, forged := range forgeries(t, p.Refresh) {
			wantRefused(t, a, name, forged)
			if got, _ := a.form(t, "/oauth/revoke", url.Values{"client_id": {"first-party"}, "token": {forged}}); got.Status != http.StatusOK {
				t.Errorf("revoke, %s: %d, want 200 as for every unknown token", name, got.Status)
			}
		}
		if got := a.tryLogin(t, "bad-input", testPassword); got.Status != http.StatusBadRequest {
			t.Errorf("a refused registration made a user: login %d", got.Status)
		}
		if _, got := a.refresh(t, p); got.Status != http.StatusOK {
			t.Errorf("the session afterwards: %d %s, want 200", got.Status, got.Body)
		}
		wantNoSecret(t, "the log", a.Log.String())
	})
}

// sentenceOf is what an answer says, in either spelling.
func sentenceOf(t testing.TB, got answer) string {
	t.Helper()
	var body struct {
		Message     string
		StatusCode  int
		Error       string
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(got.Body, &body); err != nil {
		t.Fatalf("%d %q: %v", got.Status, got.Body, err)
	}
	if body.Error != "" {
		return body.Error + ": " + body.Description
	}
	if body.StatusCode != got.Status {
		t.Errorf("the envelope says %d, the status %d", body.StatusCode, got.Status)
	}
	return body.Message
}
