package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// TestRefusalsAreExactToTheByte: status, headers and body of each kind.
func TestRefusalsAreExactToTheByte(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch(), dpop(verifier.DPoPOptional))
	h := newHolder(t, newEd25519(t))
	plain := good(firstKey(), "first", epoch)
	const realm, algs = `realm="https://orders.example.com"`, `algs="ES256 ES384 EdDSA PS256 RS256"`
	for name, c := range map[string]struct {
		policy     verifier.Policy
		scheme     string
		raw        string
		status     int
		challenges []string
		body       string
	}{
		"no token": {verifier.Policy{}, "Basic ", "dTpw", 401, []string{"Bearer " + realm, "DPoP " + realm + ", " + algs},
			`{"error":"unauthorized","error_description":"this needs an access token: send Authorization: Bearer TOKEN"}`},
		"a broken token": {verifier.Policy{}, "Bearer ", "x.", 401,
			[]string{"Bearer " + realm + `, error="invalid_token", error_description="the access token is refused: it is not a compact JWS of three parts"`},
			`{"error":"invalid_token","error_description":"the access token is refused: it is not a compact JWS of three parts"}`},
		"a scope is missing": {verifier.Policy{Scopes: []string{"orders:read", "admin"}}, "Bearer ", plain, 403,
			[]string{"Bearer " + realm + `, error="insufficient_scope", error_description="the token does not grant the scope that this needs", scope="orders:read admin"`},
			`{"error":"insufficient_scope","error_description":"the token does not grant the scope that this needs","scope":"orders:read admin"}`},
		"another way": {verifier.Policy{ACR: []string{"mfa"}, MaxAge: time.Hour}, "Bearer ", plain, 401,
			[]string{"Bearer " + realm + `, error="insufficient_user_authentication", error_description="this needs another authentication of the user", acr_values="mfa", max_age="3600"`},
			`{"error":"insufficient_user_authentication","error_description":"this needs another authentication of the user"}`},
		"too long ago": {verifier.Policy{MaxAge: time.Minute}, "Bearer ", plain, 401,
			[]string{"Bearer " + realm + `, error="insufficient_user_authentication", error_description="this needs a more recent authentication of the user", max_age="60"`},
			`{"error":"insufficient_user_authentication","error_description":"this needs a more recent authentication of the user"}`},
		"bound, a scope is missing": {verifier.Policy{Scopes: []string{"admin"}}, "DPoP ", h.raw, 403,
			[]string{"DPoP " + realm + `, error="insufficient_scope", error_description="the token does not grant the scope that this needs", scope="admin", ` + algs},
			`{"error":"insufficient_scope","error_description":"the token does not grant the scope that this needs","scope":"admin"}`},
		"bound, too long ago": {verifier.Policy{MaxAge: time.Minute}, "DPoP ", h.raw, 401,
			[]string{"DPoP " + realm + `, error="insufficient_user_authentication", error_description="this needs a more recent authentication of the user", max_age="60", ` + algs},
			`{"error":"insufficient_user_authentication","error_description":"this needs a more recent authentication of the user"}`},
	} {
		r := httptest.NewRequest(http.MethodGet, "/orders", nil)
		r.Header.Set("Authorization", c.scheme+c.raw)
		r.Header.Set("DPoP", h.proof(nil, nil))
		w := httptest.NewRecorder()
		w.Header().Set("WWW-Authenticate", "Negotiate") // of somebody before
		v.Enforce(c.policy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s: it was let in", name) })).ServeHTTP(w, r)
		want := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}, "Www-Authenticate": c.challenges}
		if diff := cmp.Diff(w.Header(), want); w.Code != c.status || diff != "" {
			t.Errorf("%s: %d (-got +want):\n%s", name, w.Code, diff)
		}
		if got := strings.TrimSpace(w.Body.String()); got != c.body {
			t.Errorf("%s: body %s, want %s", name, got, c.body)
		}
	}
}

func TestAnUnavailableAnswerHasNoChallenge(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	i.fail()
	w := request(t, i.verifier(t, atEpoch()), nil, "Bearer "+good(firstKey(), "first", epoch))
	want := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}, "Retry-After": {"1"}}
	if diff := cmp.Diff(w.Header(), want); w.Code != 503 || diff != "" {
		t.Errorf("%d (-got +want):\n%s", w.Code, diff)
	}
}

func TestResourceMetadataArePublicAndCachedForAnHour(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).verifier(t, verifier.WithResourceMetadata(verifier.Resource{}))
	path, handler := v.ResourceMetadata()
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
		if want == 200 && (w.Header().Get("Cache-Control") != "public, max-age=3600" || w.Header().Get("Access-Control-Allow-Origin") != "*") {
			t.Errorf("%s: %v", method, w.Header())
		}
		if want == 405 && (w.Header().Get("Allow") != "GET, HEAD" || w.Body.Len() > 0) {
			t.Errorf("%s: %v %s", method, w.Header(), w.Body)
		}
	}
}

// TestATokenIsPrintedInTheseWords, and logged by these names.
func TestATokenIsPrintedInTheseWords(t *testing.T) {
	t.Parallel()
	token, err := newIssuer(firstKey()).ready(t, atEpoch()).Verify(t.Context(), good(firstKey(), "first", epoch))
	if err != nil {
		t.Fatal(err)
	}
	const want = `token "0192d3a0-jti" of "0192d3a0-user" for client "first-party", session "0192d3a0-session", until 2027-01-15T08:05:00Z`
	for _, got := range []string{token.String(), token.GoString(), fmt.Sprintf("%v", *token)} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	var got []string
	for _, attribute := range token.LogValue().Group() {
		got = append(got, attribute.Key+"="+attribute.Value.String())
	}
	names := []string{"jti=0192d3a0-jti", "sub=0192d3a0-user", "client_id=first-party", "sid=0192d3a0-session", "exp=" + slog.TimeValue(epoch.Add(5*time.Minute)).String()}
	if diff := cmp.Diff(got, names); diff != "" {
		t.Errorf("logged (-got +want):\n%s", diff)
	}
}

// TestOptionsAreTakenUpToTheirBounds, and not beyond.
func TestOptionsAreTakenUpToTheirBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opts []verifier.Option
		want string // in the error; "" for none
	}{
		"leeway 0": {[]verifier.Option{verifier.WithLeeway(0)}, ""}, "leeway 60 s": {[]verifier.Option{verifier.WithLeeway(time.Minute)}, ""},
		"leeway more": {[]verifier.Option{verifier.WithLeeway(time.Minute + 1)}, "leeway"}, "leeway less": {[]verifier.Option{verifier.WithLeeway(-1)}, "leeway"},
		"no cache": {[]verifier.Option{verifier.WithCacheSize(0)}, ""}, "largest cache": {[]verifier.Option{verifier.WithCacheSize(1 << 20)}, ""},
		"larger cache": {[]verifier.Option{verifier.WithCacheSize(1<<20 + 1)}, "cache"}, "less than none": {[]verifier.Option{verifier.WithCacheSize(-1)}, "cache"},
		"first mode": {[]verifier.Option{verifier.WithStatus(verifier.StatusOn)}, ""}, "last mode": {[]verifier.Option{verifier.WithStatus(verifier.StatusOff)}, ""},
		"mode before": {[]verifier.Option{verifier.WithStatus(-1)}, "status mode"}, "mode after": {[]verifier.Option{verifier.WithStatus(3)}, "status mode"},
		"proofs off": {[]verifier.Option{dpop(verifier.DPoPOff)}, ""}, "proofs required": {[]verifier.Option{dpop(verifier.DPoPRequired)}, ""},
		"proofs before": {[]verifier.Option{dpop(-1)}, "DPoP mode"}, "proofs after": {[]verifier.Option{dpop(3)}, "DPoP mode"},
		"no client": {[]verifier.Option{verifier.WithHTTPClient(nil)}, "HTTP client"}, "no logger": {[]verifier.Option{verifier.WithLogger(nil)}, "logger"},
		"no clock": {[]verifier.Option{verifier.WithClock(nil)}, "clock"}, "no algorithm": {[]verifier.Option{verifier.WithAlgorithms("none")}, `"none"`},
		"no id": {[]verifier.Option{verifier.WithIntrospection("", "s")}, "introspection"}, "no secret": {[]verifier.Option{verifier.WithIntrospection("i", "")}, "introspection"},
		"URL": {[]verifier.Option{verifier.WithURL("https://a.example.com/x")}, ""}, "URL with a path, for proofs": {[]verifier.Option{verifier.WithURL("https://a.example.com/x"), dpop(verifier.DPoPOptional)}, "path"},
		"URL with a slash, for proofs": {[]verifier.Option{verifier.WithURL("https://a.example.com/"), dpop(verifier.DPoPOptional)}, ""},
		"documentation by http":        {[]verifier.Option{verifier.WithResourceMetadata(verifier.Resource{Documentation: "http://a.example.com/"})}, ""},
		"documentation without host":   {[]verifier.Option{verifier.WithResourceMetadata(verifier.Resource{Documentation: "https:///x"})}, "documentation"},
		"documentation by ftp":         {[]verifier.Option{verifier.WithResourceMetadata(verifier.Resource{Documentation: "ftp://a/"})}, "documentation"},
	} {
		_, err := verifier.New(issuerURL, audience, c.opts...)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error about %q", name, err, c.want)
		}
	}
	for aud, ok := range map[string]bool{"a": true, "a b": true, "a\x7f": false, "a\x1f": false, "\x00": false, "é": true} {
		if _, err := verifier.New(issuerURL, aud); (err == nil) != ok {
			t.Errorf("audience %q: %v", aud, err)
		}
	}
}

// TestAListIsFollowedAsLongAsItIsAskedAbout: a token that is remembered asks, too.
func TestAListIsFollowedAsLongAsItIsAskedAbout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		v := i.verifier(t)
		raw := s.listedFor(1, time.Hour)
		mustVerify(t, v, raw)
		time.Sleep(55 * time.Minute)
		mustVerify(t, v, raw)
		time.Sleep(61*time.Minute - time.Second)
		if synctest.Wait(); s.waiting.Load() != 1 {
			t.Error("it is followed no more, a second before it has not been asked about for 61 min")
		}
		time.Sleep(5 * time.Second)
		if synctest.Wait(); s.waiting.Load() != 0 {
			t.Error("it is still followed")
		}
	})
}

// TestAListsHostMayBeInAnyCase: the origin is the same (RFC 6454 §4).
func TestAListsHostMayBeInAnyCase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		s := serveList(i)
		s.uri = "https://AUTH.example.com/oauth/status-lists/3"
		s.revoke(1)
		v := i.verifier(t, failClosed())
		mustVerify(t, v, s.listed(2))
		mustRefuse(t, v, s.listed(1))
	})
}

// TestTooManyQuestionsFailAtOnce has a thousand callers gone, whose questions are still to be asked.
func TestTooManyQuestionsFailAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		askable(i, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		v := i.verifier(t, introspection())
		if err := v.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone, leave := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		for n := range 1024 {
			callers.Go(func() { v.Verify(gone, fmt.Sprint("opaque-", n)) })
		}
		synctest.Wait()
		leave()
		callers.Wait()
		start := time.Now()
		if _, err := v.Verify(t.Context(), "opaque"); !errors.Is(err, verifier.ErrIntrospectionUnavailable) || time.Since(start) != 0 {
			t.Errorf("one more: %v after %v", err, time.Since(start))
		}
		time.Sleep(time.Minute) // the questions end by themselves
		askable(i, active(new(atomic.Int32), nil))
		mustVerify(t, v, "opaque")
	})
}

// TestAnAnswerAboutATokenIsUsedNoLongerThanTheTokenLives, whatever the leeway, and that it was refused not for longer either.
func TestAnAnswerAboutATokenIsUsedNoLongerThanTheTokenLives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		var asked atomic.Int32
		askable(i, active(&asked, set{"exp": time.Now().Add(2 * time.Second).Unix()}))
		v := i.verifier(t, introspection(), verifier.WithLeeway(time.Minute))
		mustVerify(t, v, "opaque-token")
		time.Sleep(2*time.Second - time.Nanosecond)
		mustVerify(t, v, "opaque-token")
		if asked.Load() != 1 {
			t.Errorf("asked %d times in 2 s", asked.Load())
		}
		time.Sleep(time.Nanosecond)
		mustVerify(t, v, "opaque-token") // within the leeway, if the issuer says so
		if asked.Load() != 2 {
			t.Errorf("asked %d times, want anew of a token whose time is over", asked.Load())
		}
		askable(i, active(&asked, set{"active": false}))
		mustRefuse(t, v, "another")
		askable(i, active(&asked, nil))
		time.Sleep(4*time.Second - time.Nanosecond)
		mustRefuse(t, v, "another")
		time.Sleep(time.Nanosecond)
		mustVerify(t, v, "another")
	})
}

// TestAnIssuerWithoutIntrospectionDoesNotMakeATokenInvalid: nor is one that leads it to http.
func TestAnIssuerWithoutIntrospectionDoesNotMakeATokenInvalid(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"", "http://auth.example.com/oauth/introspect", "/oauth/introspect"} {
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Int32
			i := newIssuer(firstKey())
			client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				switch {
				case strings.HasPrefix(r.URL.Path, "/.well-known/oauth"):
					says(encodeJSON(set{"issuer": issuerURL, "jwks_uri": issuerURL + "/jwks", "introspection_endpoint": endpoint}))(w, r)
				case r.Method == http.MethodPost:
					asked.Add(1)
				default:
					says(jwks(firstKey()))(w, r)
				}
				return w.Result(), nil
			})}
			v := i.verifier(t, introspection(), verifier.WithHTTPClient(client))
			if _, err := v.Verify(t.Context(), "opaque"); !errors.Is(err, verifier.ErrIntrospectionUnavailable) || !strings.Contains(err.Error(), "introspection_endpoint") || asked.Load() != 0 {
				t.Errorf("%q: %v, asked %d times", endpoint, err, asked.Load())
			}
			mustVerify(t, v, good(firstKey(), "first", time.Now()))
		})
	}
}
