package telemetry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/telemetry"
)

// scrape gives the lines that are ours: values, kinds and helps.
func scrape(t *testing.T, m *telemetry.Metrics) map[string]bool {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("status %d, %s, %v", w.Code, w.Header().Get("Content-Type"), err)
	}
	lines := make(map[string]bool)
	for _, line := range strings.Split(string(body), "\n") {
		lines[line] = true
	}
	return lines
}

func wantLines(t *testing.T, got map[string]bool, want ...string) {
	t.Helper()
	for _, line := range want {
		if !got[line] {
			t.Errorf("no line %s", line)
		}
	}
}

// TestVerdictsAreShownFromTheStart, so that a first one is an increase.
func TestVerdictsAreShownFromTheStart(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("rotated", "replayed")
	got := scrape(t, m)
	wantLines(t, got,
		`mintmark_refresh_verdicts_total{verdict="rotated"} 0`, `mintmark_refresh_verdicts_total{verdict="replayed"} 0`,
		`mintmark_http_requests_in_flight 0`,
		`# TYPE mintmark_refresh_verdicts_total counter`, `# TYPE mintmark_http_requests_in_flight gauge`)
	for _, of := range []string{"# TYPE go_goroutines gauge", "# TYPE process_start_time_seconds gauge"} {
		if !got[of] {
			t.Errorf("nothing is told of the process: no %s", of)
		}
	}
}

// TestEachThingThatHappensIsCountedOnceUnderItsName, and nothing else is.
func TestEachThingThatHappensIsCountedOnceUnderItsName(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("rotated", "replayed")
	m.Refreshed("replayed")
	m.Refreshed("replayed")
	m.LoggedIn("refused")
	m.LoggedIn("accepted")
	m.LoggedIn("refused")
	for range 3 {
		m.Began()
	}
	m.Served("/oauth/token", "POST", http.StatusBadRequest, 30*time.Millisecond)
	m.Served("/oauth/token", "POST", http.StatusBadRequest, 2*time.Second)
	level := 1.5
	m.Gauge("mintmark_keys_age_seconds", "How long ago the keys were read.", func() float64 { return level })
	wantLines(t, scrape(t, m),
		`mintmark_refresh_verdicts_total{verdict="rotated"} 0`, `mintmark_refresh_verdicts_total{verdict="replayed"} 2`,
		`mintmark_logins_total{outcome="refused"} 2`, `mintmark_logins_total{outcome="accepted"} 1`,
		`mintmark_http_requests_in_flight 1`,
		`mintmark_http_request_duration_seconds_count{method="POST",route="/oauth/token",status="400"} 2`,
		`mintmark_http_request_duration_seconds_sum{method="POST",route="/oauth/token",status="400"} 2.03`,
		`mintmark_http_request_duration_seconds_bucket{method="POST",route="/oauth/token",status="400",le="0.025"} 0`,
		`mintmark_http_request_duration_seconds_bucket{method="POST",route="/oauth/token",status="400",le="0.05"} 1`,
		`# TYPE mintmark_keys_age_seconds gauge`, `# HELP mintmark_keys_age_seconds How long ago the keys were read.`,
		`mintmark_keys_age_seconds 1.5`)
	level = 2.5
	wantLines(t, scrape(t, m), `mintmark_keys_age_seconds 2.5`) // it is read when it is asked for
}
