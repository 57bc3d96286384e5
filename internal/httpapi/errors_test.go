package httpapi

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/httpapi/guard"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/oauth"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/user"
)

var update = flag.Bool("update", false, "write the golden files of what was got")

// failing is a server with one route that fails with the given error, in either spelling.
func failing(t *testing.T, log *bytes.Buffer, handle func(c *gin.Context) error) http.Handler {
	t.Helper()
	return failingServer(t, log).engine(surfaces{
		{firstPartyPrefix, apiHeaders, refuseInEnvelope, []route{{"POST", firstPartyPrefix + "fails", noBody, noOrigin, guard.Public(handle)}}},
		{"/oauth/", apiHeaders, refuseInOAuth, []route{{"POST", "/oauth/fails", noBody, noOrigin, guard.Public(handle)}}},
	}, AnyHost())
}

func failingServer(t *testing.T, log *bytes.Buffer) *Server {
	t.Helper()
	s, err := New(Config{Issuer: "http://localhost:1", PublicHosts: AnyHost(), Observer: deaf{}, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "request" || a.Key == "took_ms" {
				return slog.Attr{}
			}
			return a
		},
	}))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fail(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	got := httptest.NewRecorder()
	h.ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil))
	return got
}

// wrapped is an error as it comes from below: in a sentence of its own.
func wrapped(err error) error { return fmt.Errorf("do a thing with secrets: %w", err) }

type named struct {
	name string
	err  error
}

// mappedErrors is every error that has an answer of its own, and two that have none.
func mappedErrors() []named {
	return []named{
		{"request", errRequest}, {"host", errHost}, {"not found", errNotFound}, {"method", errMethod}, {"URI too long", errURITooLong},
		{"slow body", errSlowBody}, {"headers", errHeaders}, {"panic", errPanic},
		{"wait", errWait}, {"If-None-Match", errIfNoneMatch}, {"history", errHistory}, {"lists are stale", revocation.ErrStale},
		{"Basic", errBasic}, {"no bearer", errNoBearer}, {"bearers", errBearers},
		{"credentials", authority.ErrCredentials}, {"grant", authority.ErrGrant}, {"client", authority.ErrClient},
		{"bearer", authority.ErrBearer}, {"session", authority.ErrSession}, {"access token", authority.ErrAccessToken},
		{"registration closed", authority.ErrRegistrationClosed},
		{"username taken", user.ErrUsernameTaken}, {"email taken", user.ErrEmailTaken},
	}
}

// TestEveryErrorHasTheOneAnswer compares the answers with testdata/answers.txt, which -update writes.
func TestEveryErrorHasTheOneAnswer(t *testing.T) {
	t.Parallel()
	errs := mappedErrors()
	if got, want := len(errs), len(knownAnswers()); got != want {
		t.Errorf("%d errors are listed here, %d have an answer", got, want)
	}
	errs = append(errs, []named{
		{"refused by a rule of OAuth", oauth.Refuse(oauth.InvalidScope, "the scope is wide")},
		{"invalid registration", &authority.InvalidRegistration{Problems: []user.Problem{"one", "two"}}},
		{"body too large", &http.MaxBytesError{Limit: 1}},
		{"too many, to the second", &ratelimit.Exceeded{RetryAfter: 3 * time.Second}},
		{"too many, and a little more", &ratelimit.Exceeded{RetryAfter: 3*time.Second + 1}},
		{"too many, for a moment", &ratelimit.Exceeded{RetryAfter: 1}},
		{"hashing is busy", user.ErrBusy}, {"keys are stale", keyring.ErrStale}, {"a store that takes too long", context.DeadlineExceeded},
		{"unknown", errors.New("connect to 10.0.0.1: password authentication failed")},
	}...)
	var got strings.Builder
	for _, e := range errs {
		for _, path := range []string{"/oauth/fails", firstPartyPrefix + "fails"} {
			h := failing(t, &bytes.Buffer{}, func(*gin.Context) error { return wrapped(e.err) })
			answer := fail(t, h, path)
			fmt.Fprintf(&got, "%s\n  %d", e.name, answer.Code)
			if after := answer.Header().Get("Retry-After"); after != "" {
				fmt.Fprintf(&got, ", Retry-After %s", spread(t, h, path, after))
			}
			if challenge := answer.Header().Get("WWW-Authenticate"); challenge != "" {
				fmt.Fprintf(&got, ", WWW-Authenticate %s", challenge)
			}
			fmt.Fprintf(&got, "\n  %s\n", answer.Body)
		}
	}
	golden := filepath.Join("testdata", "answers.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// spread is the range that a Retry-After is drawn from, or the one that it always is.
func spread(t *testing.T, h http.Handler, path, first string) string {
	t.Helper()
	least, most := first, first
	for range 64 {
		after := fail(t, h, path).Header().Get("Retry-After")
		least, most = min(least, after), max(most, after)
	}
	if least == most {
		return least
	}
	return least + " to " + most
}

// TestTheLogReportsTroubleAndNotRefusals: an operator is only woken by what they can fix.
func TestTheLogReportsTroubleAndNotRefusals(t *testing.T) {
	t.Parallel()
	const at = ` msg="request not served" route=/oauth/fails err="do a thing with secrets: `
	for err, want := range map[error]string{
		errors.New("the disk is full"): "level=ERROR" + at + `the disk is full"`,
		user.ErrBusy:                   "level=ERROR" + at + user.ErrBusy.Error() + `"`,
		errPanic:                       "level=ERROR" + at + errPanic.Error() + `"`,
		revocation.ErrStale:            "level=DEBUG" + at + revocation.ErrStale.Error() + `"`,
		errHistory:                     "",
		errRequest:                     "",
		authority.ErrGrant:             "",
		context.Canceled:               "level=ERROR" + at + context.Canceled.Error() + `"`, // not by the caller
	} {
		var log bytes.Buffer
		answer := fail(t, failing(t, &log, func(*gin.Context) error { return wrapped(err) }), "/oauth/fails")
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		served := fmt.Sprintf("level=INFO msg=served method=POST route=/oauth/fails status=%d address=192.0.2.1", answer.Code)
		if got := strings.Join(lines[:len(lines)-1], "\n"); got != want || lines[len(lines)-1] != served {
			t.Errorf("%v: the log says\n%s\nwant\n%s\n%s", err, &log, want, served)
		}
	}
}

// TestACallerThatHungUpGetsNoAnswer, but one that has not hung up is asked to try again,
// whatever call was cancelled.
func TestACallerThatHungUpGetsNoAnswer(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := failing(t, &log, func(*gin.Context) error { return wrapped(context.Canceled) })
	if got := fail(t, h, "/oauth/fails"); got.Code != http.StatusServiceUnavailable || got.Body.Len() == 0 {
		t.Errorf("who waits: %d %q, want 503", got.Code, got.Body)
	}
	log.Reset()
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	got := httptest.NewRecorder()
	h.ServeHTTP(got, httptest.NewRequestWithContext(gone, http.MethodPost, "/oauth/fails", nil))
	if got.Code != statusHungUp || got.Body.Len() > 0 || strings.Contains(log.String(), "ERROR") {
		t.Errorf("who hung up: %d %q, want %d and nothing; log %s", got.Code, got.Body, statusHungUp, &log)
	}
}

// TestWhatWasBegunIsNotAnsweredTwice: an error after the first octets can only be logged.
func TestWhatWasBegunIsNotAnsweredTwice(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	got := fail(t, failing(t, &log, func(c *gin.Context) error {
		c.String(http.StatusOK, "half of")
		return errors.New("the disk is full")
	}), "/oauth/fails")
	if got.Code != http.StatusOK || got.Body.String() != "half of" || !strings.Contains(log.String(), "the disk is full") {
		t.Errorf("%d %q, log %s", got.Code, got.Body, &log)
	}
}

// TestAPanicRevealsNothing, neither to the caller nor, unless the runtime found it, to the log.
func TestAPanicRevealsNothing(t *testing.T) {
	t.Parallel()
	var nowhere map[string]int
	for name, c := range map[string]struct {
		panics func()
		says   string
	}{
		"a text":  {func() { panic("password hunter2") }, `panic=string`},
		"a type":  {func() { panic(errors.New("password hunter2")) }, `panic=*errors.errorString`},
		"runtime": {func() { nowhere["x"] = 1 }, `panic="assignment to entry in nil map"`},
	} {
		for path, body := range map[string]string{
			"/oauth/fails":             `{"error":"server_error"}`,
			firstPartyPrefix + "fails": `{"message":"An unexpected error occurred.","data":null,"statusCode":500,"code":"unexpected_error"}`,
		} {
			var log bytes.Buffer
			got := fail(t, failing(t, &log, func(*gin.Context) error { c.panics(); return nil }), path)
			if got.Code != http.StatusInternalServerError || got.Body.String() != body || got.Header().Get("Connection") != "close" {
				t.Errorf("%s: %d %s, Connection %q; want 500 %s and close", name, got.Code, got.Body, got.Header().Get("Connection"), body)
			}
			if got.Header().Get("X-Frame-Options") != "DENY" || got.Header().Get("X-Request-Id") == "" {
				t.Errorf("%s: header %v", name, got.Header())
			}
			first, _, _ := strings.Cut(log.String(), "\n")
			if strings.Contains(log.String(), "hunter2") || !strings.HasPrefix(first, "level=ERROR msg=panic "+c.says+" at=") ||
				!strings.Contains(first, "errors_test.go:") || !strings.HasSuffix(first, " route="+path) {
				t.Errorf("%s: the log says\n%s", name, &log)
			}
			if !strings.Contains(log.String(), "status=500") {
				t.Errorf("%s: the request is not counted:\n%s", name, &log)
			}
		}
	}
}
