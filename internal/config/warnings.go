package config

import (
	"slices"

	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// Warnings are what is wrong with a configuration that serve would still run with: secrets that others can read, and
// connections over which passwords and tokens' states travel in the clear.
func (c Config) Warnings() Problems {
	warnings := slices.Clone(c.warnings)
	for _, u := range []struct {
		key   string
		value secret.String
		plain func(text string) (host, mend string)
	}{
		{keyDatabaseURL, c.DatabaseURL, storeurl.PlainPostgres},
		{keyDatabaseMigrateURL, c.DatabaseMigrateURL, storeurl.PlainPostgres},
		{keyRedisURL, c.RedisURL, storeurl.PlainRedis},
	} {
		if host, mend := u.plain(u.value.Reveal()); host != "" {
			warnings = append(warnings, Problem{Key: u.key, Source: c.problemSource(u.key), What: "it may reach " + quote(host) + " in the clear", Mend: mend})
		}
	}
	return warnings
}
