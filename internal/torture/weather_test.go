package torture_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/torture"
	"github.com/mintmark-auth/mintmark/internal/weather"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// fast is a clock that runs twenty times as fast as others, so that nobody waits for a cool-down of ten seconds.
func fast() func() time.Time {
	start := time.Now()
	return func() time.Time { return start.Add(20 * time.Since(start)) }
}

// startWeather serves the example service. It learns who its issuer is when it is first called, as the issuer starts
// after it.
func startWeather(t *testing.T, issuer func() string, now func() time.Time) string {
	t.Helper()
	handler := sync.OnceValue(func() http.Handler {
		v, err := verifier.New(issuer(), audience, verifier.WithClock(now), verifier.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Error(err)
			return http.NotFoundHandler()
		}
		return weather.Handler(v, now)
	})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler().ServeHTTP(w, r) }))
	server.Config.MaxHeaderBytes = 32 << 10
	server.Start()
	t.Cleanup(server.Close)
	return server.URL + weather.Path
}

func TestTheWeatherServicePasses(t *testing.T) {
	t.Parallel()
	var issuer late
	now := fast()
	report, err := torture.Run(t.Context(), torture.Config{
		Target:    torture.Target{URL: startWeather(t, issuer.name, now)},
		OwnIssuer: "127.0.0.1:0", Audience: audience, Wait: inTime, KeysWithin: inTime, Now: now,
		Leeway:        5 * time.Minute, // by this clock: a token for the future must not become good on its way
		RevokedWithin: inTime,
		Ready:         issuer.is,
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Failed() {
		t.Errorf("%v, stopped: %s", failures(report), report.Stopped)
	}
	for _, one := range report.Results {
		needy := one.Case.Needs&torture.NeedScope != 0  // it requires no scope
		needy = needy || one.Case.ID == "token-in-form" // nor does it take POST
		if (one.Verdict == torture.NotTried) != needy {
			t.Errorf("%s: %s %s", one.Case.ID, one.Verdict, one.Why)
		}
		for _, o := range one.Outcomes {
			if o.Remark != "" {
				t.Errorf("%s, %s: %s", one.Case.ID, o.Sent, o.Remark)
			}
		}
	}
}

// The middleware that the weather service stands on, with a scope.
func TestTheVerifierPassesWithAScope(t *testing.T) {
	t.Parallel()
	var issuer late
	now := fast()
	guarded := sync.OnceValue(func() http.Handler {
		v, err := verifier.New(issuer.name(), audience, verifier.WithClock(now), verifier.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Error(err)
			return http.NotFoundHandler()
		}
		return v.Require("orders:read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { guarded().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	report, err := torture.Run(t.Context(), torture.Config{
		Target: torture.Target{URL: server.URL}, OwnIssuer: "127.0.0.1:0", Audience: audience, Scope: "orders:read", Wait: inTime, Now: now,
		Only:  []string{"scope-missing", "scope-list", "scope-among", "no-token"},
		Ready: issuer.is,
	})
	if err != nil || report.Failed() || report.Count(torture.Passed) != 6 {
		t.Errorf("%v, %v, stopped: %s", err, failures(report), report.Stopped)
	}
}
