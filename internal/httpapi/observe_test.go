package httpapi_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRequestsAreCountedByTheirRoute: what a caller invents is no label and no line of the log.
func TestRequestsAreCountedByTheirRoute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		asked
		want observed
	}{
		{asked{method: "GET", path: "/livez"}, observed{"/livez", "GET", 200}},
		{asked{method: "HEAD", path: "/livez"}, observed{"/livez", "HEAD", 200}},
		{asked{method: "POST", path: "/API/authentication/LOGIN"}, observed{"/api/authentication/login", "POST", 400}},
		{asked{method: "DELETE", path: sessionsPath + "/invented"}, observed{sessionsPath + "/:sid", "DELETE", 400}},
		{asked{method: "GET", path: "/invented"}, observed{"none", "GET", 404}},
		{asked{method: "PUT", path: "/livez"}, observed{"none", "PUT", 405}},
		{asked{method: "PATCH", path: "/livez"}, observed{"none", "PATCH", 405}},
		{asked{method: "OPTIONS", path: "/livez"}, observed{"none", "OPTIONS", 405}},
		{asked{method: "INVENTED", path: "/livez"}, observed{"none", "other", 405}},
		{asked{method: "get", path: "/livez"}, observed{"none", "other", 405}},
		{asked{method: "GET", path: "/livez?" + strings.Repeat("x", 9000)}, observed{"/livez", "GET", 414}},
	} {
		s := newStage(t, nil)
		got := s.ask(t, c.asked)
		if diff := cmp.Diff([]observed{c.want}, s.observed, cmp.AllowUnexported(observed{})); diff != "" {
			t.Errorf("%s %.30s (-want +got):\n%s", c.method, c.path, diff)
		}
		line := s.log.String()
		if strings.Contains(line, "nvented") || !strings.Contains(line, " request="+got.Header().Get("X-Request-Id")) || !regexp.MustCompile(` took_ms=[0-9.]+ address=192.0.2.7 `).MatchString(line) {
			t.Errorf("%s %.30s: the log says %s", c.method, c.path, line)
		}
	}
}

func TestEveryRequestHasAnIdOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	a := asked{method: "GET", path: "/livez", header: http.Header{"X-Request-Id": {"forged"}}}
	if first, second := s.ask(t, a).Header().Get("X-Request-Id"), s.ask(t, a).Header().Get("X-Request-Id"); first == second || first == "forged" {
		t.Errorf("%s and %s", first, second)
	}
}
