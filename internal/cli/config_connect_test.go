package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/cli"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// site is the configuration of an authority in production, which a test changes.
type site map[string]string

func newSite(postgres, redis string) site {
	return site{
		"ISSUER": "http://localhost:1", "ROOT_SECRET": secret.GenerateRoots().Encode().Reveal(),
		"DATABASE_URL": postgres, "REDIS_URL": redis, "HTTP_ADDR": "127.0.0.1:0", "OPS_ADDR": "127.0.0.1:0",
	}
}

func (s site) with(name, value string) site {
	changed := maps.Clone(s)
	changed[name] = value
	return changed
}

func (s site) environ() []string {
	var lines []string
	for name, value := range s {
		lines = append(lines, "MINTMARK_"+name+"="+value)
	}
	return lines
}

func (s site) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, err bytes.Buffer
	code = cli.Run(ctx, cli.Process{Args: args, Environ: s.environ(), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err})
	return code, out.String(), err.String()
}

// check checks what the configuration depends on.
func (s site) check(t *testing.T, more ...string) (code int, stdout, stderr string) {
	t.Helper()
	return s.run(t, append([]string{"config", "check", "--connect"}, more...)...)
}

// served is the site once an authority made its first signing key.
func (s site) served(t *testing.T) site {
	t.Helper()
	if code, _, stderr := s.run(t, "migrate", "up"); code != 0 {
		t.Fatalf("migrate up: exit %d, %s", code, stderr)
	}
	cfg, err := config.Load(nil, s.environ(), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConfigCheckLooksAtEverythingThatServeDependsOn(t *testing.T) {
	t.Parallel()
	here := newSite(testserver.Postgres(t), testserver.Redis(t)).served(t)
	code, stdout, stderr := here.check(t)
	const want = `the configuration is good: production mode, issuer http://localhost:1
Postgres: it is reachable
schema: it serves this binary
Redis: it is reachable
Redis eviction: it evicts no keys (noeviction)
Redis persistence: it doesn't write every change to disk; a restart logs nobody out, but with appendonly yes stolen tokens are noticed through it, too
signing keys: the root secret opens them (1)
clocks: those of this machine, the database and Redis agree
public address: 127.0.0.1:0 is free
operations address: 127.0.0.1:0 is free
warning: issuer: http://localhost:1 is not reachable from here: `
	if code != 0 || !strings.HasPrefix(stdout, want) || strings.Count(stdout, "\n") != strings.Count(want, "\n")+1 || stderr != "" {
		t.Errorf("exit %d, said %q and %q, want 0 and %q…", code, stdout, stderr, want)
	}
	_, stdout, _ = here.check(t, "--output", "json")
	var answer struct {
		OK     bool
		Checks []struct{ Name, Level string }
	}
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil || !answer.OK || len(answer.Checks) != 10 {
		t.Errorf("%s: %v; want it good, with ten checks", stdout, err)
	}
}

func TestConfigCheckSaysWhatServeWouldFail(t *testing.T) {
	t.Parallel()
	postgres, redis := testserver.Postgres(t), testserver.Redis(t)
	here := newSite(postgres, redis).served(t)
	oldPostgres, oldRedis := testserver.StartProxy(t, postgres), testserver.StartProxy(t, redis)
	oldPostgres.Write("server_version\x001", "server_version\x000")
	for _, version := range []string{"7", "8", "9"} {
		oldRedis.Write("redis_version:"+version, "redis_version:6")
	}
	for name, c := range map[string]struct {
		site site
		line string
	}{
		"an old Postgres":        {here.with("DATABASE_URL", oldPostgres.URL()), "mintmark: Postgres: dependency is unavailable: the server is too old: it runs Postgres 0"},
		"an old Redis":           {here.with("REDIS_URL", oldRedis.URL()), "mintmark: Redis: dependency is unavailable: reach Redis at " + oldRedis.Addr() + ": the server is too old: it runs Redis 6"},
		"a Redis that evicts":    {here.with("REDIS_URL", testserver.StartRedis(t, "--maxmemory-policy", "allkeys-lru").URL()), "mintmark: Redis eviction: with maxmemory-policy allkeys-lru Redis forgets live sessions; set it to noeviction"},
		"another root secret":    {here.with("ROOT_SECRET", secret.GenerateRoots().Encode().Reveal()), "mintmark: signing keys: "},
		"another issuer":         {here.with("ISSUER", "http://localhost:2"), "mintmark: signing keys: "},
		"a wrong password":       {here.with("DATABASE_URL", asUser(t, postgres, "nobody", "wrong")), "mintmark: Postgres: "},
		"a TLS that isn't there": {here.with("REDIS_URL", strings.Replace(redis, "redis://", "rediss://", 1)), "mintmark: Redis: "},
	} {
		code, stdout, stderr := c.site.check(t)
		if code != 5 || !strings.HasPrefix(stderr, c.line) || strings.Count(stderr, "\n") != 1 || !strings.Contains(stdout, "public address: ") {
			t.Errorf("%s: exit %d, said %q and %q, want 5 and %q…", name, code, stdout, stderr, c.line)
		}
	}
}

func asUser(t *testing.T, postgres, name, password string) string {
	t.Helper()
	there, err := url.Parse(postgres)
	if err != nil {
		t.Fatal(err)
	}
	there.User = url.UserPassword(name, password)
	return there.String()
}

func TestConfigCheckOnlyWarnsOfWhatIsMendedBeforeServeRuns(t *testing.T) {
	t.Parallel()
	here := newSite(testserver.Postgres(t), testserver.Redis(t))
	code, stdout, stderr := here.check(t)
	if code != 0 || !strings.Contains(stdout, "warning: schema: ") || !strings.Contains(stdout, "run `mintmark migrate up`") || strings.Contains(stdout, "signing keys") {
		t.Errorf("a schema that is behind: exit %d, said %q and %q", code, stdout, stderr)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	code, stdout, stderr = here.with("HTTP_ADDR", taken.Addr().String()).check(t)
	if code != 0 || !strings.Contains(stdout, "warning: public address: can't listen on "+taken.Addr().String()) {
		t.Errorf("a port that is taken: exit %d, said %q and %q", code, stdout, stderr)
	}
	for answer, says := range map[string]string{
		`{"issuer":"ISSUER"}`:              "\nissuer: ISSUER answers with its metadata\n",
		`{"issuer":"http://localhost:99"}`: "\nwarning: issuer: ISSUER/.well-known/oauth-authorization-server answers with the metadata of another issuer",
		`<html>`:                           "\nwarning: issuer: ISSUER/.well-known/oauth-authorization-server answers with what is no metadata",
	} {
		issuer := ""
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.ReplaceAll(answer, "ISSUER", issuer)))
		}))
		issuer = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
		code, stdout, stderr := here.with("ISSUER", issuer).check(t)
		if want := strings.ReplaceAll(says, "ISSUER", issuer); code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("an issuer that answers %s: exit %d, said %q and %q, want %q", answer, code, stdout, stderr, want)
		}
		server.Close()
	}
}

func TestConfigCheckOfEmbeddedModeOpensItsKeys(t *testing.T) {
	t.Parallel()
	here := site{"DATA_DIR": t.TempDir(), "HTTP_ADDR": "127.0.0.1:0", "OPS_ADDR": "127.0.0.1:0"}
	code, stdout, stderr := here.check(t)
	if code != 0 || !strings.Contains(stdout, "\nschema: there is no database yet; serve makes it in "+here["DATA_DIR"]+"\n") {
		t.Errorf("an empty folder: exit %d, said %q and %q", code, stdout, stderr)
	}
	here.served(t)
	code, stdout, stderr = here.check(t)
	if code != 0 || !slices.Contains(strings.Split(stdout, "\n"), "signing keys: the root secret opens them (1)") {
		t.Errorf("after serve: exit %d, said %q and %q", code, stdout, stderr)
	}
	code, stdout, stderr = here.with("ROOT_SECRET", secret.GenerateRoots().Encode().Reveal()).check(t)
	if code != 5 || !strings.HasPrefix(stderr, "mintmark: signing keys: ") {
		t.Errorf("with another root secret: exit %d, said %q and %q", code, stdout, stderr)
	}
}

// TestConfigCheckConnectsAndNamesTheWrongClock, which is no error: serve would run.
func TestConfigCheckConnectsAndNamesTheWrongClock(t *testing.T) {
	t.Parallel()
	postgres, redis := testserver.StartPostgresWithClock(t), testserver.StartRedisWithClock(t)
	here := newSite(postgres.URL(), redis.URL())
	for want, ahead := range map[string][2]time.Duration{
		"clocks: those of this machine, the database and Redis agree\n":                                               {},
		"warning: clocks: the clock of the database is 45s ahead of this machine's and Redis's; set it right\n":       {45 * time.Second, 0},
		"warning: clocks: the clock of Redis is 1h0m0s behind this machine's and the database's; set it right\n":      {0, -time.Hour},
		"warning: clocks: the clock of this machine is 1h0m0s behind the database's and Redis's; set it right\n":      {time.Hour, time.Hour},
		"warning: clocks: the clocks disagree: this machine +0s, the database +1h0m0s, Redis -1h0m0s; set it right\n": {time.Hour, -time.Hour},
	} {
		postgres.SetClock(ahead[0])
		redis.SetClock(ahead[1])
		if code, stdout, stderr := here.check(t); code != 0 || !strings.Contains(stdout, "\n"+want) || stderr != "" {
			t.Errorf("exit %d, said %q and %q, want 0 and %q", code, stdout, stderr, want)
		}
	}
	redis.Stop()
	code, stdout, stderr := here.check(t)
	if code != 5 || strings.Contains(stdout, "clocks") || !strings.Contains(stdout, "Postgres: it is reachable\n") || !strings.HasPrefix(stderr, "mintmark: Redis: ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("without Redis: exit %d, said %q and %q", code, stdout, stderr)
	}
}
