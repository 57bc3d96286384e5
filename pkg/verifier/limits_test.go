package verifier_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

func TestATokenThatLivesTooLongIsRefused(t *testing.T) {
	t.Parallel()
	i := newIssuer(firstKey())
	day := int64(24 * 60 * 60)
	for name, c := range map[string]struct {
		life    int64 // in seconds
		options []verifier.Option
		ok      bool
	}{
		"a day":                  {day, nil, true},
		"a second more":          {day + 1, nil, false},
		"ten years":              {3650 * day, nil, false},
		"an hour of an hour":     {3600, []verifier.Option{verifier.WithMaxAge(time.Hour)}, true},
		"a second more than it":  {3601, []verifier.Option{verifier.WithMaxAge(time.Hour)}, false},
		"a week where it is set": {7 * day, []verifier.Option{verifier.WithMaxAge(7 * 24 * time.Hour)}, true},
	} {
		v := i.ready(t, append(c.options, atEpoch())...)
		_, err := v.Verify(t.Context(), sign(firstKey(), goodHeader, claims(epoch, set{"exp": epoch.Unix() + c.life})))
		if c.ok != (err == nil) || (err != nil && (!errors.Is(err, verifier.ErrInvalidToken) || !strings.Contains(err.Error(), "live longer"))) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, d := range []time.Duration{0, -time.Second} {
		if _, err := verifier.New(issuerURL, audience, verifier.WithMaxAge(d)); err == nil {
			t.Errorf("a maximum age of %v is accepted", d)
		}
	}
}

func TestTimesInMillisecondsAreRefusedAsSuch(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch())
	for _, claim := range []string{"iat", "exp", "nbf", "auth_time"} {
		for _, value := range []any{epoch.UnixMilli(), epoch.UnixMicro(), epoch.UnixNano(), float64(epoch.UnixMilli()) + 0.5, int64(100_000_000_000)} {
			_, err := v.Verify(t.Context(), sign(firstKey(), goodHeader, claims(epoch, set{claim: value})))
			if !errors.Is(err, verifier.ErrInvalidToken) || !strings.Contains(err.Error(), claim+" is no number of seconds, but of milliseconds") {
				t.Errorf("%s of %v: %v", claim, value, err)
			}
		}
	}
}

// TestAPreflightIsAnsweredByItsHandlerAndNeverByTheService: anybody can send one.
func TestAPreflightIsAnsweredByItsHandlerAndNeverByTheService(t *testing.T) {
	t.Parallel()
	i := newIssuer(firstKey())
	allow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	with, without := i.ready(t, atEpoch(), verifier.WithPreflight(allow)), i.ready(t, atEpoch())
	preflight := http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"POST"}}
	changed := func(name string, values ...string) http.Header {
		h := preflight.Clone()
		if h[name] = values; len(values) == 0 {
			delete(h, name)
		}
		return h
	}
	for name, c := range map[string]struct {
		v      *verifier.Verifier
		method string
		header http.Header
		want   int
	}{
		"a preflight":                         {with, "OPTIONS", preflight, 204},
		"one without the option":              {without, "OPTIONS", preflight, 401},
		"another method":                      {with, "POST", preflight, 401},
		"no origin":                           {with, "OPTIONS", changed("Origin"), 401},
		"no method to ask for":                {with, "OPTIONS", changed("Access-Control-Request-Method"), 401},
		"an empty one":                        {with, "OPTIONS", changed("Access-Control-Request-Method", ""), 401},
		"with a bad token":                    {with, "OPTIONS", changed("Authorization", "Bearer x"), 401},
		"OPTIONS with a good token":           {with, "OPTIONS", changed("Authorization", "Bearer "+good(firstKey(), "first", epoch)), 200},
		"in small letters: no method of HTTP": {with, "options", preflight, 401},
	} {
		served := false
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/orders", nil)
		r.Header = c.header
		w := httptest.NewRecorder()
		c.v.Require("orders:read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served = true
			io.WriteString(w, verifier.FromContext(r.Context()).Subject)
		})).ServeHTTP(w, r)
		if w.Code != c.want || served != (c.want == 200) {
			t.Errorf("%s: %d, and the service was reached: %t; want %d", name, w.Code, served, c.want)
		}
	}
	if _, err := verifier.New(issuerURL, audience, verifier.WithPreflight(nil)); err == nil {
		t.Error("a preflight without a handler is accepted")
	}
}

// TestAReplayAfterTheClockWentForwardAndBackIsRefused is DPO-07.
func TestAReplayAfterTheClockWentForwardAndBackIsRefused(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{90 * time.Second, 3 * time.Minute, time.Hour, 240 * time.Hour} {
		var later atomic.Int64
		now := func() time.Time { return epoch.Add(time.Duration(later.Load())) }
		v := newIssuer(firstKey()).ready(t, verifier.WithClock(now), dpop(verifier.DPoPRequired))
		h := newHolder(t, newEd25519(t))
		proof := h.proof(nil, set{"iat": epoch.Unix()})
		if w := send(v, "GET", "/orders", "DPoP "+h.raw, proof); w.Code != 200 {
			t.Fatalf("the proof: %d %s", w.Code, w.Body)
		}
		for range 3 { // long enough to forget it
			later.Add(int64(away))
			raw := sign(firstKey(), goodHeader, claims(now(), set{"cnf": set{"jkt": thumbprint(t, h.jwk)}}))
			then := holder{h.signer, raw}
			send(v, "GET", "/orders", "DPoP "+raw, then.proof(nil, set{"iat": now().Unix()}))
		}
		later.Store(int64(time.Second))
		if w := send(v, "GET", "/orders", "DPoP "+h.raw, proof); w.Code != 401 {
			t.Errorf("after %v forward and back: %d", away, w.Code)
		}
	}
}

// TestInventedOpaqueTokensMakeBoundedQuestions is REV-14; tokens that the issuer knows go through all the time.
func TestInventedOpaqueTokensMakeBoundedQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer(firstKey())
		var invented, honest atomic.Int32
		askable(i, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.PostFormValue("token"), "invented") {
				invented.Add(1)
				io.WriteString(w, `{"active":false}`)
				return
			}
			active(&honest, nil)(w, r)
		})
		v := i.verifier(t, introspection())
		for n := range 200 { // of many users: they cost nothing of the budget
			mustVerify(t, v, fmt.Sprint("honest-", n))
		}
		answers, began := map[int]int{}, time.Now()
		for n := range 20_000 {
			answers[request(t, v, nil, fmt.Sprint("Bearer invented-", n)).Code]++
			if n%500 == 0 {
				mustVerify(t, v, fmt.Sprint("honest-", n%200))
			}
			time.Sleep(time.Millisecond)
		}
		took := time.Since(began)
		if most := int32(100 + took/(100*time.Millisecond)); invented.Load() > most || invented.Load() < 100 {
			t.Errorf("%d questions about invented tokens in %v, want %d at most", invented.Load(), took, most)
		}
		if most := 1 + int(took/(10*time.Second)); answers[503] > most || answers[401]+answers[503] != 20_000 {
			t.Errorf("answers %v, want at most %d × 503, and 401", answers, most)
		}
		time.Sleep(20 * time.Second)
		mustVerify(t, v, "honest-new")
	})
}

func TestAnActiveTokenWithoutSubjectOrClientIsRefused(t *testing.T) {
	t.Parallel()
	for _, claim := range []string{"sub", "client_id"} {
		for _, value := range []any{nil, ""} {
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(firstKey())
				askable(i, active(new(atomic.Int32), set{claim: value}))
				_, err := i.verifier(t, introspection()).Verify(t.Context(), "opaque-token")
				if !errors.Is(err, verifier.ErrInvalidToken) || !strings.Contains(err.Error(), "lacks the claim "+claim) {
					t.Errorf("%s of %v: %v", claim, value, err)
				}
			})
		}
	}
}
