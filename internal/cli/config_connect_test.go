package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/cli"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestConfigCheckConnectsAndNamesTheWrongClock, which is no error: serve would run.
func TestConfigCheckConnectsAndNamesTheWrongClock(t *testing.T) {
	t.Parallel()
	postgres, redis := testserver.StartPostgresWithClock(t), testserver.StartRedisWithClock(t)
	check := func(more ...string) (code int, stdout, stderr string) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var out, err bytes.Buffer
		code = cli.Run(ctx, cli.Process{
			Args: append([]string{"config", "check", "--connect"}, more...),
			Environ: []string{
				"MINTMARK_ISSUER=https://auth.example.com", "MINTMARK_ROOT_SECRET=" + secret.GenerateRoots().Encode().Reveal(),
				"MINTMARK_DATABASE_URL=" + postgres.URL(), "MINTMARK_REDIS_URL=" + redis.URL(),
			},
			Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err,
		})
		return code, out.String(), err.String()
	}
	const good = "the configuration is good: production mode, issuer https://auth.example.com\nPostgres: it is reachable\nRedis: it is reachable\n"
	for want, ahead := range map[string][2]time.Duration{
		"clocks: those of this machine, the database and Redis agree\n":                                               {},
		"warning: clocks: the clock of the database is 45s ahead of this machine's and Redis's; set it right\n":       {45 * time.Second, 0},
		"warning: clocks: the clock of Redis is 1h0m0s behind this machine's and the database's; set it right\n":      {0, -time.Hour},
		"warning: clocks: the clock of this machine is 1h0m0s behind the database's and Redis's; set it right\n":      {time.Hour, time.Hour},
		"warning: clocks: the clocks disagree: this machine +0s, the database +1h0m0s, Redis -1h0m0s; set it right\n": {time.Hour, -time.Hour},
	} {
		postgres.SetClock(ahead[0])
		redis.SetClock(ahead[1])
		if code, stdout, stderr := check(); code != 0 || stdout != good+want || stderr != "" {
			t.Errorf("exit %d, said %q and %q, want 0 and %q", code, stdout, stderr, good+want)
		}
	}
	_, stdout, _ := check("--output", "json")
	var answer struct {
		OK     bool
		Checks []struct{ Name, Level string }
	}
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil || !answer.OK || len(answer.Checks) != 3 {
		t.Errorf("%s: %v; want it good, with three checks", stdout, err)
	}
	redis.Stop()
	code, stdout, stderr := check()
	if code != 5 || strings.Contains(stdout, "clocks") || !strings.Contains(stdout, "Postgres: it is reachable\n") || !strings.HasPrefix(stderr, "mintmark: Redis: ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("without Redis: exit %d, said %q and %q", code, stdout, stderr)
	}
}
