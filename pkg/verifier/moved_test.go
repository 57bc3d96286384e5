package verifier_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// moving is an issuer whose keys move from one URL to another.
type moving struct {
	moved    atomic.Bool      // the metadata say so
	old      http.HandlerFunc // what is at the old URL once they have moved
	metadata atomic.Int32     // requests for them
}

func (m *moving) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	switch {
	case strings.HasPrefix(r.URL.Path, "/.well-known/"):
		m.metadata.Add(1)
		at := "old"
		if m.moved.Load() {
			at = "new"
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":"%s/%s"}`, issuerURL, issuerURL, at)
	case r.URL.Path == "/new":
		io.WriteString(w, jwks(firstKey(), secondKey()))
	case m.moved.Load():
		m.old(w, r)
	default:
		io.WriteString(w, jwks(firstKey()))
	}
	if w.Code == http.StatusTeapot {
		return nil, errors.New("connection refused")
	}
	return w.Result(), nil
}

func (m *moving) verifier(t *testing.T) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(issuerURL, audience, verifier.WithHTTPClient(&http.Client{Transport: m}), verifier.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAChangedJWKSURIIsFollowedAfterAFailure: whatever is wrong at the old URL, the next fetch reads the metadata again.
func TestAChangedJWKSURIIsFollowedAfterAFailure(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]http.HandlerFunc{
		"gone":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
		"no answer":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"HTML":         says("<html>"),
		"no keys":      says(`{"keys":[]}`),
		"a panic":      func(http.ResponseWriter, *http.Request) { panic("broken") },
		"it redirects": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/new", http.StatusMovedPermanently) },
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &moving{old: old}
			v := m.verifier(t)
			mustVerify(t, v, good(firstKey(), "first", time.Now()))
			m.moved.Store(true)
			time.Sleep(10 * time.Second)
			raw := good(secondKey(), "second", time.Now())
			if _, err := v.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrKeysUnavailable) {
				t.Errorf("%s: while the old URL is believed: %v, want ErrKeysUnavailable", name, err)
			}
			time.Sleep(10 * time.Second)
			if _, err := v.Verify(t.Context(), raw); err != nil || m.metadata.Load() != 2 {
				t.Errorf("%s: after the cool-down: %v, and the metadata were read %d times; want a good token, and twice", name, err, m.metadata.Load())
			}
		})
	}
}

// TestAChangedJWKSURIIsFollowedAfterAnHour has the old URL serve the old keys on.
func TestAChangedJWKSURIIsFollowedAfterAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &moving{old: says(jwks(firstKey()))}
		v := m.verifier(t)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
		m.moved.Store(true)
		time.Sleep(time.Hour)
		if _, err := v.Verify(t.Context(), good(secondKey(), "second", time.Now())); !errors.Is(err, verifier.ErrInvalidToken) || m.metadata.Load() != 1 {
			t.Errorf("after an hour: %v, and the metadata were read %d times; want ErrInvalidToken, and once", err, m.metadata.Load())
		}
		time.Sleep(10 * time.Second)
		if _, err := v.Verify(t.Context(), good(secondKey(), "second", time.Now())); err != nil || m.metadata.Load() != 2 {
			t.Errorf("after more than an hour: %v, and the metadata were read %d times; want a good token, and twice", err, m.metadata.Load())
		}
		time.Sleep(30 * time.Minute) // the hour has begun anew
		if _, err := v.Verify(t.Context(), good(secondKey(), "third", time.Now())); !errors.Is(err, verifier.ErrInvalidToken) || m.metadata.Load() != 2 {
			t.Errorf("half an hour later: %v, and the metadata were read %d times", err, m.metadata.Load())
		}
	})
}
