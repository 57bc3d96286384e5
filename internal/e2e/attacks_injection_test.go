package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

func injectionAttacks() []attack {
	return []attack{
		{"INJ-01", "SQL in everything that a caller names", sqlInNames},
		{"INJ-06", "line ends and terminal commands in everything that is logged", commandsInLog},
		{"INJ-11", "terminal commands in what operators' commands print", commandsToOperators},
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
		req.Header.Set("User-Agent", "agent \t \u009b2J \u202e\u2066\u200f\u2028 inj06")
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
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), unseen) {
			t.Errorf("a character that a terminal may obey: %+q", line)
		}
	}
}

// unseen are the characters that can't be seen, of which terminals obey some.
func unseen(r rune) bool { return !unicode.IsPrint(r) }

// commandsToOperators logs in and replays with a user agent that turns the line and moves the cursor, and types what
// shows it. (No header with ESC comes through.)
func commandsToOperators(t *testing.T, a *authority) {
	const hostile = "agent \u009b2J \u202ecba\u2066 \u200f\u061c \u2028 inj11"
	operator := console{[]string{"MINTMARK_DATA_DIR=" + a.cfg.DataDir}}
	a.register(t, "inj11")
	got := a.withAgent(t, hostile, "login", credentials("inj11", testPassword))
	p := a.login(t, "inj11")
	next, _ := a.refresh(t, p)
	a.refresh(t, next)
	replay := a.refusedAs(t, p, hostile)
	if got.Status != http.StatusOK {
		t.Fatalf("login: %d %s", got.Status, got.Body)
	}
	for _, words := range [][]string{
		{"sessions", "list", "--user", "inj11"}, {"sessions", "show", sessionOf(t, p)}, {"explain", sessionOf(t, p)}, {"explain", replay},
		{"users", "show", "inj11"}, {"users", "show", hostile}, {"sessions", "show", hostile}, {"explain", hostile}, {hostile}, {"--" + hostile},
	} {
		for _, form := range []string{"table", "json"} {
			code, stdout, stderr := operator.run(t, "", append(words, "--output", form)...)
			for _, said := range []string{stdout, stderr} {
				if strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(said), unseen) {
					t.Errorf("%+q as %s says: %+q", words, form, said)
				}
			}
			if code == 0 && (words[0] == "explain" || words[1] == "list" && form == "json") {
				wantAgent(t, form, stdout, hostile)
			}
		}
	}
}

// wantAgent looks for the user agent: escaped on a line for people, and as it was in the value of a program.
func wantAgent(t *testing.T, form, stdout, agent string) {
	t.Helper()
	escaped := strings.Trim(strconv.QuoteToASCII(agent), `"`)
	if !strings.Contains(stdout, escaped) {
		t.Errorf("as %s the user agent is not there escaped: %s", form, stdout)
	}
	var value any
	if form == "json" && (json.Unmarshal([]byte(stdout), &value) != nil || !strings.Contains(fmt.Sprint(value), agent)) {
		t.Errorf("a program does not read the user agent as it was: %s", stdout)
	}
}

func (a *authority) withAgent(t *testing.T, agent, verb, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/api/authentication/"+verb, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {agent}}
	return do(t, req)
}
