package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/mintmark-auth/mintmark/internal/duration"
)

// rule is one thing that must hold of a Config whose values are well-formed.
type rule struct {
	key   string   // the key a breach is reported at
	also  []string // further keys it reads; it is skipped where one of them is malformed
	check func(Config) *defect

	least, most string // where the rule is a bound: its limits, for the documentation
}

// concerns reports whether the rule reads this key.
func (r rule) concerns(key string) bool { return r.key == key || slices.Contains(r.also, key) }

// Validate gives every rule of the documentation that c breaks. Load has called
// it already.
func (c Config) Validate() Problems { return c.breaches(nil) }

// breaches is Validate without the rules that read a malformed key: their
// verdict would only repeat that problem in other words.
func (c Config) breaches(malformed map[string]bool) Problems {
	var problems Problems
	for _, r := range slices.Concat(bounds(), relations()) {
		skip := false
		for key := range malformed {
			skip = skip || r.concerns(key)
		}
		if skip {
			continue
		}
		if d := r.check(c); d != nil {
			problems = append(problems, Problem{Key: r.key, Source: c.problemSource(r.key), What: d.what, Mend: d.mend})
		}
	}
	return problems
}

// problemSource says where the value of key came from, or that none was given.
func (c Config) problemSource(key string) string {
	if source, ok := c.sources[key]; ok {
		return source
	}
	return "not set"
}

const (
	day  = 24 * time.Hour
	year = 365 * day

	// verifierSlack covers what verifiers and replicas may lag behind before they
	// stop using a key that has left: verifiers keep the JWKS for 5 min (its max-age)
	// and replicas their snapshot of the keys for 1 (keyring.MaxAge).
	verifierSlack = 6 * time.Minute
	// twoPolls is how long replicas need to be sure to know a new key, with room.
	twoPolls = 15 * time.Second
)

// bounds are the limits of single numbers.
func bounds() []rule {
	return []rule{
		between(keyHTTPIdleTimeout, fieldHTTPIdleTimeout, time.Second, time.Hour),
		between(keyStartupWait, fieldStartupWait, 0, time.Hour),
		between(keyShutdownDelay, fieldShutdownDelay, 0, 10*time.Minute),
		between(keyAccessTokenTTL, fieldAccessTokenTTL, time.Second, time.Hour),
		between(keyRefreshIdleTTL, fieldRefreshIdleTTL, time.Second, 10*year),
		between(keyRefreshMaxTTL, fieldRefreshMaxTTL, time.Second, 10*year),
		between(keyRefreshGrace, fieldRefreshGrace, 0, time.Minute),
		between(keyKeysRotateEvery, fieldKeysRotateEvery, twoPolls, 10*year),
		between(keyKeysPublishAhead, fieldKeysPublishAhead, twoPolls, year),
		between(keyKeysRetain, fieldKeysRetain, verifierSlack, 10*year),
		between(keyAuditRetention, fieldAuditRetention, 24*time.Hour, 100*year),
		between(keySessionRetention, fieldSessionRetention, 24*time.Hour, 100*year),
		within(keySessionsPerClient, fieldSessionsPerClient, 1, 10_000),
		within(keyPasswordMemory, fieldPasswordMemory, 8<<10, 512<<10),
		within(keyPasswordTime, fieldPasswordTime, 1, 16),
		within(keyPasswordConcurrent, fieldPasswordConcurrent, 1, 1024),
		within(keyPasswordMinLength, fieldPasswordMinLength, 8, 64),
	}
}

func between(key string, field func(*Config) *time.Duration, least, most time.Duration) rule {
	return bounded(key, field, duration.Spell, least, most)
}

func within(key string, field func(*Config) *int, least, most int) rule {
	return bounded(key, field, strconv.Itoa, least, most)
}

func bounded[T int | time.Duration](key string, field func(*Config) *T, show func(T) string, least, most T) rule {
	return rule{key: key, least: show(least), most: show(most), check: func(c Config) *defect {
		value, mend := *field(&c), fmt.Sprintf("choose a value from %s to %s", show(least), show(most))
		switch {
		case value < least:
			return &defect{fmt.Sprintf("%s is less than %s", show(value), show(least)), mend}
		case value > most:
			return &defect{fmt.Sprintf("%s is more than %s", show(value), show(most)), mend}
		}
		return nil
	}}
}

// relations are the rules between keys.
func relations() []rule {
	return []rule{
		{key: keyPasswordTime, also: []string{keyPasswordMemory}, check: hashesBearable},
		{key: keyKeysRotateEvery, also: []string{keyKeysPublishAhead}, check: rotateAfterPublishing},
		{key: keyKeysPublishAhead, also: []string{keyAccessTokenTTL}, check: publishBeforeSigning},
		{key: keyKeysRetain, also: []string{keyAccessTokenTTL}, check: retainWhileTokensLive},
		{key: keyRedisURL, check: redisWithDatabase},
		{key: keyDatabaseURL, check: databaseWithRedis},
		{key: keyDatabaseMigrateURL, check: migrateWithDatabase},
		{key: keyRootSecret, check: rootSecretInProduction},
		{key: keyRootSecret, check: rootSecretIsRandom},
		{key: keyIssuer, also: []string{keyInsecurePlainHTTP}, check: issuerIsSafe},
		{key: keyHTTPAddr, also: []string{keyIssuer, keyInsecurePlainHTTP}, check: plainHTTPOnLoopback},
		{key: keyOpsAddr, also: []string{keyHTTPAddr}, check: listenersApart},
	}
}

// maxHashWork bounds one password hash, in KiB times passes: what the hasher accepts.
const maxHashWork = 1 << 20

func hashesBearable(c Config) *defect {
	if c.PasswordMemoryKiB*c.PasswordTime <= maxHashWork {
		return nil
	}
	return &defect{
		fmt.Sprintf("%d passes over %d KiB are too much work for one password", c.PasswordTime, c.PasswordMemoryKiB),
		fmt.Sprintf("keep %s times %s at or below %d", keyPasswordTime, keyPasswordMemory, maxHashWork),
	}
}

func rotateAfterPublishing(c Config) *defect {
	if c.KeysRotateEvery >= 2*c.KeysPublishAhead {
		return nil
	}
	return &defect{
		fmt.Sprintf("%s is less than twice %s (%s)", duration.Spell(c.KeysRotateEvery), keyKeysPublishAhead, duration.Spell(c.KeysPublishAhead)),
		fmt.Sprintf("raise it to at least %s or lower %s", duration.Spell(2*c.KeysPublishAhead), keyKeysPublishAhead),
	}
}

func publishBeforeSigning(c Config) *defect {
	if c.KeysPublishAhead >= c.AccessTokenTTL {
		return nil
	}
	return &defect{
		fmt.Sprintf("%s is less than %s (%s)", duration.Spell(c.KeysPublishAhead), keyAccessTokenTTL, duration.Spell(c.AccessTokenTTL)),
		fmt.Sprintf("raise it to at least %s", duration.Spell(c.AccessTokenTTL)),
	}
}

func retainWhileTokensLive(c Config) *defect {
	least := c.AccessTokenTTL + verifierSlack
	if c.KeysRetain >= least {
		return nil
	}
	return &defect{
		fmt.Sprintf("%s is less than %s (%s) and %s more, so tokens would outlive their key",
			duration.Spell(c.KeysRetain), keyAccessTokenTTL, duration.Spell(c.AccessTokenTTL), duration.Spell(verifierSlack)),
		fmt.Sprintf("raise it to at least %s", duration.Spell(least)),
	}
}

func redisWithDatabase(c Config) *defect {
	if c.DatabaseURL.Empty() || !c.RedisURL.Empty() {
		return nil
	}
	return &defect{"it is missing, while " + keyDatabaseURL + " is set: production needs both",
		"set it too, or unset the other for embedded mode"}
}

func databaseWithRedis(c Config) *defect {
	if !c.DatabaseURL.Empty() || c.RedisURL.Empty() {
		return nil
	}
	return &defect{"it is missing, while " + keyRedisURL + " is set: production needs both",
		"set it too, or unset the other for embedded mode"}
}

func migrateWithDatabase(c Config) *defect {
	if c.DatabaseMigrateURL.Empty() || !c.DatabaseURL.Empty() {
		return nil
	}
	return &defect{"it is set, while " + keyDatabaseURL + " is missing", "set that one, or unset both for embedded mode"}
}

func rootSecretInProduction(c Config) *defect {
	if c.DatabaseURL.Empty() && c.RedisURL.Empty() || len(c.RootSecret) > 0 {
		return nil
	}
	return &defect{"it is missing, and every replica must have the same one",
		"set it to the output of: echo 1:$(openssl rand -base64 32)"}
}

// rootSecretIsRandom judges no root that is marked as compromised: that mark is the mend.
func rootSecretIsRandom(c Config) *defect {
	for _, root := range c.RootSecret {
		if why := root.Guessable(); why != "" && !root.Compromised {
			return &defect{fmt.Sprintf("it was not made at random: the one with id %d %s", root.ID, why),
				fmt.Sprintf("put one from `mintmark secret new --id N` before it, and mark it as compromised, %d!:", root.ID)}
		}
	}
	return nil
}

func issuerIsSafe(c Config) *defect {
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Scheme == "https" || c.InsecurePlainHTTP || loopbackHost(issuer.Hostname()) {
		return nil
	}
	return &defect{quote(c.Issuer) + " sends tokens in the clear",
		"use https, or set " + keyInsecurePlainHTTP + "=true on a network that no attacker can read"}
}

func plainHTTPOnLoopback(c Config) *defect {
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Scheme == "https" || c.InsecurePlainHTTP || loopbackAddress(c.HTTPAddr) {
		return nil
	}
	return &defect{fmt.Sprintf("%s is reachable from outside while the issuer (%s) is plain http", quote(c.HTTPAddr), quote(c.Issuer)),
		"set " + keyIssuer + " to the https URL of the proxy in front, listen on 127.0.0.1, or set " + keyInsecurePlainHTTP + "=true on a network that no attacker can read"}
}

func listenersApart(c Config) *defect {
	_, public, _ := net.SplitHostPort(c.HTTPAddr)
	_, operations, _ := net.SplitHostPort(c.OpsAddr)
	if public != operations || public == "0" {
		return nil
	}
	return &defect{"it has the same port as " + keyHTTPAddr + " (" + public + "), which is public", "choose another port"}
}
