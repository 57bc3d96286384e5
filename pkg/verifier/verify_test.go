package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// epoch is the time at which the tests without a bubble happen.
var epoch = time.Unix(1_800_000_000, 0)

func atEpoch() verifier.Option { return verifier.WithClock(func() time.Time { return epoch }) }

func TestVerifyReturnsWhatTheTokenSays(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch())
	payload := claims(epoch, set{
		"roles": []string{"buyer"}, "aud": []string{"https://other.example.com", audience},
		"acr": "urn:example:mfa", "amr": []string{"pwd", "otp"},
	})
	got, err := v.Verify(t.Context(), sign(firstKey(), goodHeader, payload))
	if err != nil {
		t.Fatal(err)
	}
	want := &verifier.Token{
		Issuer: issuerURL, Subject: "0192d3a0-user", ClientID: "first-party", SessionID: "0192d3a0-session",
		ID: "0192d3a0-jti", ACR: "urn:example:mfa", IssuedAt: epoch, Expiry: epoch.Add(5 * time.Minute),
		AuthTime: epoch.Add(-time.Hour),
	}
	if diff := cmp.Diff(got, want, cmpopts.IgnoreUnexported(verifier.Token{})); diff != "" {
		t.Errorf("token (-got +want):\n%s", diff)
	}
	for name, c := range map[string]struct{ got, want []string }{
		"audience": {got.Audience(), []string{"https://other.example.com", audience}},
		"scopes":   {got.Scopes(), []string{"orders:read", "orders:write"}},
		"amr":      {got.AMR(), []string{"pwd", "otp"}},
	} {
		if diff := cmp.Diff(c.got, c.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
	if !got.Has("orders:read") || got.Has("orders") || got.Has("") {
		t.Error("Has does not go by whole scopes")
	}
	var mine struct {
		Roles []string `json:"roles"`
	}
	if err := got.Claims(&mine); err != nil || !cmp.Equal(mine.Roles, []string{"buyer"}) {
		t.Errorf("Claims: got %v, %v", mine, err)
	}
}

func TestClaimsAreNotDecodedWhereTwoDifferInCaseOnly(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch())
	for _, other := range []string{"Roles", "ROLES", "role\u017f"} { // the last is a long s, which encoding/json takes for one
		payload := claims(epoch, set{"roles": []string{}, other: []string{"admin"}})
		token, err := v.Verify(t.Context(), sign(firstKey(), goodHeader, payload))
		if err != nil {
			t.Fatal(err)
		}
		var mine struct {
			Roles []string `json:"roles"`
		}
		if err := token.Claims(&mine); err == nil {
			t.Errorf("%s: Claims decoded %v", other, mine)
		}
	}
}

// TestAPrintedTokenRevealsOnlyItsOwner: not its claims, however it is printed.
func TestAPrintedTokenRevealsOnlyItsOwner(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch())
	token, err := v.Verify(t.Context(), sign(firstKey(), goodHeader, claims(epoch, set{"email": "CANARY"})))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	text, asJSON := slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))
	text.Info("", "token", token)
	text.Info("", "token", *token)
	asJSON.Info("", "token", token)
	for _, printed := range []string{fmt.Sprint(token), fmt.Sprintf("%+v", *token), fmt.Sprintf("%#v", token), fmt.Sprintf("%+v", []*verifier.Token{token}), log.String()} {
		if strings.Contains(printed, "CANARY") || !strings.Contains(printed, "0192d3a0-jti") && !strings.Contains(printed, "0x") {
			t.Errorf("printed %s", printed)
		}
	}
}

func TestAWellFormedTokenIsAccepted(t *testing.T) {
	t.Parallel()
	v := newIssuer(firstKey()).ready(t, atEpoch(), verifier.WithMaxAge(math.MaxInt64))
	for name, raw := range map[string]string{
		"plain":               good(firstKey(), "first", epoch),
		"CLM-09 typ case":     sign(firstKey(), header(set{"typ": "AT+JWT"}), claims(epoch, nil)),
		"CLM-09 typ long":     sign(firstKey(), header(set{"typ": "Application/at+jwt"}), claims(epoch, nil)),
		"escaped member":      sign(firstKey(), `{"\u0061lg":"RS\u003256","typ":"at+jwt","kid":"first"}`, claims(epoch, nil)),
		"unknown header":      sign(firstKey(), header(set{"x5t": "abc", "cty": "x"}), claims(epoch, nil)),
		"space around":        sign(firstKey(), " "+goodHeader+"\n", "\t"+claims(epoch, nil)+" "),
		"surrogate pair":      sign(firstKey(), goodHeader, strings.Replace(claims(epoch, nil), `"sid":"`, `"sid":"\ud83d\ude00`, 1)),
		"no scope":            sign(firstKey(), goodHeader, claims(epoch, set{"scope": nil})),
		"empty scope":         sign(firstKey(), goodHeader, claims(epoch, set{"scope": ""})),
		"CLM-02 float exp":    sign(firstKey(), goodHeader, withNumber("exp", "1.9e9")),
		"CLM-02 largest exp":  sign(firstKey(), goodHeader, withNumber("exp", "99999999999")),
		"fraction of nbf":     sign(firstKey(), goodHeader, withNumber("nbf", "1800000000.5")),
		"names at two depths": sign(firstKey(), goodHeader, withNumber("x", `{"y":{"x":1},"sub":[{"y":1},{"y":2}]},"y":0`)),
		"many members":        sign(firstKey(), goodHeader, withNumber("m", "1,"+manyMembers(300))),
		"JSN-05 16 KiB":       exactly(16<<10 - 1),
		"depth 32":            sign(firstKey(), goodHeader, withNumber("deep", strings.Repeat("[", 31)+strings.Repeat("]", 31))),
	} {
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// withNumber gives a good payload one more claim, or another value of one, as JSON text.
func withNumber(name, text string) string {
	payload := claims(epoch, set{name: nil})
	return payload[:len(payload)-1] + `,"` + name + `":` + text + "}"
}

func TestTimesAreExactToTheirLeeway(t *testing.T) {
	t.Parallel()
	unix := func(d time.Duration) int64 { return epoch.Add(d).Unix() }
	for _, c := range []struct {
		name   string
		opts   []verifier.Option
		change set
		ok     bool
	}{
		{"exp in 1 s", nil, set{"exp": unix(time.Second)}, true},
		{"exp now", nil, set{"exp": unix(0)}, false},
		{"exp a fraction from now", nil, set{"exp": float64(unix(0)) + 0.5}, true},
		{"exp 1 s ago", nil, set{"exp": unix(-time.Second)}, false},
		{"exp within leeway", []verifier.Option{verifier.WithLeeway(10 * time.Second)}, set{"exp": unix(-9 * time.Second)}, true},
		{"exp at leeway", []verifier.Option{verifier.WithLeeway(10 * time.Second)}, set{"exp": unix(-10 * time.Second)}, false},
		{"iat 30 s ahead", nil, set{"iat": unix(30 * time.Second)}, true},
		{"iat 31 s ahead", nil, set{"iat": unix(31 * time.Second)}, false},
		{"nbf 30 s ahead", nil, set{"nbf": unix(30 * time.Second)}, true},
		{"nbf 31 s ahead", nil, set{"nbf": unix(31 * time.Second)}, false},
		{"iat 1 s ahead without leeway", []verifier.Option{verifier.WithLeeway(0)}, set{"iat": unix(time.Second)}, false},
		{"nbf 1 s ahead without leeway", []verifier.Option{verifier.WithLeeway(0)}, set{"nbf": unix(time.Second)}, false},
	} {
		v := newIssuer(firstKey()).ready(t, append(c.opts, atEpoch())...)
		_, err := v.Verify(t.Context(), sign(firstKey(), goodHeader, claims(epoch, c.change)))
		if ok := err == nil; ok != c.ok || (err != nil && !errors.Is(err, verifier.ErrInvalidToken)) {
			t.Errorf("%s: got %v, want accepted %v", c.name, err, c.ok)
		}
	}
}

func TestATokenMustOutliveTheWaitForKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		i.handle(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second) // of the bubble, while the verifier waits
			w.Write([]byte(jwks(firstKey())))
		})
		raw := sign(firstKey(), goodHeader, claims(time.Now(), set{"exp": time.Now().Add(time.Second).Unix()}))
		if _, err := i.verifier(t).Verify(t.Context(), raw); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("got %v, want an expired token", err)
		}
	})
}

// TestNewRefusesWhatCannotWork is JWK-08 among others: no plain http but on loopback.
func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{
		"", "auth.example.com", "ftp://auth.example.com", "https://", "https:///path", "https://a b",
		"https://user@auth.example.com", "https://auth.example.com?x=1", "https://auth.example.com?",
		"https://auth.example.com#f", "https://auth.example.com#", "http://auth.example.com",
		"http://192.168.1.1", "http://localhost.example.com", "http://127.0.0.1.example.com", "http://[::2]",
	} {
		if _, err := verifier.New(issuer, audience); err == nil {
			t.Errorf("New accepted the issuer %q", issuer)
		}
	}
	for _, issuer := range []string{
		"https://auth.example.com", "https://auth.example.com/tenant", "http://localhost:8080", "http://LOCALHOST",
		"http://127.0.0.1:1", "http://127.8.9.1", "http://[::1]:8080",
	} {
		if _, err := verifier.New(issuer, audience); err != nil {
			t.Errorf("New: %v", err)
		}
	}
	if _, err := verifier.New("http://auth.example.com", audience, verifier.InsecureAllowHTTP()); err != nil {
		t.Errorf("with InsecureAllowHTTP: %v", err)
	}
	for name, opt := range map[string]verifier.Option{
		"negative cache": verifier.WithCacheSize(-1), "cache of everything": verifier.WithCacheSize(1<<20 + 1), "status mode": verifier.WithStatus(3),
		"URL of no host": verifier.WithURL("orders"), "URL with a query": verifier.WithURL("https://orders.example.com?x"),
		"negative leeway": verifier.WithLeeway(-1), "leeway of hours": verifier.WithLeeway(math.MaxInt64),
		"nil client": verifier.WithHTTPClient(nil), "nil logger": verifier.WithLogger(nil), "nil clock": verifier.WithClock(nil),
	} {
		if _, err := verifier.New(issuerURL, audience, opt); err == nil {
			t.Errorf("New accepted a %s", name)
		}
	}
	if _, err := verifier.New(issuerURL, audience, dpop(verifier.DPoPOptional), verifier.WithURL("https://api.example.com/v1")); err == nil {
		t.Error("New accepted a path that no proof would be held against")
	}
	if _, err := verifier.New(issuerURL, audience, nil, verifier.WithURL("https://api.example.com/v1")); err != nil {
		t.Errorf("with a nil option: %v", err)
	}
	for _, aud := range []string{"", "a\nb"} {
		if _, err := verifier.New(issuerURL, aud); err == nil {
			t.Errorf("New accepted the audience %q", aud)
		}
	}
}

func TestNewNamesEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := verifier.New("auth", "", verifier.WithLeeway(time.Hour))
	for _, want := range []string{`"auth"`, "audience", "leeway"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to name %s", err, want)
		}
	}
}

func TestFromContextIsNilWithoutToken(t *testing.T) {
	t.Parallel()
	token := verifier.FromContext(context.Background())
	if token != nil || token.Has("orders:read") || token.Claims(&struct{}{}) == nil {
		t.Errorf("got %v", token)
	}
}
