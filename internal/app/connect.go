package app

import (
	"context"
	"time"

	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
)

// connectWithin bounds each check of a dependency.
const connectWithin = 5 * time.Second

// Finding is what a check of the dependencies found.
type Finding struct {
	Name string // of what was checked
	What string // is the case, with the mend if there is something to mend
	Warn bool   // serve would run, but not well
	Err  error  // serve would not run; nil: it would
}

// connected is what a check has to go by: the configuration, and what earlier checks opened.
type connected struct {
	cfg      config.Config
	postgres *postgres.Store // nil: not reached
	redis    *redis.Store    // likewise
}

// check looks at one thing. It reports false if there is nothing to look at.
type check func(context.Context, *connected) (Finding, bool)

// checks are made in this order, each with a time of its own.
func checks() []check {
	return []check{reachPostgres, reachRedis, agreeingClocks}
}

// Connect connects to what the configuration depends on and checks it. It changes nothing.
// Embedded mode depends on nothing.
func Connect(ctx context.Context, cfg config.Config) []Finding {
	if cfg.Mode() == config.Embedded {
		return nil
	}
	c := &connected{cfg: cfg}
	defer c.close()
	var findings []Finding
	for _, check := range checks() {
		_ = within(ctx, connectWithin, func(ctx context.Context) error {
			if finding, ok := check(ctx, c); ok {
				findings = append(findings, finding)
			}
			return nil
		})
	}
	return findings
}

func (c *connected) close() {
	if c.postgres != nil {
		_ = c.postgres.Close() // nothing was written
	}
	if c.redis != nil {
		_ = c.redis.Close()
	}
}

func reachPostgres(ctx context.Context, c *connected) (_ Finding, ok bool) {
	var err error
	c.postgres, err = openPostgres(ctx, c.cfg, nil)
	return reached("Postgres", err), true
}

func reachRedis(ctx context.Context, c *connected) (_ Finding, ok bool) {
	var err error
	c.redis, err = openRedis(ctx, c.cfg, nil)
	return reached("Redis", err), true
}

func reached(name string, err error) Finding {
	if err != nil {
		return Finding{Name: name, What: err.Error(), Err: err}
	}
	return Finding{Name: name, What: "it is reachable"}
}

// agreeingClocks names the clock that is wrong.
func agreeingClocks(ctx context.Context, c *connected) (_ Finding, ok bool) {
	if c.postgres == nil || c.redis == nil {
		return Finding{}, false
	}
	said, err := compareClocks(ctx, c.postgres.Now, c.redis.Now)
	switch {
	case err != nil:
		return Finding{Name: "clocks", What: "they were not compared: " + err.Error() + "; try again when the machine or the network is less busy", Warn: true}, true
	case !said.Agree():
		return Finding{Name: "clocks", What: said.Disagreement() + "; set it right", Warn: true}, true
	default:
		return Finding{Name: "clocks", What: "those of this machine, the database and Redis agree"}, true
	}
}
