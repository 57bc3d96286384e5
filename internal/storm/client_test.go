package storm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// outcome is what a caller knows of a call afterwards.
type outcome int

const (
	unknown outcome = iota // 503, or no answer: it may have had its effect, or may yet
	granted                // 200
	refused                // 400 invalid_grant
)

// String is the outcome as a word.
func (o outcome) String() string { return [...]string{"unknown", "granted", "refused"}[o] }

// answer is what came back of one call.
type answer struct {
	outcome  outcome
	answered bool   // the server said something: it works on the call no more
	token    string // refresh token of a granted refresh or login
	access   string // access token of the same
	odd      string // what should never have been answered
}

// caller calls replicas over connections of its own.
type caller struct{ http *http.Client }

func newCaller(t testing.TB) caller {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 50}
	t.Cleanup(transport.CloseIdleConnections)
	return caller{&http.Client{Transport: transport}}
}

// refresh presents a refresh token at the token endpoint (RFC 6749 §6).
func (c caller) refresh(origin, token string, patience time.Duration) answer {
	return c.form(origin+"/oauth/token", patience, url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"first-party"}, "refresh_token": {token}})
}

// revoke ends the session of a refresh token (RFC 7009).
func (c caller) revoke(origin, token string, patience time.Duration) answer {
	return c.form(origin+"/oauth/revoke", patience, url.Values{"client_id": {"first-party"}, "token": {token}})
}

func (c caller) form(target string, patience time.Duration, parameters url.Values) answer {
	status, body, err := c.post(target, "application/x-www-form-urlencoded", parameters.Encode(), patience)
	if err != nil {
		return answer{outcome: unknown}
	}
	var said struct {
		RefreshToken string `json:"refresh_token"`
		AccessToken  string `json:"access_token"`
		Error        string `json:"error"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return answer{odd: fmt.Sprintf("%d %q", status, body)}
	}
	switch {
	case status == http.StatusOK:
		return answer{outcome: granted, answered: true, token: said.RefreshToken, access: said.AccessToken}
	case status == http.StatusBadRequest && said.Error == "invalid_grant":
		return answer{outcome: refused, answered: true}
	case status == http.StatusServiceUnavailable:
		return answer{outcome: unknown, answered: true}
	default:
		return answer{odd: fmt.Sprintf("%d %s", status, body)}
	}
}

// persist makes a call again until its outcome is known: the same, as an orderly
// client does. After half of grace it gives up.
func persist(do func() answer) answer {
	for begun := time.Now(); ; wait(20 * time.Millisecond) {
		a := do()
		if a.outcome != unknown || a.odd != "" || time.Since(begun) > grace/2 {
			return a
		}
	}
}

// register makes the user; it may be there.
func (c caller) register(t testing.TB, origin string) {
	t.Helper()
	body := fmt.Sprintf(`{"username":%q,"email":"alice@example.com","password":%q}`, username, password)
	eventually(t, "the user is registered", func() bool {
		status, said, err := c.post(origin+"/api/authentication/register", "application/json", body, patient)
		switch {
		case err != nil || status == http.StatusServiceUnavailable:
			return false // not known: once more
		case status != http.StatusOK:
			t.Fatalf("register: %d %s", status, said)
		}
		return true
	})
}

// login starts a session.
func (c caller) login(origin string, patience time.Duration) answer {
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, username, password)
	status, said, err := c.post(origin+"/api/authentication/login", "application/json", body, patience)
	if err != nil {
		return answer{outcome: unknown}
	}
	var envelope struct {
		Data struct{ RefreshToken, AccessToken string }
	}
	switch {
	case status == http.StatusServiceUnavailable:
		return answer{outcome: unknown, answered: true}
	case status != http.StatusOK || json.Unmarshal(said, &envelope) != nil:
		return answer{odd: fmt.Sprintf("%d %s", status, said)}
	}
	return answer{outcome: granted, answered: true, token: envelope.Data.RefreshToken, access: envelope.Data.AccessToken}
}

func (c caller) post(target, contentType, body string, patience time.Duration) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.GetBody = nil // else net/http may send it again
	req.Header.Set("Content-Type", contentType)
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, said, err
}
