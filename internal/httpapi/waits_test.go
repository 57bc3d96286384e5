package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
)

// deadlined is an answer whose connection has a read deadline, or refuses it.
type deadlined struct {
	*httptest.ResponseRecorder
	set func(until time.Time) error
}

func (d deadlined) SetReadDeadline(until time.Time) error { return d.set(until) }

// listing is a server with one list and its background task, in a bubble.
func listing(t *testing.T, places int) *Server {
	t.Helper()
	s := newListing(t, revocation.New(revocation.Config{Store: nothingRevoked{}, Signer: newSigner(t)}))
	s.waiters = newPlaces(places, (places+1)/2)
	if err := s.Lists.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// tended refreshes the lists until the function it returns is called.
func tended(t *testing.T, s *Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := s.Lists.Refresh(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// waitFor asks like a caller that has the list, and returns how long that took.
func waitFor(ctx context.Context, s *Server, etag, query string, set func(time.Time) error) (got *httptest.ResponseRecorder, took time.Duration) {
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/oauth/status-lists/0"+query, nil)
	req.Header.Set("If-None-Match", etag)
	got = httptest.NewRecorder()
	begun := time.Now()
	s.Public().ServeHTTP(deadlined{got, set}, req)
	return got, time.Since(begun)
}

func TestAWaitIsAsLongAsWasAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := listing(t, 10)
		defer tended(t, s)()
		etag := askList(t, s, "", "").Header().Get("ETag")
		for query, want := range map[string]struct {
			status int
			took   time.Duration
		}{
			"":                {304, 0},
			"?wait=0":         {304, 0},
			"?wait=1":         {304, time.Second},
			"?wait=25":        {304, 25 * time.Second},
			"?wait=26":        {400, 0},
			"?wait=-1":        {400, 0},
			"?wait=+1":        {400, 0},
			"?wait=01":        {400, 0},
			"?wait=1.5":       {400, 0},
			"?wait=":          {400, 0},
			"?wait=1s":        {400, 0},
			"?wait=1&wait=1":  {400, 0},
			"?wait=1&time=1":  {501, 0},
			"?other=1&wait=2": {304, 2 * time.Second},
		} {
			var deadline time.Time
			begun := time.Now()
			got, took := waitFor(t.Context(), s, etag, query, func(until time.Time) error { deadline = until; return nil })
			if got.Code != want.status || took != want.took {
				t.Errorf("%s: %d after %s, want %d after %s", query, got.Code, took, want.status, want.took)
			}
			if got.Code == http.StatusNotModified && (got.Header().Get("ETag") != etag || got.Header().Get("Cache-Control") != statusListCache || got.Body.Len() > 0) {
				t.Errorf("%s: header %v, %d octets", query, got.Header(), got.Body.Len())
			}
			// The server's own deadline is meant for requests that are read.
			if want.took > 0 && !deadline.Equal(begun.Add(want.took+waitSlack)) || want.took == 0 && !deadline.IsZero() {
				t.Errorf("%s: read deadline after %s", query, deadline.Sub(begun))
			}
			if s.Waiting() != 0 {
				t.Errorf("%s: %d places are taken after it", query, s.Waiting())
			}
		}
	})
}

// TestAPlaceToWaitIsGivenBack however the wait ends; else nobody could wait in the end.
func TestAPlaceToWaitIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := listing(t, 1)
		etag := askList(t, s, "", "").Header().Get("ETag")
		gone, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, hangUp)
		defer hangUp()
		fine := func(time.Time) error {
			if s.Waiting() != 1 {
				t.Errorf("%d wait, want 1", s.Waiting())
			}
			return nil
		}
		for _, c := range []struct {
			name   string
			ctx    context.Context
			set    func(time.Time) error
			status int
		}{
			{"the deadline can't be set", t.Context(), func(time.Time) error { return errors.New("not here") }, 503},
			{"a panic", t.Context(), func(time.Time) error { panic("x") }, 500},
			{"the caller hangs up", gone, fine, statusHungUp},
			{"the list grows stale", t.Context(), fine, 503}, // nobody tends it here
		} {
			if c.ctx == gone {
				if err := s.Lists.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			got, _ := waitFor(c.ctx, s, etag, "?wait=25", c.set)
			if got.Code != c.status || s.Waiting() != 0 {
				t.Errorf("%s: %d and %d places taken, want %d and none", c.name, got.Code, s.Waiting(), c.status)
			}
		}
	})
}

// TestAShutdownEndsEveryWait with the answer that nothing is new.
func TestAShutdownEndsEveryWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := listing(t, 10)
		defer tended(t, s)()
		etag := askList(t, s, "", "").Header().Get("ETag")
		time.AfterFunc(3*time.Second, s.Lists.Stop)
		if got, took := waitFor(t.Context(), s, etag, "?wait=25", func(time.Time) error { return nil }); got.Code != http.StatusNotModified || took != 3*time.Second {
			t.Errorf("%d after %s, want 304 after 3s", got.Code, took)
		}
	})
}

func TestAListHasOneSpelling(t *testing.T) {
	t.Parallel()
	s := listing(t, 0)
	get := func(n string) *httptest.ResponseRecorder {
		got := httptest.NewRecorder()
		s.Public().ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/oauth/status-lists/"+n, nil))
		return got
	}
	for n, status := range map[string]int{
		"0": 200, "1": 200, "2": 404, "00": 404, "01": 404, "+0": 404, "-0": 404, "-1": 404, "x": 404, "0x0": 404, "99999999999999999999": 404,
	} {
		got := get(n)
		if got.Code != status {
			t.Errorf("%s: %d %s, want %d", n, got.Code, got.Body, status)
		}
		if status == 200 && (got.Header().Get("Content-Type") != "application/statuslist+jwt" || got.Header().Get("Cache-Control") != "public, no-cache") {
			t.Errorf("%s: header %v", n, got.Header())
		}
	}
	if get("0").Body.String() == get("1").Body.String() {
		t.Error("two lists are one")
	}
}

func TestIfNoneMatchIsReadUpToItsBound(t *testing.T) {
	t.Parallel()
	for size, long := range map[int]bool{maxIfNoneMatch: false, maxIfNoneMatch + 1: true} {
		text := make([]byte, size)
		if _, err := heldOf(http.Header{"If-None-Match": {string(text)}}); errors.Is(err, errIfNoneMatch) != long {
			t.Errorf("%d octets: %v", size, err)
		}
	}
}
