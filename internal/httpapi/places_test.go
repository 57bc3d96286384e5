package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/token"
)

func TestPlacesAreBoundedInAllAndForOneSubscriber(t *testing.T) {
	t.Parallel()
	p := newPlaces(4, 2)
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
	for _, subscriber := range []string{"a", "a", "b", ""} {
		p.leave(subscriber)
	}
	if p.taken() != 0 || len(p.by) != 0 {
		t.Errorf("%d places are taken, and %v is remembered of who has left", p.taken(), p.by)
	}
	odd := newPlaces(3, 2)
	for i := range 3 {
		if got := odd.take("a"); got != (i < 2) {
			t.Errorf("of three places, one subscriber's place %d: %v", i+1, got)
		}
	}
}

// TestWithoutAPlaceToWaitTheAnswerComesAtOnce, and it is never 503 while the list is known.
func TestWithoutAPlaceToWaitTheAnswerComesAtOnce(t *testing.T) {
	t.Parallel()
	ignorant := newListing(t, revocation.New(revocation.Config{}))
	s := newListing(t, revocation.New(revocation.Config{Store: nothingRevoked{}, Signer: newSigner(t)}))
	if err := s.Lists.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	has := askList(t, s, "", `"1.0.x"`).Header().Get("ETag")
	for _, c := range []struct {
		server      *Server
		query, etag string
		status      int
		says        string
	}{
		{s, "?wait=25", has, 304, ""},
		{s, "?wait=25", `"1.0.x"`, 200, ""},
		{s, "?wait=25", "", 200, ""},
		{s, "?wait=0", has, 304, ""},
		{s, "", has, 304, ""},
		{ignorant, "?wait=25", has, 503, "what was revoked is not known at the moment; try again as Retry-After says"},
	} {
		got := askList(t, c.server, c.query, c.etag)
		if got.Code != c.status || !strings.Contains(got.Body.String(), c.says) || (got.Code == 503) != isSoon(got.Header()) {
			t.Errorf("%q with %q: %d, Retry-After %q, %.99q; want %d and %q", c.query, c.etag, got.Code, got.Header().Get("Retry-After"), got.Body, c.status, c.says)
		}
	}
}

// TestALongIfNoneMatchIsRefused, in one field or in many, and is not kept by a request that waits.
func TestALongIfNoneMatchIsRefused(t *testing.T) {
	t.Parallel()
	s := newListing(t, revocation.New(revocation.Config{Store: nothingRevoked{}, Signer: newSigner(t)}))
	if err := s.Lists.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := askList(t, s, "", strings.Repeat(`"1.0.x", `, 200)); got.Code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("one of 1800 octets: %d, want 431", got.Code)
	}
	has := askList(t, s, "", "").Header().Get("ETag")
	header := http.Header{"If-None-Match": {`"x"`, has}}
	held, err := heldOf(header)
	if err != nil || len(header) > 0 {
		t.Errorf("%v, and %v is kept", err, header)
	}
	if _, fresh, err := s.Lists.Newer(t.Context(), 0, held, 0); fresh || err != nil {
		t.Errorf("the tag in the second field does not count: %v", err)
	}
	header = http.Header{"If-None-Match": slices.Repeat([]string{has}, 40)}
	if _, err := heldOf(header); err == nil {
		t.Error("forty fields are read")
	}
}

func isSoon(header http.Header) bool {
	return slices.Contains([]string{"1", "2"}, header.Get("Retry-After"))
}

// TestCallersWithAStaleListRetryAtSpreadTimes: they all asked in the same moment.
func TestCallersWithAStaleListRetryAtSpreadTimes(t *testing.T) {
	t.Parallel()
	s := newListing(t, revocation.New(revocation.Config{}))
	said := make(map[string]bool)
	for range 64 {
		header := askList(t, s, "", "").Header()
		said[header.Get("Retry-After")] = true
		if header.Get("Connection") != "close" {
			t.Fatal("the connection to a replica that does not know is kept")
		}
	}
	if len(said) != 2 || !said["1"] || !said["2"] {
		t.Errorf("Retry-After is one of %v, want 1 and 2", said)
	}
}

// TestExpectedOutcomesOfAListAreNotLoggedAsErrors, which thousands could fill in a second; nor does it end a connection.
func TestExpectedOutcomesOfAListAreNotLoggedAsErrors(t *testing.T) {
	t.Parallel()
	s := newListing(t, revocation.New(revocation.Config{Store: nothingRevoked{}, Signer: newSigner(t)}))
	var log bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if got := askList(t, s, "", ""); got.Code != http.StatusServiceUnavailable {
		t.Errorf("before anything was read: %d", got.Code)
	}
	if err := s.Lists.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for query, status := range map[string]int{"?time=1": 501, "?wait=x": 400, "?wait=1;a": 400, "?wait=%zz": 400} {
		if got := askList(t, s, query, ""); got.Code != status || got.Header().Get("Connection") != "" {
			t.Errorf("%s: %d, Connection %q; want %d", query, got.Code, got.Header().Get("Connection"), status)
		}
	}
	if log.Len() > 0 {
		t.Errorf("the log says\n%s", &log)
	}
}

// TestAListIsAskedForWithoutABody, whose octets would end a wait; the connection ends instead.
func TestAListIsAskedForWithoutABody(t *testing.T) {
	t.Parallel()
	s := newListing(t, revocation.New(revocation.Config{Store: nothingRevoked{}, Signer: newSigner(t)}))
	if err := s.Lists.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		req := httptest.NewRequestWithContext(t.Context(), method, "/oauth/status-lists/0", strings.NewReader("x"))
		got := httptest.NewRecorder()
		s.Public().ServeHTTP(got, req)
		if got.Code != http.StatusBadRequest || got.Header().Get("Connection") != "close" {
			t.Errorf("%s: %d, Connection %q; want 400 and close", method, got.Code, got.Header().Get("Connection"))
		}
	}
}

// TestAPageMaySayWhichListItHas: browsers ask before they send If-None-Match.
func TestAPageMaySayWhichListItHas(t *testing.T) {
	t.Parallel()
	s := newListing(t, revocation.New(revocation.Config{}))
	req := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/oauth/status-lists/0", nil)
	req.Header.Set("Origin", "https://anywhere.example")
	req.Header.Set("Access-Control-Request-Method", http.MethodGet)
	req.Header.Set("Access-Control-Request-Headers", "if-none-match")
	got := httptest.NewRecorder()
	s.Public().ServeHTTP(got, req)
	if got.Code != http.StatusNoContent || !strings.Contains(got.Header().Get("Access-Control-Allow-Headers"), "If-None-Match") {
		t.Errorf("%d %v", got.Code, got.Header())
	}
}

// newListing is a server of lists with no place to wait.
func newListing(t *testing.T, lists *revocation.Lists) *Server {
	t.Helper()
	s, err := New(Config{Issuer: "http://localhost:1", PublicHosts: AnyHost(), Observer: deaf{}, Log: slog.New(slog.DiscardHandler), Lists: lists})
	if err != nil {
		t.Fatal(err)
	}
	s.waiters = newPlaces(0, 0)
	return s
}

// TestFollowersOfListsDoNotFillTheLog, whether the list has changed or not; refusals are for everybody.
func TestFollowersOfListsDoNotFillTheLog(t *testing.T) {
	t.Parallel()
	lists := revocation.New(revocation.Config{Issuer: "http://localhost:1", Store: nothingRevoked{}, Signer: newSigner(t)})
	s := newListing(t, lists)
	var log bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := s.Lists.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := askList(t, s, "", "")
	if first.Code != http.StatusOK || log.Len() > 0 {
		t.Fatalf("%d, log %q; want a list and no line", first.Code, &log)
	}
	if again := askList(t, s, "", first.Header().Get("ETag")); again.Code != http.StatusNotModified || log.Len() > 0 {
		t.Errorf("%d, log %q; want 304 and no line", again.Code, &log)
	}
	if refused := askList(t, s, "?wait=soon", ""); refused.Code != http.StatusBadRequest || !strings.Contains(log.String(), "served") {
		t.Errorf("%d, log %q; want a refusal, and a line", refused.Code, &log)
	}
}

func askList(t *testing.T, s *Server, query, etag string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/oauth/status-lists/0"+query, nil)
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	got := httptest.NewRecorder()
	s.Public().ServeHTTP(got, req)
	return got
}

type nothingRevoked struct{}

func (nothingRevoked) Revoked(context.Context, revocation.Page) (revocation.Reading, error) {
	return revocation.Reading{Now: time.Now()}, nil
}

func newSigner(t *testing.T) func(time.Time) (*token.Signer, error) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner("k1", key)
	return func(time.Time) (*token.Signer, error) { return signer, err }
}

type deaf struct{}

func (deaf) Began()                                    {}
func (deaf) Served(string, string, int, time.Duration) {}
