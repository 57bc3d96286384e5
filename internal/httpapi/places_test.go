package httpapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
)

func TestPlacesAreBoundedInAllAndForOneSubscriber(t *testing.T) {
	t.Parallel()
	p := newPlaces(4)
	for _, step := range []struct {
		subscriber string
		want       bool
	}{{"a", true}, {"a", true}, {"a", false}, {"b", true}, {"", true}, {"c", false}, {"", false}} {
		if got := p.take(step.subscriber); got != step.want {
			t.Errorf("a place for %q: %v, want %v", step.subscriber, got, step.want)
		}
	}
	p.leave("a")
	if p.taken() != 3 || !p.take("a") || p.take("a") {
		t.Error("a place that was left is not there again, once")
	}
}

// TestWhoCannotWaitIsToldSo, and whoever asks a process that has read nothing yet.
func TestWhoCannotWaitIsToldSo(t *testing.T) {
	t.Parallel()
	s, err := New(Config{
		Issuer: "http://localhost:1", Observer: deaf{}, Log: slog.New(slog.DiscardHandler), Lists: revocation.New(revocation.Config{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.waiters = newPlaces(0)
	for target, want := range map[string]string{
		"/oauth/status-lists/0?wait=25": "too many requests wait already; ask without wait, as often as the ttl of the list says",
		"/oauth/status-lists/0?wait=0":  "what was revoked is not known at the moment; try again as Retry-After says",
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		req.Header.Set("If-None-Match", `"1.0.x"`)
		got := httptest.NewRecorder()
		s.Public().ServeHTTP(got, req)
		if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") != "1" || !strings.Contains(got.Body.String(), want) {
			t.Errorf("%s: %d, Retry-After %q, %s; want 503, 1 and %q", target, got.Code, got.Header().Get("Retry-After"), got.Body, want)
		}
	}
}

type deaf struct{}

func (deaf) Began()                                    {}
func (deaf) Served(string, string, int, time.Duration) {}
