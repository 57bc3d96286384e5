package config

import (
	"strconv"
	"time"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// prefix begins the name of every variable of ours.
const prefix = "MINTMARK_"

// fileSuffix makes from a variable's name the one that names a file with its value.
const fileSuffix = "_FILE"

// The keys that rules refer to.
const (
	keyIssuer             = "MINTMARK_ISSUER"
	keyAudience           = "MINTMARK_AUDIENCE"
	keyHTTPAddr           = "MINTMARK_HTTP_ADDR"
	keyOpsAddr            = "MINTMARK_OPS_ADDR"
	keyDatabaseURL        = "MINTMARK_DATABASE_URL"
	keyDatabaseMigrateURL = "MINTMARK_DATABASE_MIGRATE_URL"
	keyRedisURL           = "MINTMARK_REDIS_URL"
	keyRootSecret         = "MINTMARK_ROOT_SECRET"
	keyAccessTokenTTL     = "MINTMARK_ACCESS_TOKEN_TTL"
	keyRefreshIdleTTL     = "MINTMARK_REFRESH_IDLE_TTL"
	keyRefreshMaxTTL      = "MINTMARK_REFRESH_MAX_TTL"
	keyRefreshGrace       = "MINTMARK_REFRESH_GRACE"
	keyKeysRotateEvery    = "MINTMARK_KEYS_ROTATE_EVERY"
	keyKeysPublishAhead   = "MINTMARK_KEYS_PUBLISH_AHEAD"
	keyKeysRetain         = "MINTMARK_KEYS_RETAIN"
	keyAuditRetention     = "MINTMARK_AUDIT_RETENTION"
	keySessionRetention   = "MINTMARK_SESSION_RETENTION"
	keySessionsPerClient  = "MINTMARK_SESSIONS_PER_CLIENT"
	keyPasswordMemory     = "MINTMARK_PASSWORD_MEMORY_KIB"
	keyPasswordTime       = "MINTMARK_PASSWORD_TIME"
	keyPasswordConcurrent = "MINTMARK_PASSWORD_MAX_CONCURRENT"
	keyPasswordMinLength  = "MINTMARK_PASSWORD_MIN_LENGTH"
	keyRegistration       = "MINTMARK_REGISTRATION"
	keyHTTPIdleTimeout    = "MINTMARK_HTTP_IDLE_TIMEOUT"
	keyShutdownDelay      = "MINTMARK_SHUTDOWN_DELAY"
	keyStartupWait        = "MINTMARK_STARTUP_WAIT"
	keyInsecurePlainHTTP  = "MINTMARK_INSECURE_PLAIN_HTTP"
)

// key is one setting.
type key struct {
	name     string // of the variable; YAML name and flag follow from it
	kind     string // the kind of its value, one word for help and docs
	fallback string // the default as it would be written; empty where absent or derived
	derived  string // how the default is derived if it depends on something else
	help     string // one sentence, no full stop
	secret   bool   // the value is never shown and not taken from the command line
	binding
}

// binding ties a key to its place in Config.
type binding struct {
	set  func(*Config, string) error // its error is a *defect
	show func(Config) string
}

// keys is the table from which flags, environment, YAML and documentation are made, in the order of the documentation.
func keys() []key {
	return []key{
		{name: keyIssuer, kind: "url", derived: "the issuer that the data directory was first served under; for a new directory `http://localhost:` and the port of `MINTMARK_HTTP_ADDR`",
			help:    "URL of the authority that signs the tokens: https (http on loopback), without path, trailing slash, query or fragment",
			binding: bind(func(c *Config) *string { return &c.Issuer }, parseIssuer, asIs)},
		{name: keyAudience, kind: "text", derived: "the issuer",
			help:    "the default audience (aud) of first-party access tokens",
			binding: bind(func(c *Config) *string { return &c.Audience }, parseAudience, asIs)},
		{name: keyHTTPAddr, kind: "host:port", fallback: "127.0.0.1:8080",
			help:    "address of the public listener; port 0 takes a free one",
			binding: bind(func(c *Config) *string { return &c.HTTPAddr }, addressLike("127.0.0.1:8080"), asIs)},
		{name: keyOpsAddr, kind: "host:port", fallback: "127.0.0.1:9090",
			help:    "address of the operations listener (metrics, health), which must never be public",
			binding: bind(func(c *Config) *string { return &c.OpsAddr }, addressLike("127.0.0.1:9090"), asIs)},
		{name: "MINTMARK_OPS_HOSTS", kind: "hosts", derived: "none",
			help:    "further names that the operations listener answers to, separated by commas; it always answers to IP addresses, loopback names and the name of its machine",
			binding: bind(func(c *Config) *[]string { return &c.OpsHosts }, parseHosts, joinList)},
		{name: keyHTTPIdleTimeout, kind: "duration", fallback: "620s",
			help:    "how long a connection may wait for its next request; longer than the balancer in front lets it",
			binding: bindDuration(fieldHTTPIdleTimeout)},
		{name: keyStartupWait, kind: "duration", derived: "`60s` in production, `0s` in embedded mode",
			help:    "how long serve and migrate wait for a Postgres or a Redis that can't be reached yet",
			binding: bindDuration(fieldStartupWait)},
		{name: keyShutdownDelay, kind: "duration", derived: "`5s` in production, `0s` in embedded mode",
			help:    "how long requests stay welcome after SIGTERM while /readyz answers 503; longer than balancers take to notice",
			binding: bindDuration(fieldShutdownDelay)},
		{name: keyInsecurePlainHTTP, kind: "bool", fallback: "false",
			help:    "allow an http issuer that is not on loopback: anyone on the network path can then read every token",
			binding: bind(func(c *Config) *bool { return &c.InsecurePlainHTTP }, parseBool, showBool)},
		{name: "MINTMARK_DATA_DIR", kind: "path", fallback: "./mintmark-data",
			help:    "embedded mode: directory of the database, the root secret and the issuer, for one process at a time",
			binding: bind(func(c *Config) *string { return &c.DataDir }, parsePath, asIs)},
		{name: keyDatabaseURL, kind: "url", secret: true,
			help:    "Postgres, postgres://…; together with MINTMARK_REDIS_URL it chooses production mode",
			binding: bindURL(fieldDatabaseURL, storeurl.ParsePostgres)},
		{name: keyDatabaseMigrateURL, kind: "url", secret: true, derived: "`MINTMARK_DATABASE_URL`",
			help:    "Postgres itself, if MINTMARK_DATABASE_URL leads to a pooler: for migrations, and to hear at once of changes",
			binding: bindURL(fieldDatabaseMigrateURL, storeurl.ParsePostgres)},
		{name: keyRedisURL, kind: "url", secret: true,
			help:    "Redis: redis://, redis+sentinel://h1,h2/master, redis+cluster://h1,h2 (rediss for TLS) or unix:///path",
			binding: bindURL(fieldRedisURL, storeurl.ParseRedis)},
		{name: keyRootSecret, kind: "roots", secret: true, derived: "made at first start and kept in the data directory",
			help:    "1:base64(32 bytes),2:…, made with 1:$(openssl rand -base64 32); the first signs, all verify, 1!: marks a compromised one",
			binding: rootSecretBinding()},
		{name: keyAccessTokenTTL, kind: "duration", fallback: "5m",
			help:    "lifetime of access tokens, 1s to 1h",
			binding: bindDuration(fieldAccessTokenTTL)},
		{name: keyRefreshIdleTTL, kind: "duration", fallback: "720h",
			help:    "how long a session lasts without a refresh",
			binding: bindDuration(fieldRefreshIdleTTL)},
		{name: keyRefreshMaxTTL, kind: "duration", fallback: "4320h",
			help:    "how long a session lasts from its login, refreshed or not",
			binding: bindDuration(fieldRefreshMaxTTL)},
		{name: keyRefreshGrace, kind: "duration", fallback: "30s",
			help:    "how long a repeated refresh gets the same answer, 0s to 60s; with 0s a lost answer ends the session",
			binding: bindDuration(fieldRefreshGrace)},
		{name: keyKeysRotateEvery, kind: "duration", fallback: "720h",
			help:    "how often a new signing key takes over",
			binding: bindDuration(fieldKeysRotateEvery)},
		{name: keyKeysPublishAhead, kind: "duration", fallback: "48h",
			help:    "how long a signing key is published before it signs",
			binding: bindDuration(fieldKeysPublishAhead)},
		{name: keyKeysRetain, kind: "duration", fallback: "24h",
			help:    "how long a retired key stays published",
			binding: bindDuration(fieldKeysRetain)},
		{name: "MINTMARK_KEYS_RSA_BITS", kind: "2048|3072|4096", fallback: "2048",
			help:    "size of new signing keys; a signature costs three times as much with 3072 and seven times with 4096",
			binding: bind(func(c *Config) *int { return &c.KeysRSABits }, oneOfNumbers(2048, 3072, 4096), strconv.Itoa)},
		{name: keyAuditRetention, kind: "duration", fallback: "9600h",
			help:    "how long audit events are kept, at least 24h; older ones are removed in small batches",
			binding: bindDuration(fieldAuditRetention)},
		{name: keySessionRetention, kind: "duration", fallback: "720h",
			help:    "how long an ended or expired session is kept once no token of it is of use, at least 24h; its tokens are refused after that, too",
			binding: bindDuration(fieldSessionRetention)},
		{name: keySessionsPerClient, kind: "number", fallback: "100",
			help:    "how many sessions a user may have with one client; the one idle for longest ends when a login exceeds it",
			binding: bindInt(fieldSessionsPerClient)},
		{name: keyPasswordMemory, kind: "KiB", fallback: "19456",
			help:    "memory of one argon2id hash",
			binding: bindInt(fieldPasswordMemory)},
		{name: keyPasswordTime, kind: "number", fallback: "2",
			help:    "passes of one argon2id hash",
			binding: bindInt(fieldPasswordTime)},
		{name: keyPasswordConcurrent, kind: "number", derived: "the number of cores",
			help:    "argon2id hashes computed at once; further logins queue for at most 2 s",
			binding: bindInt(fieldPasswordConcurrent)},
		{name: keyPasswordMinLength, kind: "number", fallback: "12",
			help:    "minimum number of characters of a new password",
			binding: bindInt(fieldPasswordMinLength)},
		{name: keyRegistration, kind: "open|closed", derived: "`open` in embedded mode on loopback, else `closed`",
			help:    "whether anyone may create an account",
			binding: bind(func(c *Config) *Registration { return &c.Registration }, oneOf(RegistrationOpen, RegistrationClosed), showWord[Registration])},
		{name: "MINTMARK_RATE_LOGIN", kind: "rates", fallback: "10/m,60/m",
			help:    "logins per user and address, and per address; off for none",
			binding: bind(func(c *Config) *LoginRates { return &c.RateLogin }, parseLoginRates, LoginRates.String)},
		{name: "MINTMARK_RATE_TOKEN", kind: "rate", fallback: "50/s",
			help:    "requests to the token endpoint per client; off for none",
			binding: bind(func(c *Config) *Rate { return &c.RateToken }, parseRate, Rate.String)},
		{name: "MINTMARK_RATE_REGISTER", kind: "rate", fallback: "5/m",
			help:    "registrations per address; off for none",
			binding: bind(func(c *Config) *Rate { return &c.RateRegister }, parseRate, Rate.String)},
		{name: "MINTMARK_TRUSTED_PROXIES", kind: "networks", derived: "none",
			help:    "addresses and networks of proxies that are believed whose request they pass on (X-Forwarded-For, else Forwarded), separated by commas",
			binding: proxiesBinding()},
		{name: "MINTMARK_CORS_ORIGINS", kind: "origins", derived: "in embedded mode on loopback those of this machine, else none",
			help:    "origins whose pages may call the JSON API, like https://app.example.com, separated by commas; /oauth/ and the documents are for pages of every origin",
			binding: bind(func(c *Config) *[]string { return &c.CORSOrigins }, parseCORSOrigins, joinList)},
		{name: "MINTMARK_LOG_LEVEL", kind: "debug|info|warn|error", fallback: "info",
			help:    "the lowest level that is logged",
			binding: logLevelBinding()},
		{name: "MINTMARK_LOG_FORMAT", kind: "auto|text|json", fallback: "auto",
			help:    "form of the log; auto is text on a terminal, else json",
			binding: bind(func(c *Config) *LogFormat { return &c.LogFormat }, oneOf(LogAuto, LogText, LogJSON), showWord[LogFormat])},
	}
}

// The fields that both the table and the rules name.

func fieldHTTPIdleTimeout(c *Config) *time.Duration  { return &c.HTTPIdleTimeout }
func fieldStartupWait(c *Config) *time.Duration      { return &c.StartupWait }
func fieldShutdownDelay(c *Config) *time.Duration    { return &c.ShutdownDelay }
func fieldAccessTokenTTL(c *Config) *time.Duration   { return &c.AccessTokenTTL }
func fieldRefreshIdleTTL(c *Config) *time.Duration   { return &c.RefreshIdleTTL }
func fieldRefreshMaxTTL(c *Config) *time.Duration    { return &c.RefreshMaxTTL }
func fieldRefreshGrace(c *Config) *time.Duration     { return &c.RefreshGrace }
func fieldKeysRotateEvery(c *Config) *time.Duration  { return &c.KeysRotateEvery }
func fieldKeysPublishAhead(c *Config) *time.Duration { return &c.KeysPublishAhead }
func fieldKeysRetain(c *Config) *time.Duration       { return &c.KeysRetain }
func fieldPasswordMemory(c *Config) *int             { return &c.PasswordMemoryKiB }
func fieldPasswordTime(c *Config) *int               { return &c.PasswordTime }
func fieldPasswordConcurrent(c *Config) *int         { return &c.PasswordMaxConcurrent }
func fieldAuditRetention(c *Config) *time.Duration   { return &c.AuditRetention }
func fieldSessionsPerClient(c *Config) *int          { return &c.SessionsPerClient }
func fieldSessionRetention(c *Config) *time.Duration { return &c.SessionRetention }
func fieldPasswordMinLength(c *Config) *int          { return &c.PasswordMinLength }
