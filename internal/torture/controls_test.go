package torture_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/torture"
)

// resultOf finds what came of a case.
func resultOf(t *testing.T, r *torture.Report, id string) torture.Result {
	t.Helper()
	i := slices.IndexFunc(r.Results, func(one torture.Result) bool { return one.Case.ID == id })
	if i < 0 {
		t.Fatalf("the report lacks %s", id)
	}
	return r.Results[i]
}

func TestAServiceThatRefusesTheGoodTokenProvesNothing(t *testing.T) {
	t.Parallel()
	report := tortured(t, nil, refusesAll)
	if got := failures(report); !slices.Equal(got, []string{"good-token: wrongly refused"}) {
		t.Errorf("got %v", got)
	}
	if !report.Failed() || !strings.Contains(report.Stopped, "does not accept the good token (401 Unauthorized)") {
		t.Errorf("stopped: %q", report.Stopped)
	}
	if report.Count(torture.Passed) != 0 || report.Count(torture.NotTried) != len(torture.Catalogue())-1 || report.Requests != 1 {
		t.Errorf("%d passed, %d not tried, %d requests", report.Count(torture.Passed), report.Count(torture.NotTried), report.Requests)
	}
}

func TestTheRunStopsWhereTheGoodTokenIsRefused(t *testing.T) {
	t.Parallel()
	report := tortured(t, nil, locksOut)
	if !report.Failed() || !strings.Contains(report.Stopped, "since ") || !strings.Contains(report.Stopped, "does not accept the good token any more") {
		t.Errorf("stopped: %q", report.Stopped)
	}
	after := resultOf(t, report, "good-token-after")
	if after.Verdict != torture.NotTried || report.Count(torture.NotTried) < 10 {
		t.Errorf("%v, %d not tried", after.Verdict, report.Count(torture.NotTried))
	}
}

func TestTheGoodTokenIsTriedAgainAtTheEnd(t *testing.T) {
	t.Parallel()
	report := tortured(t, func(c *torture.Config) { c.Only = []string{"signature-damaged"} }, locksOutSoon)
	if got := failures(report); !slices.Equal(got, []string{"good-token-after: wrongly refused"}) {
		t.Errorf("got %v, stopped %q", got, report.Stopped)
	}
}

func TestWhatTheStandardsLeaveOpenIsARemarkNotAFailure(t *testing.T) {
	t.Parallel()
	report := tortured(t, nil, lenient)
	for _, one := range report.Results {
		said := slices.ContainsFunc(one.Outcomes, func(o *torture.Outcome) bool { return o.Remark != "" && o.Remark == one.Case.Remark })
		if want := one.Case.Remark != ""; said != want {
			t.Errorf("%s: remark %v, want %v", one.Case.ID, said, want)
		}
	}
}

func TestARefusalInOtherWordsThanTheStandardsIsARemark(t *testing.T) {
	t.Parallel()
	for f, want := range map[fault]string{
		noChallenge: "401 without WWW-Authenticate: Bearer (RFC 6750 §3)",
		answers404:  "refused with 404 where RFC 6750 §3.1 has 401",
	} {
		report := tortured(t, func(c *torture.Config) { c.Only = []string{"no-token", "alg-none"} }, f)
		for _, id := range []string{"no-token", "alg-none"} {
			if got := resultOf(t, report, id).Outcomes[0].Remark; got != want {
				t.Errorf("%s: %q, want %q", id, got, want)
			}
		}
		if report.Failed() {
			t.Errorf("%s: %v", f, failures(report))
		}
	}
	report := tortured(t, func(c *torture.Config) { c.Only = []string{"scope-missing"} }, answers404)
	if got := resultOf(t, report, "scope-missing").Outcomes[0].Remark; got != "refused with 404 where RFC 6750 §3.1 has 403" {
		t.Errorf("scope-missing: %q", got)
	}
}

func TestFetchingForEachUnknownKidIsARemark(t *testing.T) {
	t.Parallel()
	report := tortured(t, func(c *torture.Config) { c.Only = []string{"keys-flood"} })
	if got := resultOf(t, report, "keys-flood").Outcomes[0].Remark; !strings.HasPrefix(got, "25 unknown kids made it ask the issuer for its keys 25 times") {
		t.Errorf("%q", got)
	}
}

// A service that is busy is asked again; one that stays busy has said nothing.
func TestABusyServiceIsAskedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status  int
		busy    int // so often per request
		verdict torture.Verdict
	}{
		"once 503":     {503, 1, torture.Passed},
		"once 429":     {429, 1, torture.Passed},
		"for ever 429": {429, 9, torture.Unclear},
		"for ever 503": {503, 9, torture.Crashed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refused atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					return // whatever it brings is good
				}
				if int(refused.Add(1)) <= c.busy {
					w.WriteHeader(c.status)
					return
				}
				w.WriteHeader(401)
			}))
			t.Cleanup(server.Close)
			report, err := torture.Run(t.Context(), torture.Config{
				Target: torture.Target{URL: server.URL}, OwnIssuer: "127.0.0.1:0", Audience: audience, Only: []string{"no-token"},
			}.WithKeys(fromPool()))
			if err != nil {
				t.Fatal(err)
			}
			if got := resultOf(t, report, "no-token").Verdict; got != c.verdict {
				t.Errorf("%s, want %s", got, c.verdict)
			}
		})
	}
}

func TestTheRunWaitsForTheServiceToTrustItsIssuer(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case asked.Add(1) <= 3:
			w.WriteHeader(401) // it still trusts another
		case r.Header.Get("Authorization") == "":
			w.WriteHeader(401)
		}
	}))
	t.Cleanup(server.Close)
	report, err := torture.Run(t.Context(), torture.Config{
		Target: torture.Target{URL: server.URL}, OwnIssuer: "127.0.0.1:0", Audience: audience, Only: []string{"no-token"}, Wait: time.Minute,
	}.WithKeys(fromPool()))
	if err != nil || report.Failed() || asked.Load() != 6 {
		t.Errorf("%v, %v after %d requests", failures(report), err, asked.Load())
	}
}

// Also where the answer came first, as the last variant shows.
func TestAFetchAfterTheAnswerIsFound(t *testing.T) {
	t.Parallel()
	report := tortured(t, func(c *torture.Config) { c.Only = []string{"jku", "x5c"} }, looksLater)
	outcomes := resultOf(t, report, "jku").Outcomes
	if last := outcomes[len(outcomes)-1]; last.Verdict != torture.Fetched {
		t.Errorf("%+v", last)
	}
}

// TestACaseEndsAtItsFirstSilenceAndTheRunAfterThree: a silent service would otherwise take an
// hour.
func TestACaseEndsAtItsFirstSilenceAndTheRunAfterThree(t *testing.T) {
	t.Parallel()
	report := tortured(t, func(c *torture.Config) { c.Timeout = 2 * time.Second }, hangsOnBad)
	if !strings.HasPrefix(report.Stopped, "3 cases in a row") {
		t.Errorf("stopped: %q", report.Stopped)
	}
	if got := report.Count(torture.Hung); got != 3 || report.Requests > 10 {
		t.Errorf("%d cases hung, %d requests", got, report.Requests)
	}
	if outcomes := resultOf(t, report, "alg-none").Outcomes; len(outcomes) != 1 {
		t.Errorf("%d variants were tried after silence", len(outcomes)-1)
	}
}

// TestAnInterruptedRunReportsItsFindings, and one that takes too long is one.
func TestAnInterruptedRunReportsItsFindings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		within  time.Duration
		stopped string
	}{"interrupted": {0, "it was interrupted"}, "too long": {4 * time.Second, "the run took longer than 4s"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.Header.Get("Authorization"), "Basic") { // of scheme-other
					if c.within == 0 {
						interrupt()
					}
					<-r.Context().Done()
				}
			}))
			t.Cleanup(server.Close)
			report, err := torture.Run(ctx, torture.Config{
				Target: torture.Target{URL: server.URL}, OwnIssuer: "127.0.0.1:0", Audience: audience, Only: []string{"no-token", "scheme-other", "token-in-query"},
				Within: c.within,
			}.WithKeys(fromPool()))
			if err != nil {
				t.Fatal(err)
			}
			if report.Stopped != c.stopped || !report.Failed() {
				t.Errorf("stopped: %q", report.Stopped)
			}
			if got := resultOf(t, report, "no-token").Verdict; got != torture.WronglyAccepted {
				t.Errorf("what was found before: %s", got)
			}
			for _, id := range []string{"scheme-other", "token-in-query", "good-token-after"} {
				if got := resultOf(t, report, id); got.Verdict != torture.NotTried || got.Why != "the run had stopped" {
					t.Errorf("%s: %s, %s", id, got.Verdict, got.Why)
				}
			}
		})
	}
}
