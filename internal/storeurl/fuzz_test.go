package storeurl_test

import (
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// FuzzParse: no text makes the parsers panic, none is a URL of both kinds, and what is accepted
// names a place and can be shown. That pgx and go-redis take it is fuzzed in the stores.
func FuzzParse(f *testing.F) {
	f.Add("redis://u:hunter2@h:6379/0")
	f.Add("rediss+sentinel://h1:26379,[::1]/master?db=1&sentinel_password=x")
	f.Add("redis+cluster://h1,h2:1")
	f.Add("unix:///run/redis.sock?db=1")
	f.Add("postgres://u:hunter2@h:5432,h2/d?sslmode=disable&pool_max_conns=16")
	f.Add("postgres:///d?host=/run/pg&port=1&lock_timeout=1s")
	f.Fuzz(func(t *testing.T, text string) {
		r, redisErr := storeurl.ParseRedis(text)
		pg, postgresErr := storeurl.ParsePostgres(text)
		switch {
		case redisErr == nil && postgresErr == nil:
			t.Errorf("%q is both a Redis and a Postgres", text)
		case redisErr == nil && (len(r.Addrs) == 0 || storeurl.Masked(text) == storeurl.Stars):
			t.Errorf("%q names no Redis, or cannot be shown", text)
		case postgresErr == nil && (!strings.Contains(pg.KeywordValues().Reveal(), "host='") || storeurl.Masked(text) == storeurl.Stars):
			t.Errorf("%q names no Postgres, or cannot be shown", text)
		}
	})
}
