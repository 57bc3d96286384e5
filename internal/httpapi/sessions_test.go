package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// own is a session as it is listed.
type own struct {
	ID, Client, CreatedAt, LastSeenAt, Address, UserAgent string
	Current                                               bool
}

func listed(t *testing.T, got *httptest.ResponseRecorder) []own {
	t.Helper()
	var answer struct {
		Message string
		Data    struct{ Sessions []own }
	}
	if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil || got.Code != http.StatusOK || answer.Message != "Sessions listed successfully." {
		t.Fatalf("%d %s: %v", got.Code, got.Body, err)
	}
	return answer.Data.Sessions
}

func TestASessionIsListedAsItIs(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	first := s.login(t, "alice")
	s.clock.pass(90 * time.Minute)
	s.refreshKeys(t)
	second := granted(t, s.ask(t, asked{
		method: "POST", path: "/api/authentication/login", typ: jsonBody, body: encode(t, credentials("alice")),
		from: "203.0.113.9", header: http.Header{"User-Agent": {"other/2"}},
	}))
	next := granted(t, s.post(t, "refresh-token", map[string]string{"accessToken": first.Access, "refreshToken": first.Refresh}))
	if err := s.Authority.Checkpoints.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := listed(t, s.bearer(t, next.Access))
	want := []own{
		{s.sessionOf(t, second), "first-party", "2026-11-23T08:38:09Z", "2026-11-23T08:38:09Z", "203.0.113.9", "other/2", false},
		{s.sessionOf(t, next), "first-party", "2026-11-23T07:08:09Z", "2026-11-23T08:38:09Z", "192.0.2.7", agent, true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
}

func TestTheAccessTokenComesInOneHeaderField(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	access := s.login(t, "alice").Access
	const (
		realm    = `Bearer realm="mintmark"`
		invalid  = `{"message":"Invalid access token.","data":null,"statusCode":401,"code":"invalid_access_token"}`
		badToken = realm + `, error="invalid_token", error_description="the access token is invalid or expired, or its session has ended"`
	)
	for name, c := range map[string]struct {
		values          []string
		status          int
		challenge, body string
	}{
		"as it should be":   {[]string{"Bearer " + access}, 200, "", ""},
		"in another case":   {[]string{"bEARER " + access}, 200, "", ""},
		"with more spaces":  {[]string{"Bearer   " + access + " "}, 200, "", ""},
		"none":              {nil, 401, realm, invalid},
		"an empty field":    {[]string{""}, 401, realm, invalid},
		"the scheme alone":  {[]string{"Bearer"}, 401, realm, invalid},
		"the token alone":   {[]string{access}, 401, realm, invalid},
		"nothing in it":     {[]string{"Bearer   "}, 401, realm, invalid},
		"another scheme":    {[]string{"Basic " + access}, 401, realm, invalid},
		"a broken one":      {[]string{"Bearer " + access[1:]}, 401, badToken, invalid},
		"with another word": {[]string{"Bearer " + access + " x"}, 401, badToken, invalid},
		"two of them": {[]string{"Bearer " + access, "Bearer " + access}, 400,
			realm + `, error="invalid_request", error_description="more than one Authorization header"`,
			`{"message":"Invalid request.","data":null,"statusCode":400,"code":"invalid_request"}`},
	} {
		got := s.ask(t, asked{method: "GET", path: sessionsPath, header: http.Header{"Authorization": c.values}})
		if c.body == "" {
			c.body = got.Body.String()
		}
		wantAnswer(t, name, got, c.status, c.body)
		if challenge := got.Header().Get("WWW-Authenticate"); challenge != c.challenge {
			t.Errorf("%s: WWW-Authenticate %q, want %q", name, challenge, c.challenge)
		}
	}
	for _, path := range []string{sessionsPath + "?access_token=" + access, sessionsPath + "?Authorization=Bearer+" + access} {
		if got := s.ask(t, asked{method: "GET", path: path}); got.Code != http.StatusUnauthorized {
			t.Errorf("a token in the URL: %d", got.Code)
		}
	}
}

func TestAUserEndsSessionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	mine, lost, third, bobs := s.login(t, "alice"), s.login(t, "alice"), s.login(t, "alice"), s.login(t, "bob")
	end := func(path string, by tokens) *httptest.ResponseRecorder {
		t.Helper()
		body := encode(t, map[string]string{"accessToken": by.Access, "refreshToken": by.Refresh})
		return s.ask(t, asked{method: "DELETE", path: path, typ: jsonBody, body: body})
	}
	alive := func(of tokens) bool {
		t.Helper()
		return s.bearer(t, of.Access).Code == http.StatusOK
	}
	wantAnswer(t, "somebody else's", end(sessionsPath+"/"+s.sessionOf(t, bobs), mine), 404, `{"message":"No such session.","data":null,"statusCode":404,"code":"no_such_session"}`)
	wantAnswer(t, "one of theirs", end(sessionsPath+"/"+s.sessionOf(t, lost), mine), 200, `{"message":"Session ended successfully.","data":null,"statusCode":200}`)
	if alive(lost) || !alive(third) || !alive(mine) || !alive(bobs) {
		t.Error("not the one session that was named has ended")
	}
	wantAnswer(t, "by one that ended", end(sessionsPath, lost), 400, `{"message":"Invalid access token or refresh token.","data":null,"statusCode":400,"code":"invalid_token_pair"}`)
	wantAnswer(t, "all others", end(sessionsPath, mine), 200, `{"message":"All other sessions ended successfully.","data":null,"statusCode":200}`)
	if alive(third) || !alive(mine) || !alive(bobs) {
		t.Error("not all other sessions of the user have ended, or more than those")
	}
	wantAnswer(t, "log out", s.post(t, "logout", map[string]string{"accessToken": mine.Access, "refreshToken": mine.Refresh}), 200,
		`{"message":"User logged out successfully.","data":null,"statusCode":200}`)
	if alive(mine) || !alive(bobs) {
		t.Error("the session goes on after its logout, or another one ended")
	}
}
