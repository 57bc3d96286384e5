package config_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/mintmark-auth/mintmark/internal/config"
)

const (
	rootText = "7:DCkJToyoVS0nD1EWzRAL2C6iCh4YLaUJZqX4n0OcjJI="
	password = "canary-5c1e"
	database = "postgres://mint:" + password + "@db.internal:5432/mint?sslmode=disable"
	redisURL = "redis://:" + password + "@cache.internal:6379/2"
)

// given is what one start of the program is given.
type given struct {
	args  []string
	env   []string
	yaml  string
	stdin string
}

func (g given) load(t *testing.T) (config.Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("mintmark", pflag.ContinueOnError)
	config.RegisterFlags(flags)
	if g.yaml != "" {
		g.args = append(g.args, "--config", writeFile(t, "mintmark.yaml", g.yaml))
	}
	if err := flags.Parse(g.args); err != nil {
		t.Fatalf("parse flags: %v", err)
	}
	return config.Load(flags, g.env, strings.NewReader(g.stdin))
}

func (g given) mustLoad(t *testing.T) config.Config {
	t.Helper()
	c, err := g.load(t)
	if err != nil {
		t.Fatalf("load %v: %v", g, err)
	}
	return c
}

// problems loads and gives what is wrong.
func (g given) problems(t *testing.T) config.Problems {
	t.Helper()
	c, err := g.load(t)
	problems, ok := errors.AsType[config.Problems](err)
	if err != nil && !ok {
		t.Fatalf("load gave %T (%v), want Problems", err, err)
	}
	if err != nil && c.Issuer != "" {
		t.Error("load gave a Config beside its problems")
	}
	return problems
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func production(more ...string) []string {
	return append([]string{
		"MINTMARK_DATABASE_URL=" + database, "MINTMARK_REDIS_URL=" + redisURL, "MINTMARK_ROOT_SECRET=" + rootText,
		"MINTMARK_ISSUER=https://auth.example.com",
	}, more...)
}

func TestDefaultsAreThoseOfTheDesign(t *testing.T) {
	t.Parallel()
	got, err := config.Load(nil, nil, nil)
	if err != nil {
		t.Fatalf("load nothing: %v", err)
	}
	want := map[string]string{
		"MINTMARK_ISSUER": "http://localhost:8080", "MINTMARK_AUDIENCE": "http://localhost:8080",
		"MINTMARK_HTTP_ADDR": "127.0.0.1:8080", "MINTMARK_OPS_ADDR": "127.0.0.1:9090", "MINTMARK_OPS_HOSTS": "",
		"MINTMARK_HTTP_IDLE_TIMEOUT": "10m20s", "MINTMARK_SHUTDOWN_DELAY": "0s", "MINTMARK_STARTUP_WAIT": "0s",
		"MINTMARK_INSECURE_PLAIN_HTTP": "false", "MINTMARK_DATA_DIR": "./mintmark-data",
		"MINTMARK_DATABASE_URL": "", "MINTMARK_DATABASE_MIGRATE_URL": "", "MINTMARK_REDIS_URL": "", "MINTMARK_ROOT_SECRET": "",
		"MINTMARK_ACCESS_TOKEN_TTL": "5m", "MINTMARK_REFRESH_IDLE_TTL": "720h", "MINTMARK_REFRESH_MAX_TTL": "4320h", "MINTMARK_REFRESH_GRACE": "30s",
		"MINTMARK_KEYS_ROTATE_EVERY": "720h", "MINTMARK_KEYS_PUBLISH_AHEAD": "48h", "MINTMARK_KEYS_RETAIN": "24h", "MINTMARK_AUDIT_RETENTION": "9600h", "MINTMARK_SESSION_RETENTION": "720h", "MINTMARK_SESSIONS_PER_CLIENT": "100", "MINTMARK_KEYS_RSA_BITS": "2048",
		"MINTMARK_PASSWORD_MEMORY_KIB": "19456", "MINTMARK_PASSWORD_TIME": "2", "MINTMARK_PASSWORD_MIN_LENGTH": "12",
		"MINTMARK_REGISTRATION": "open", "MINTMARK_RATE_LOGIN": "10/m,60/m", "MINTMARK_RATE_TOKEN": "50/s", "MINTMARK_RATE_REGISTER": "5/m",
		"MINTMARK_TRUSTED_PROXIES": "", "MINTMARK_CORS_ORIGINS": "", "MINTMARK_LOG_LEVEL": "info", "MINTMARK_LOG_FORMAT": "auto",
	}
	shown := make(map[string]string)
	for _, row := range config.Show(got) {
		if row.Source != "default" {
			t.Errorf("source of %s = %q, want default", row.Variable, row.Source)
		}
		shown[row.Variable] = row.Value
	}
	delete(shown, "MINTMARK_PASSWORD_MAX_CONCURRENT") // the number of cores
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if got.PasswordMaxConcurrent != runtime.GOMAXPROCS(0) || got.Mode() != config.Embedded || got.Tracing {
		t.Errorf("concurrent %d, mode %s, tracing %v", got.PasswordMaxConcurrent, got.Mode(), got.Tracing)
	}
}

func TestEveryKeyReachesItsField(t *testing.T) {
	t.Parallel()
	c := given{env: production(
		"MINTMARK_ISSUER=https://auth.example.com", "MINTMARK_AUDIENCE=api", "MINTMARK_HTTP_ADDR=0.0.0.0:80",
		"MINTMARK_OPS_ADDR=[::1]:81", "MINTMARK_OPS_HOSTS=mintmark,node-1.internal", "MINTMARK_DATA_DIR=/data", "MINTMARK_DATABASE_MIGRATE_URL=postgresql://h/d",
		"MINTMARK_HTTP_IDLE_TIMEOUT=8m", "MINTMARK_SHUTDOWN_DELAY=9s", "MINTMARK_STARTUP_WAIT=10s",
		"MINTMARK_ACCESS_TOKEN_TTL=1m", "MINTMARK_REFRESH_IDLE_TTL=2h", "MINTMARK_REFRESH_MAX_TTL=3h", "MINTMARK_REFRESH_GRACE=4s",
		"MINTMARK_KEYS_ROTATE_EVERY=5h", "MINTMARK_KEYS_PUBLISH_AHEAD=90m", "MINTMARK_KEYS_RETAIN=7h", "MINTMARK_AUDIT_RETENTION=25h", "MINTMARK_SESSION_RETENTION=26h", "MINTMARK_SESSIONS_PER_CLIENT=12", "MINTMARK_KEYS_RSA_BITS=3072",
		"MINTMARK_PASSWORD_MEMORY_KIB=8192", "MINTMARK_PASSWORD_TIME=3", "MINTMARK_PASSWORD_MAX_CONCURRENT=9", "MINTMARK_PASSWORD_MIN_LENGTH=10",
		"MINTMARK_REGISTRATION=open", "MINTMARK_RATE_LOGIN=1/s,2/m", "MINTMARK_RATE_TOKEN=3/h", "MINTMARK_RATE_REGISTER=off",
		"MINTMARK_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1,2001:db8::/32", "MINTMARK_CORS_ORIGINS=https://a.example,http://localhost:3000",
		"MINTMARK_INSECURE_PLAIN_HTTP=true", "MINTMARK_LOG_LEVEL=debug", "MINTMARK_LOG_FORMAT=json",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
	)}.mustLoad(t)

	got := []any{c.Issuer, c.Audience, c.HTTPAddr, c.OpsAddr, c.OpsHosts, c.DataDir, c.DatabaseURL.Reveal(), c.DatabaseMigrateURL.Reveal(), c.RedisURL.Reveal(),
		c.RootSecret.Encode().Reveal(), c.HTTPIdleTimeout, c.ShutdownDelay, c.StartupWait, c.AccessTokenTTL, c.RefreshIdleTTL, c.RefreshMaxTTL, c.RefreshGrace, c.KeysRotateEvery, c.KeysPublishAhead,
		c.KeysRetain, c.AuditRetention, c.SessionRetention, c.SessionsPerClient, c.KeysRSABits, c.PasswordMemoryKiB, c.PasswordTime, c.PasswordMaxConcurrent, c.PasswordMinLength, c.Registration, c.RateLogin, c.RateToken,
		c.RateRegister, c.CORSOrigins, c.InsecurePlainHTTP, c.LogLevel, c.LogFormat, c.Tracing, c.Mode()}
	want := []any{"https://auth.example.com", "api", "0.0.0.0:80", "[::1]:81", []string{"mintmark", "node-1.internal"}, "/data", database, "postgresql://h/d", redisURL,
		rootText, 8 * time.Minute, 9 * time.Second, 10 * time.Second, time.Minute, 2 * time.Hour, 3 * time.Hour, 4 * time.Second, 5 * time.Hour, 90 * time.Minute,
		7 * time.Hour, 25 * time.Hour, 26 * time.Hour, 12, 3072, 8192, 3, 9, 10, config.RegistrationOpen, config.LoginRates{PerUser: config.Rate{Limit: 1, Per: time.Second}, PerAddress: config.Rate{Limit: 2, Per: time.Minute}},
		config.Rate{Limit: 3, Per: time.Hour}, config.Rate{}, []string{"https://a.example", "http://localhost:3000"}, true, slog.LevelDebug, config.LogJSON, true, config.Production}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")}
	if !slices.Equal(c.TrustedProxies, proxies) {
		t.Errorf("trusted proxies = %v, want %v", c.TrustedProxies, proxies)
	}
	for _, row := range config.Show(c) {
		if row.Source != "environment" {
			t.Errorf("%s comes from %q: this test forgets a key", row.Variable, row.Source)
		}
	}
}

func TestNearerSourcesWin(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "ttl", "3m\n")
	sources := []struct {
		name string
		add  func(*given)
		want time.Duration
		from string
	}{
		{"default", func(*given) {}, 5 * time.Minute, "default"},
		{"YAML", func(g *given) { g.yaml = "access_token_ttl: 2m\n" }, 2 * time.Minute, "mintmark.yaml"},
		{"file", func(g *given) { g.env = []string{"MINTMARK_ACCESS_TOKEN_TTL_FILE=" + file} }, 3 * time.Minute, "MINTMARK_ACCESS_TOKEN_TTL_FILE"},
		{"environment", func(g *given) { g.env = []string{"MINTMARK_ACCESS_TOKEN_TTL=4m"} }, 4 * time.Minute, "environment"},
		{"flag", func(g *given) { g.args = []string{"--access-token-ttl=6m"} }, 6 * time.Minute, "flag --access-token-ttl"},
	}
	var g given
	for _, s := range sources { // each adds to those before it
		s.add(&g)
		c := g.mustLoad(t)
		if c.AccessTokenTTL != s.want {
			t.Errorf("%s: %s, want %s", s.name, c.AccessTokenTTL, s.want)
		}
		if got := source(c, "MINTMARK_ACCESS_TOKEN_TTL"); !strings.HasSuffix(got, s.from) {
			t.Errorf("%s: source %q, want %q", s.name, got, s.from)
		}
	}
}

func source(c config.Config, variable string) string {
	for _, row := range config.Show(c) {
		if row.Variable == variable {
			return row.Source
		}
	}
	return ""
}

func TestAVariableSetToNothingIsNotSet(t *testing.T) {
	t.Parallel()
	c := given{env: []string{"MINTMARK_DATABASE_URL=", "MINTMARK_REFRESH_GRACE=", "MINTMARK_ROOT_SECRET_FILE=", "MINTMARK_NONSENSE="}}.mustLoad(t)
	if c.Mode() != config.Embedded || c.RefreshGrace != 30*time.Second {
		t.Errorf("mode %s, grace %s, want the defaults", c.Mode(), c.RefreshGrace)
	}
}

func TestAValueGivenTwiceInTheEnvironmentIsRefused(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "ttl", "3m")
	problems := given{env: []string{"MINTMARK_ACCESS_TOKEN_TTL=4m", "MINTMARK_ACCESS_TOKEN_TTL_FILE=" + file}}.problems(t)
	expect(t, problems, "both MINTMARK_ACCESS_TOKEN_TTL and MINTMARK_ACCESS_TOKEN_TTL_FILE are set; unset one")
	problems = given{env: []string{"MINTMARK_ACCESS_TOKEN_TTL=4m", "MINTMARK_ACCESS_TOKEN_TTL_FILE=/nowhere"}}.problems(t)
	expect(t, problems, "unset one") // the file is not read
}

func TestAPathIsPrintedWhereItLooksLikeOne(t *testing.T) {
	t.Parallel()
	for path, says := range map[string]string{
		"/no/where": `the file "/no/where" cannot`, "nowhere.txt": `the file "nowhere.txt" cannot`, `no\where`: `the file "no\\where" cannot`,
		password: "the file it names cannot", "./" + password + "@h": "the file it names cannot",
	} {
		expect(t, given{env: []string{"MINTMARK_AUDIENCE_FILE=" + path}}.problems(t), says)
	}
}

func TestAFlagMayBeEmpty(t *testing.T) {
	t.Parallel()
	given{args: []string{"--database-url=", "--redis-url="}}.mustLoad(t)
	expect(t, given{args: []string{"--audience="}}.problems(t), `"" cannot be an audience`)
}

// expect asserts that there is exactly one problem per line wanted, and that
// each holds the wanted words.
func expect(t *testing.T, problems config.Problems, want ...string) {
	t.Helper()
	if len(problems) != len(want) {
		t.Errorf("got %d problems, want %d:\n%v", len(problems), len(want), problems)
		return
	}
	for _, w := range want {
		if !slices.ContainsFunc(problems, func(p config.Problem) bool { return strings.Contains(p.String(), w) }) {
			t.Errorf("no problem says %q:\n%v", w, problems)
		}
	}
	for _, p := range problems {
		if p.What == "" || p.Mend == "" || p.Key+p.Source == "" || strings.Contains(p.String(), "\n") {
			t.Errorf("problem %+v lacks a part or is not one line", p)
		}
	}
}

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	problems := given{
		args: []string{"--log-level=loud", "--root-secret=" + rootText},
		env: []string{
			"MINTMARK_ISSUER=https://auth.example.com/", "MINTMARK_ACCESS_TOKEN_TTL=300", "MINTMARK_ISSUR=x",
			"MINTMARK_DATABASE_URL=mysql://h/d", "MINTMARK_REFRESH_GRACE=61s", "MINTMARK_RATE_TOKEN_FILE=/nowhere/at/all",
		},
		yaml: "opsaddr: x\nkeys_retain: true\npassword_time: 17\n",
	}.problems(t)
	expect(t, problems,
		"mintmark.yaml): there is no such key; the nearest known one is ops_addr",
		"MINTMARK_KEYS_RETAIN (", "MINTMARK_PASSWORD_TIME (",
		"MINTMARK_ISSUR (environment): there is no such key; the nearest known one is MINTMARK_ISSUER",
		`MINTMARK_RATE_TOKEN (MINTMARK_RATE_TOKEN_FILE): the file "/nowhere/at/all" cannot be read: no such file`,
		"MINTMARK_ROOT_SECRET (flag --root-secret): a secret on the command line",
		"MINTMARK_ISSUER (environment): \"https://auth.example.com/\" ends in a slash",
		`MINTMARK_ACCESS_TOKEN_TTL (environment): "300" is not a duration; write a number and a unit`,
		"MINTMARK_DATABASE_URL (environment): its scheme is not",
		"MINTMARK_LOG_LEVEL (flag --log-level)",
		"MINTMARK_REFRESH_GRACE (environment): 1m1s is more than 1m",
		"MINTMARK_REDIS_URL (not set): it is missing",
	)
}

func TestUnknownKeysNameTheNearest(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"MINTMARK_ACCES_TOKEN_TTL":       "MINTMARK_ACCESS_TOKEN_TTL",
		"MINTMARK_REDIS":                 "MINTMARK_REDIS_URL",
		"MINTMARK_ROOT_SECRETS_FILE":     "MINTMARK_ROOT_SECRET_FILE",
		"MINTMARK_PASSWORD_MEMORY":       "MINTMARK_PASSWORD_MEMORY_KIB",
		"MINTMARK_FROBNICATE":            "there is no such key; `mintmark config show` lists the known keys",
		"MINTMARK_" + "X\nforged: line":  `"MINTMARK_X\nforged: line"`,
		"MINTMARK_" + rootText + "@home": "`mintmark config show` lists",
	} {
		problems := given{env: []string{variable + "=" + password}}.problems(t)
		expect(t, problems, want)
		if strings.Contains(problems.Error(), password) {
			t.Errorf("%s: the value is printed: %v", variable, problems)
		}
	}
	expect(t, given{env: []string{"MINTMARK_PORT=8080", "MINTMARK_REDIS_SERVICE_HOST=redis"}}.problems(t), "no such key", "no such key")
	expect(t, given{yaml: "Access-Token-TTL: 5m\n"}.problems(t), "nearest known one is access_token_ttl")
	expect(t, given{yaml: "MINTMARK_HTTP_ADDR: 127.0.0.1:1\n"}.problems(t), "nearest known one is http_addr")
}

func TestVariablesOfOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	given{env: []string{
		"MINTMARK_TEST_DATABASE_URL=x", "MINTMARK_PORT=tcp://10.0.0.1:80", "MINTMARK_POSTGRES_SERVICE_HOST=10.0.0.1",
		"HOME=/", "MINTMARKX=1", "nonsense",
	}}.mustLoad(t)
}

func TestUnknownFlagsNameTheNearest(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("mintmark", pflag.ContinueOnError)
	config.RegisterFlags(flags)
	err := config.FlagError(flags, flags.Parse([]string{"--http-adr=:1"}))
	if err == nil || !strings.Contains(err.Error(), "nearest known flag is --http-addr") {
		t.Errorf("error %v does not name --http-addr", err)
	}
	if err := config.FlagError(flags, flags.Parse([]string{"--zz=1"})); err == nil || strings.Contains(err.Error(), "nearest") {
		t.Errorf("error %v names a flag that is far away", err)
	}
	if other := errors.New("other"); !errors.Is(config.FlagError(flags, other), other) {
		t.Error("another error is changed")
	}
}

func TestBooleanFlagsNeedNoValue(t *testing.T) {
	t.Parallel()
	if c := (given{args: []string{"--insecure-plain-http"}}).mustLoad(t); !c.InsecurePlainHTTP {
		t.Error("--insecure-plain-http alone does nothing")
	}
}

func TestTracingFollowsTheStandardVariables(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{
		"":                                     false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=":         false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c": true,
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c":                      true,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c OTEL_SDK_DISABLED=true":      false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c OTEL_SDK_DISABLED=TRUE":      false,
		"OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=http://c":   false,
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_ENDPOINT=http://c":   true,
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://c OTEL_SERVICE_NAME=x": false,
	}
	for env, want := range cases {
		if got := (given{env: strings.Fields(env)}).mustLoad(t).Tracing; got != want {
			t.Errorf("%q: tracing %v, want %v", env, got, want)
		}
	}
}

func TestANearerValueIsCheckedThoughAFartherOneIsBroken(t *testing.T) {
	t.Parallel()
	problems := given{yaml: "refresh_grace:\n", env: []string{"MINTMARK_REFRESH_GRACE=61s"}}.problems(t)
	expect(t, problems, "mintmark.yaml): it has no value", "MINTMARK_REFRESH_GRACE (environment): 1m1s is more than 1m")
}
