package app

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/forwarded"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// TestEverySettingReachesWhatItIsFor: each has a value of its own here.
func TestEverySettingReachesWhatItIsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, "MINTMARK_AUDIENCE=https://api.example.com", "MINTMARK_ISSUER=http://localhost:1",
			"MINTMARK_ACCESS_TOKEN_TTL=7m", "MINTMARK_REFRESH_IDLE_TTL=100h", "MINTMARK_REFRESH_MAX_TTL=200h", "MINTMARK_REFRESH_GRACE=17s",
			"MINTMARK_KEYS_ROTATE_EVERY=500h", "MINTMARK_KEYS_PUBLISH_AHEAD=41h", "MINTMARK_KEYS_RETAIN=31h", "MINTMARK_KEYS_RSA_BITS=3072", "MINTMARK_SESSIONS_PER_CLIENT=12",
			"MINTMARK_PASSWORD_MIN_LENGTH=21", "MINTMARK_RATE_LOGIN=3/m,4/h", "MINTMARK_RATE_REGISTER=5/s", "MINTMARK_RATE_TOKEN=6/m",
			"MINTMARK_TRUSTED_PROXIES=192.0.2.0/24", "MINTMARK_OPS_HOSTS=ops.example", "MINTMARK_CORS_ORIGINS=https://app.example.com", "MINTMARK_REGISTRATION=closed")
		defer h.Close()
		a := h.api.Authority
		type settings struct {
			Issuer, Audience, APIIssuer, ListIssuer string
			AccessTTL, ListTTL                      time.Duration
			Lifetimes                               authority.Lifetimes
			MaxSessions                             int
			LoginRate                               ratelimit.Rate
			Rates                                   httpapi.Rates
			Registration                            bool
			Proxies                                 forwarded.Proxies
			Origins                                 []string
			Keys                                    keyring.Policy
		}
		got := settings{
			a.Issuer, a.Audience, h.api.Issuer, h.lists.Issuer, a.AccessTTL, h.lists.AccessTTL, a.Lifetimes, a.MaxSessions, a.LoginRate,
			h.api.Rates, a.Registration, h.api.TrustedProxies, h.api.CORSOrigins, keyPolicy(h.cfg),
		}
		want := settings{
			"http://localhost:1", "https://api.example.com", "http://localhost:1", "http://localhost:1", 7 * time.Minute, 7 * time.Minute,
			authority.Lifetimes{IdleTTL: 100 * time.Hour, MaxTTL: 200 * time.Hour, Grace: 17 * time.Second}, 12,
			ratelimit.Rate{Limit: 3, Per: time.Minute},
			httpapi.Rates{
				Login:    ratelimit.Rate{Limit: 4, Per: time.Hour},
				Register: ratelimit.Rate{Limit: 5, Per: time.Second},
				Token:    ratelimit.Rate{Limit: 6, Per: time.Minute},
			},
			false, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, []string{"https://app.example.com"},
			keyring.Policy{RotateEvery: 500 * time.Hour, PublishAhead: 41 * time.Hour, Retain: 31 * time.Hour, Bits: 3072},
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("settings (-want +got):\n%s", diff)
		}
		if _, problems := a.Password.Check("nobody", "x@example.com", "violet tram seven um"); len(problems) != 1 { // 20 characters
			t.Errorf("a password that is too short by one: %v", problems)
		}
		if scraped := (&http.Request{Host: "ops.example:9090", ProtoMajor: 1, ProtoMinor: 1}); !h.api.OpsHosts.Answer(scraped) || h.api.PublicHosts.Answer(scraped) {
			t.Error("the host of the operations listener is not that listener's alone")
		}
		if a.Users == nil || a.States == nil || a.Limits != h.ephemeral.limits || h.api.Limits != h.ephemeral.limits || h.api.LocalLimits == h.api.Limits {
			t.Error("the limits that all replicas share are not those of all, or the local ones are not apart")
		}
	})
}

func TestRegistrationIsOpenWhereItIsSaidToBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, "MINTMARK_REGISTRATION=open")
		if !h.api.Authority.Registration {
			t.Error("registration is closed")
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPasswordsAreHashedAsConfigured(t *testing.T) {
	t.Parallel()
	h, err := newHasher(configured(t, "MINTMARK_PASSWORD_MEMORY_KIB=9216", "MINTMARK_PASSWORD_TIME=2", "MINTMARK_PASSWORD_MAX_CONCURRENT=3"))
	if err != nil {
		t.Fatal(err)
	}
	hash, err := h.Hash(t.Context(), "violet tram seven umbrellas")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=9216,t=2,p=1$") {
		t.Errorf("%s, %v", hash, err)
	}
}

// figure reads one of the metrics.
func (h *testApp) figure(t *testing.T, name string) string {
	t.Helper()
	status, body := h.operations.get(t, "/metrics")
	if status != 200 {
		t.Fatalf("metrics: %d", status)
	}
	_, rest, _ := strings.Cut(body, "\n"+name+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func TestTheMetricsTellHowTheAuthorityIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		stop := h.run(t)
		time.Sleep(time.Minute)
		wantFigures(t, h, map[string]string{
			"mintmark_audit_events_dropped":                  "0",
			"mintmark_checkpoints_dropped":                   "0",
			"mintmark_keys_published":                        "2",
			"mintmark_keys_damaged":                          "0",
			"mintmark_status_list_revoked":                   "0",
			"mintmark_status_list_waiters":                   "0",
			"mintmark_status_list_lead_seconds":              "0",
			`mintmark_clock_offset_seconds{clock="machine"}`: "0",
			"mintmark_http_connections":                      "0",
			"mintmark_forwarded_unreadable":                  "0",
			"mintmark_http_connections_shed":                 "0",
			"mintmark_http_requests_in_flight":               "1", // the one that asks
			`mintmark_logins_total{outcome="error"}`:         "",
		})
		if next := h.keys.Outlook().NextSwitch; next.IsZero() || h.figure(t, "mintmark_keys_next_rotation_timestamp_seconds") == "0" {
			t.Errorf("the next rotation is %s", next)
		}
		for _, verdict := range session.Verdicts() {
			wantFigures(t, h, map[string]string{`mintmark_refresh_verdicts_total{verdict="` + verdict.String() + `"}`: "0"})
		}

		s := h.start(t)
		if _, err := h.store.RevokeSession(t.Context(), s.ID, session.ReasonRevoked, audit.New(audit.SessionRevoked, audit.ByOperator("root"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		answered := make(chan error, 1)
		go func() {
			_, _, err := h.public.ask(t.Context(), "/oauth/status-lists/0?wait=25", "*")
			answered <- err
		}()
		synctest.Wait()
		wantFigures(t, h, map[string]string{
			"mintmark_status_list_revoked":     "1",
			"mintmark_status_list_waiters":     "1",
			"mintmark_http_connections":        "1",
			"mintmark_http_requests_in_flight": "2",
		})

		if err := <-answered; err != nil {
			t.Error(err)
		}
		synctest.Wait() // for a read of this very instant, which would end after the store is closed
		if err := h.store.Close(); err != nil {
			t.Fatal(err)
		}
		keys, lists := h.keys.Outlook().Age, h.lists.Age()
		time.Sleep(7*time.Second - keys)
		wantFigures(t, h, map[string]string{
			"mintmark_keys_age_seconds":        "7",
			"mintmark_status_list_age_seconds": trimmed((7*time.Second - keys + lists).String()),
		})
		_ = stop()
	})
}

// TestWhatDoesNotFitIsCounted, events and checkpoints apart.
func TestWhatDoesNotFitIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.keep(&kept{fails: never}, &kept{fails: never})
		stop := h.run(t)
		synctest.Wait()          // for the first flush, which would go on as long as there is something
		for i := range 100_003 { // of which 10 000 events wait at most, and 100 000 checkpoints
			h.note(strconv.Itoa(i))
		}
		wantFigures(t, h, map[string]string{"mintmark_audit_events_dropped": "90003", "mintmark_checkpoints_dropped": "3"})
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func trimmed(seconds string) string { return strings.TrimSuffix(seconds, "s") }

func wantFigures(t *testing.T, h *testApp, figures map[string]string) {
	t.Helper()
	for name, want := range figures {
		if got := h.figure(t, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestARequestIsCountedAsItWasAnswered on either listener.
func TestARequestIsCountedAsItWasAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		stop := h.run(t)
		h.public.get(t, "/livez")
		h.operations.get(t, "/livez")
		if got := h.figure(t, `mintmark_http_request_duration_seconds_count{method="GET",route="/livez",status="200"}`); got != "2" {
			t.Errorf("two requests are counted as %q", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestInfoReportsWhatANewcomerNeeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, "MINTMARK_AUDIENCE=https://api.example.com")
		defer h.Close()
		h.operations.port = 2
		got, err := h.Info(t.Context())
		want := Info{
			Issuer: "http://localhost:1", Audience: "https://api.example.com", KID: h.keys.Outlook().Signing,
			Public: "127.0.0.1:1", Operations: "127.0.0.1:2", Mode: config.Embedded,
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil || want.KID == "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if err := h.store.Close(); err != nil {
			t.Fatal(err)
		}
		if info, err := h.Info(t.Context()); err == nil {
			t.Errorf("without its store: %+v", info)
		}
	})
}
