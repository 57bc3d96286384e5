package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/cli"
)

// console is where an operator types, with the settings of a running authority.
type console struct{ environ []string }

func (c console) run(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Run(t.Context(), cli.Process{Args: args, Environ: c.environ, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

// explained is what `mintmark explain --output json` answers.
type explained struct {
	Story []string
	Token *struct {
		Ours       bool
		Defect     string
		Generation int
		VerdictNow string `json:"verdict_now"`
	}
	Session *struct {
		ID, Username, State, Address string
		RevokeReason                 string `json:"revoke_reason"`
		Checkpoint, Current          int
	}
	Events []struct {
		Kind, Address string
		UserAgent     string `json:"user_agent"`
		RequestID     string `json:"request_id"`
		Detail        map[string]string
	}
}

func (c console) explain(t *testing.T, word string) explained {
	t.Helper()
	code, stdout, stderr := c.run(t, word+"\n", "explain", "-", "--output", "json")
	if code != 0 {
		t.Fatalf("explain: exit code %d, %s", code, stderr)
	}
	var told explained
	if err := json.Unmarshal([]byte(stdout), &told); err != nil {
		t.Fatalf("explain: %v in %s", err, stdout)
	}
	return told
}

// eachMode runs a test beside an embedded authority and beside a replica.
func eachMode(t *testing.T, test func(*testing.T, *authority, console)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		data := "MINTMARK_DATA_DIR=" + t.TempDir()
		test(t, startEmbedded(t, data), console{[]string{data}})
	})
	t.Run("production", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		test(t, c.startReplica(t), console{[]string{
			"MINTMARK_DATABASE_URL=" + c.Postgres, "MINTMARK_REDIS_URL=" + c.Redis,
			"MINTMARK_ROOT_SECRET=" + c.root, "MINTMARK_ISSUER=" + c.issuer,
		}})
	})
}

func TestExplainPrintsTheHistoryOfARefusedRefresh(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, a *authority, operator console) {
		a.register(t, testUser)
		first := a.login(t, testUser)
		second, _ := a.refresh(t, first)
		third, _ := a.refresh(t, second)
		if told := operator.explain(t, third.Refresh); !told.Token.Ours || told.Token.Generation != 3 || told.Token.VerdictNow != "rotated" || told.Session.Current != 3 {
			t.Errorf("the newest token: %+v %+v", told.Token, told.Session)
		}
		if told := operator.explain(t, first.Refresh); told.Token.VerdictNow != "replayed" {
			t.Errorf("the first token: %+v", told.Token)
		}
		replay := a.refusedAs(t, first, "evil/2")

		for _, word := range []string{sessionOf(t, first), strings.ToUpper(sessionOf(t, first)), third.Refresh, third.Access} {
			told := operator.explain(t, word)
			if told.Session.Username != testUser || told.Session.State != "revoked" || told.Session.RevokeReason != "replay" {
				t.Errorf("session %+v", told.Session)
			}
			last := told.Events[len(told.Events)-1]
			if len(told.Events) != 2 || told.Events[0].Kind != string(audit.SessionStarted) || last.Kind != string(audit.SessionReplayed) ||
				last.RequestID != replay || last.UserAgent != "evil/2" || last.Detail["generation"] != "1" || last.Detail["current"] != "3" {
				t.Errorf("events %+v", told.Events)
			}
			prose := strings.Join(told.Story, "\n")
			for _, want := range []string{`generation 1 was presented from 127.0.0.1 with "evil/2" while 3 was current: replayed`,
				`The login came from 127.0.0.1 with "Go-http-client/1.1"`, "a refresh token was used twice"} {
				if !strings.Contains(prose, want) {
					t.Errorf("the story lacks %q:\n%s", want, prose)
				}
			}
		}
		if told := operator.explain(t, replay); len(told.Events) != 1 || told.Events[0].Kind != string(audit.SessionReplayed) {
			t.Errorf("the request: %+v", told.Events)
		}
		if told := operator.explain(t, third.Refresh); told.Token.VerdictNow != "revoked" {
			t.Errorf("the newest token, later: %+v", told.Token)
		}
		code, stdout, _ := operator.run(t, "", "explain", sessionOf(t, first))
		if code != 0 || !strings.Contains(stdout, "WHEN ") || !strings.Contains(stdout, " session.replayed ") {
			t.Errorf("exit code %d, %s", code, stdout)
		}
	})
}

// refusedAs refreshes with a user agent, is refused, and returns the request's id
// once its event is on record.
func (a *authority) refusedAs(t *testing.T, p pair, agent string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/api/authentication/refresh-token", strings.NewReader(pairBody(p)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {agent}}
	got := do(t, req)
	if got.Status != http.StatusBadRequest {
		t.Fatalf("refresh: %d %s", got.Status, got.Body)
	}
	id := got.Header.Get("X-Request-Id")
	stores := a.stores(t)
	eventually(t, func() bool {
		events, err := stores.Events.Events(t.Context(), audit.Query{RequestID: id, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		return len(events) > 0
	})
	return id
}

func TestExplainPrintsWhatEndedASession(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, a *authority, operator console) {
		a.register(t, testUser)
		for _, c := range []struct {
			end  []string
			kind audit.Kind
		}{
			{[]string{"sessions", "revoke", "SID"}, audit.SessionRevoked},
			{[]string{"sessions", "revoke", "--user", testUser, "--yes"}, audit.UserSessionsEnded},
			{[]string{"users", "disable", testUser}, audit.UserDisabled},
		} {
			p := a.login(t, testUser)
			for i, word := range c.end {
				c.end[i] = strings.Replace(word, "SID", sessionOf(t, p), 1)
			}
			if code, _, stderr := operator.run(t, "", c.end...); code != 0 {
				t.Fatalf("%v: exit code %d, %s", c.end, code, stderr)
			}
			refused := a.refusedAs(t, p, "app/1")
			var kinds []string
			for _, e := range operator.explain(t, sessionOf(t, p)).Events {
				kinds = append(kinds, e.Kind)
			}
			if diff := cmp.Diff(kinds, []string{string(audit.SessionStarted), string(c.kind), string(audit.SessionRefused)}); diff != "" {
				t.Errorf("%v (-got +want):\n%s", c.end, diff)
			}
			if told := operator.explain(t, refused); told.Events[0].Detail["verdict"] != "revoked" {
				t.Errorf("the refused request: %+v", told.Events)
			}
		}
	})
}

func TestExplainReportsForeignTokens(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	a, other := startEmbedded(t, "MINTMARK_DATA_DIR="+data), startEmbedded(t)
	operator := console{[]string{"MINTMARK_DATA_DIR=" + data}}
	a.register(t, testUser)
	other.register(t, testUser)
	ours, theirs := a.login(t, testUser).Refresh, other.login(t, testUser).Refresh
	damaged := ours[:len(ours)-1] + map[bool]string{true: "A", false: "Q"}[ours[len(ours)-1] != 'A']
	for name, c := range map[string]struct{ token, defect, story string }{
		"another's":           {theirs, "its MAC is not what the root secret 1", "is not from this authority"},
		"damaged":             {damaged, "", "is invalid, although the session that it names is known here"},
		"cut off":             {ours[:40], "cut off", "is not a refresh token"},
		"another alphabet":    {"mrt_" + strings.Repeat("+", 62), "base64url", "is not a refresh token"},
		"another format":      {"mrt_" + strings.Repeat("B", 61) + "A", "version 4", "is not a refresh token"},
		"another root secret": {"mrt_AQc" + ours[7:], "root secret 7", ""},
	} {
		told := operator.explain(t, c.token)
		if told.Token.Ours || !strings.Contains(told.Token.Defect, c.defect) || !strings.Contains(told.Story[0], c.story) || told.Token.VerdictNow != "" {
			t.Errorf("%s: %+v %q", name, told.Token, told.Story)
		}
		if strings.Contains(strings.Join(told.Story, ""), c.token[4:]) {
			t.Errorf("%s: the token is in the story", name)
		}
	}
}

func TestExplainReadsItsArgumentFromAFile(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	a := startEmbedded(t, "MINTMARK_DATA_DIR="+data)
	operator := console{[]string{"MINTMARK_DATA_DIR=" + data}}
	a.register(t, testUser)
	p := a.login(t, testUser)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(p.Refresh+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := operator.run(t, "", "explain", "@"+file); code != 0 || !strings.Contains(stdout, "The refresh token is from this authority: generation 1,") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	for word, want := range map[string]int{strangeSID: 3, "no such thing": 3, "@" + file + ".missing": 2, "-": 2, strangeAccess: 3} {
		code, stdout, stderr := operator.run(t, "", "explain", word)
		if code != want || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("explain %s: exit code %d, %q, %q; want %d and one line", word, code, stdout, stderr, want)
		}
	}
}

// TestManyRefusalsHideNotWhatEndedTheSession: a client that never gives up is
// refused every hour for weeks.
func TestManyRefusalsHideNotWhatEndedTheSession(t *testing.T) {
	t.Parallel()
	data := "MINTMARK_DATA_DIR=" + t.TempDir()
	a, operator := startEmbedded(t, data), console{[]string{data}}
	a.register(t, testUser)
	first := a.login(t, testUser)
	second, _ := a.refresh(t, first)
	third, _ := a.refresh(t, second)
	a.refusedAs(t, first, "evil/2")
	var refusals []audit.Event
	for i := range 450 {
		e := audit.New(audit.SessionRefused, audit.ByClient("first-party"))
		e.At = time.Now().Add(time.Duration(i+1) * time.Hour)
		e.SessionID = sessionOf(t, first)
		e.Detail = map[string]string{"verdict": "revoked", "generation": "3"}
		refusals = append(refusals, e)
	}
	events := a.stores(t).Events
	for few := range slices.Chunk(refusals, 50) { // as many as a busy machine writes within the time for one call
		if err := events.AppendEvents(t.Context(), few); err != nil {
			t.Fatal(err)
		}
	}
	told := operator.explain(t, third.Refresh)
	if got := []string{told.Events[0].Kind, told.Events[1].Kind}; !cmp.Equal(got, []string{string(audit.SessionStarted), string(audit.SessionReplayed)}) {
		t.Errorf("the story begins with %v", got)
	}
	prose := strings.Join(told.Story, "\n")
	for _, want := range []string{
		`generation 1 was presented from 127.0.0.1 with "evil/2" while 3 was current: replayed`,
		"It was refused 200 times, the last at " + refusals[449].At.UTC().Format(time.RFC3339),
		"Only the newest 200 events are listed",
		"Presented now, the token would be revoked: the session is over, log in again; with a grace of 30s and an idle lifetime of 720h, as configured here.",
	} {
		if !strings.Contains(prose, want) {
			t.Errorf("the story lacks %q:\n%s", want, prose)
		}
	}
}
