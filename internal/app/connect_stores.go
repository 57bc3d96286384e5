package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
)

func reachPostgres(ctx context.Context, c *connected) (_ Finding, ok bool) {
	if c.embedded() {
		return Finding{}, false
	}
	var err error
	if c.postgres, err = openPostgres(ctx, c.cfg, nil); err != nil {
		return bad("Postgres", err)
	}
	return good("Postgres", "it is reachable")
}

// usableSchema leaves a database alone that is not reached, or that serve would make.
func usableSchema(ctx context.Context, c *connected) (_ Finding, ok bool) {
	const name = "schema"
	if c.embedded() {
		if _, err := os.Stat(databasePath(c.cfg.DataDir)); errors.Is(err, fs.ErrNotExist) {
			return good(name, "there is no database yet; serve makes it in "+c.cfg.DataDir)
		}
	} else if c.postgres == nil {
		return Finding{}, false
	}
	schema, err := Schema(c.cfg)
	if err != nil {
		return bad(name, err)
	}
	status, err := schema.Status(ctx)
	if err == nil {
		err = status.Verdict()
	}
	switch {
	case errors.Is(err, db.ErrSchemaBehind) && c.embedded():
		return good(name, "it is behind; serve brings it up to date")
	case errors.Is(err, db.ErrSchemaBehind):
		return warning(name, err.Error())
	case err != nil:
		return bad(name, err)
	}
	c.schema = true
	if unended := status.Unended(); unended != "" {
		return warning(name, "it serves this binary, but is to be seen to: "+unended)
	}
	return good(name, "it serves this binary")
}

func reachRedis(ctx context.Context, c *connected) (_ Finding, ok bool) {
	if c.embedded() {
		return Finding{}, false
	}
	var err error
	if c.redis, err = openRedis(ctx, c.cfg, nil); err != nil {
		return bad("Redis", err)
	}
	return good("Redis", "it is reachable")
}

func keptStates(ctx context.Context, c *connected) (_ Finding, ok bool) {
	if c.redis == nil {
		return Finding{}, false
	}
	return eviction(c.redis.Describe(ctx)), true
}

func eviction(of redis.Description) Finding {
	const name = "Redis eviction"
	switch of.EvictionPolicy {
	case "noeviction":
		return Finding{Name: name, What: "it evicts no keys (noeviction)"}
	case "":
		return Finding{Name: name, What: "Redis doesn't say whether it evicts keys; its maxmemory-policy must be noeviction", Warn: true}
	}
	err := fmt.Errorf("with maxmemory-policy %s Redis forgets live sessions; set it to noeviction", of.EvictionPolicy)
	return Finding{Name: name, What: err.Error(), Err: err}
}

// persistence is for the operator to know: sessions outlive a Redis that forgets everything.
func persistence(ctx context.Context, c *connected) (_ Finding, ok bool) {
	const name = "Redis persistence"
	if c.redis == nil {
		return Finding{}, false
	}
	switch c.redis.Describe(ctx).AppendOnly {
	case "1":
		return good(name, "it writes every change to disk (appendonly yes)")
	case "0":
		return good(name, "it doesn't write every change to disk; a restart logs nobody out, but with appendonly yes stolen tokens are noticed through it, too")
	default:
		return good(name, "Redis doesn't say what it writes to disk; sessions don't depend on it")
	}
}

// openKeys finds out whether the root secret and the issuer are those that the signing keys were sealed with.
func openKeys(ctx context.Context, c *connected) (_ Finding, ok bool) {
	const name = "signing keys"
	if !c.schema {
		return Finding{}, false
	}
	problem, stored, err := c.inspectKeys(ctx)
	switch {
	case err != nil:
		return bad(name, err)
	case problem != nil:
		return bad(name, fmt.Errorf("%w; `mintmark keys verify` checks each key", problem))
	case stored == 0:
		return good(name, "there are none yet; serve makes the first")
	}
	return good(name, fmt.Sprintf("the root secret opens them (%d)", stored))
}

// inspectKeys returns the first problem that a key has, and how many keys there are.
func (c *connected) inspectKeys(ctx context.Context) (problem error, stored int, err error) {
	stores, err := storesOf(c.postgres, nil, nil)
	if c.embedded() {
		stores, err = OpenStores(ctx, c.cfg)
		if err == nil {
			defer stores.Close()
		}
	}
	if err != nil {
		return nil, 0, err
	}
	operator, err := stores.Operator(c.cfg)
	if err != nil {
		return nil, 0, err
	}
	report, err := operator.VerifyKeys(ctx)
	for _, key := range report.Keys {
		if key.Problem != nil {
			return key.Problem, len(report.Keys), err
		}
	}
	return nil, len(report.Keys), err
}
