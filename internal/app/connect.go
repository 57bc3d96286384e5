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
	Warn bool   // serve would run, but not well or not yet
	Err  error  // serve would not run, or must not be run like this; nil: it may
}

// connected is what a check has to go by: the configuration, and what earlier checks opened.
type connected struct {
	cfg      config.Config
	postgres *postgres.Store // nil: not reached
	redis    *redis.Store    // likewise
	schema   bool            // it serves this binary
}

// check looks at one thing. It reports false if there is nothing to look at.
type check func(context.Context, *connected) (Finding, bool)

// checks are made in this order, each with a time of its own.
func checks() []check {
	return []check{
		reachPostgres, usableSchema, reachRedis, keptStates, persistence, openKeys, agreeingClocks,
		freePublicPort, freeOperationsPort, reachIssuer,
	}
}

// Connect checks what the configuration depends on: the stores and what they hold, the clocks, the ports, and in
// production the way to the issuer. It changes nothing.
func Connect(ctx context.Context, cfg config.Config) []Finding {
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

func (c *connected) embedded() bool { return c.cfg.Mode() == config.Embedded }

func good(name, what string) (Finding, bool) { return Finding{Name: name, What: what}, true }

func warning(name, what string) (Finding, bool) {
	return Finding{Name: name, What: what, Warn: true}, true
}

func bad(name string, err error) (Finding, bool) {
	return Finding{Name: name, What: err.Error(), Err: err}, true
}
