package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func injectionAttacks() []attack {
	return []attack{
		{"INJ-01", "SQL in everything that a caller names", sqlInNames},
		{"INJ-06", "line ends and terminal commands in everything that is logged", commandsInLog},
	}
}

func sqlInNames(t *testing.T, a *authority) {
	a.register(t, "inj01")
	p := a.login(t, "inj01")
	for _, sql := range []string{`' OR '1'='1`, `inj01'--`, `'; DROP TABLE users; --`, `\'; DELETE FROM sessions; --`, `$1`, `%`, `inj01' UNION SELECT password_hash FROM users --`, `"`, "\x00", `0x27`, `) OR (1=1`} {
		answers := map[string]answer{
			"the name of a login":   a.tryLogin(t, sql, testPassword),
			"a password":            a.tryLogin(t, "inj01", sql),
			"the name of nobody":    a.sendJSON(t, "register", map[string]string{"username": sql, "email": "no address", "password": testPassword}),
			"an address":            a.sendJSON(t, "register", map[string]string{"username": "inj01-other", "email": sql, "password": testPassword}),
			"a pair":                a.sendJSON(t, "refresh-token", map[string]string{"accessToken": p.Access + sql, "refreshToken": sql}),
			"the id of a session":   send(t, http.MethodDelete, a.URL+sessionsPath+"/"+url.PathEscape(sql), "application/json", pairBody(p)),
			"the number of a list":  send(t, http.MethodGet, a.URL+"/oauth/status-lists/"+url.PathEscape(sql), "", ""),
			"a parameter of a list": send(t, http.MethodGet, a.URL+"/oauth/status-lists/0?wait="+url.QueryEscape(sql), "", ""),
		}
		for _, parameter := range []string{"client_id", "scope", "grant_type", "refresh_token"} {
			form := url.Values{"client_id": {"first-party"}, "grant_type": {"refresh_token"}, "refresh_token": {p.Refresh}}
			form.Set(parameter, sql)
			answers[parameter], _ = a.form(t, "/oauth/token", form)
		}
		for where, got := range answers {
			if got.Status < 400 || got.Status > 499 {
				t.Errorf("%q as %s: %d %s, want a refusal", sql, where, got.Status, got.Body)
			}
		}
	}
	if got, _ := a.refreshGrant(t, p.Refresh); got.Status != http.StatusOK {
		t.Errorf("afterwards the user's own session: %d %s", got.Status, got.Body)
	}
	a.login(t, "inj01")
}

func (a *authority) sendJSON(t testing.TB, verb string, body map[string]string) answer {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, http.MethodPost, a.URL+"/api/authentication/"+verb, "application/json", string(text))
}

// commandsInLog forges a line of the log, and sends what a terminal would obey.
func commandsInLog(t *testing.T, _ *authority) {
	a := startEmbedded(t)
	const forged = "forged-inj06"
	command := "x\r\n{\"msg\":\"" + forged + "\"}\n\x1b[2J"
	a.tryLogin(t, command, command)
	a.sendJSON(t, "register", map[string]string{"username": command, "email": command, "password": testPassword})
	a.form(t, "/oauth/token", url.Values{"client_id": {command}, "grant_type": {command}, "refresh_token": {command}})
	for _, path := range []string{"/" + url.PathEscape(command), "/oauth/status-lists/" + url.PathEscape(command), "/livez?" + url.QueryEscape(command)} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("User-Agent", "agent \t \u009b2J \u202e inj06")
		do(t, req)
	}
	a.Stop() // so that all is logged
	for line := range strings.Lines(a.Log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("a line that is no JSON object: %q", line)
		}
		if fields["msg"] == forged {
			t.Errorf("a caller wrote a line of the log: %s", line)
		}
		if at := strings.IndexFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' }); at >= 0 {
			t.Errorf("a control character: %s", fmt.Sprintf("%q", line))
		}
	}
}
