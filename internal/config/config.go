// Package config turns flags, environment and a file into one typed Config.
//
// It is the only package that reads the environment. It reports all problems at once, each with the name of the key,
// where the value came from, what is wrong and how to fix it. A Config that Load returns is complete and consistent,
// and need not be validated again. A problem never contains a secret.
//
// One table (keys.go) lists all keys; flags, variable names, YAML names, parsing, `config show` and
// docs/configuration.md are made from it.
//
// It opens no database and no listener, so a well-formed value may name something that does not exist.
package config

import (
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"time"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// Mode says which stores the authority runs on.
type Mode string

// The two ways to run.
const (
	Embedded   Mode = "embedded"   // SQLite and memory
	Production Mode = "production" // Postgres and Redis
)

// Registration says who may create an account through the public API.
type Registration string

// The states of registration.
const (
	RegistrationOpen   Registration = "open"
	RegistrationClosed Registration = "closed"
)

// LogFormat is how log lines look.
type LogFormat string

// The log formats. LogAuto is text on a terminal and JSON elsewhere; who opens
// the log decides.
const (
	LogAuto LogFormat = "auto"
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Config is everything that can be set. Each field is documented at its key in
// keys.go.
type Config struct {
	Issuer   string // no trailing slash; see WithListenAddress for port 0
	Audience string

	HTTPAddr string // host:port
	OpsAddr  string // host:port
	OpsHosts []string
	DataDir  string

	HTTPIdleTimeout time.Duration
	StartupWait     time.Duration
	ShutdownDelay   time.Duration

	DatabaseURL        secret.String // empty in embedded mode
	DatabaseMigrateURL secret.String // empty: use DatabaseURL
	RedisURL           secret.String // empty in embedded mode
	RootSecret         secret.Roots  // nil: embedded mode keeps its own in DataDir

	AccessTokenTTL time.Duration
	RefreshIdleTTL time.Duration
	RefreshMaxTTL  time.Duration
	RefreshGrace   time.Duration

	KeysRotateEvery  time.Duration
	KeysPublishAhead time.Duration
	KeysRetain       time.Duration
	KeysRSABits      int // of the modulus of new keys

	AuditRetention   time.Duration // how long audit events are kept
	SessionRetention time.Duration // how long sessions are kept after they were over

	SessionsPerClient int // that a user may have

	PasswordMemoryKiB     int
	PasswordTime          int
	PasswordMaxConcurrent int
	PasswordMinLength     int // characters

	Registration Registration
	RateLogin    LoginRates
	RateToken    Rate // per client
	RateRegister Rate // per address

	TrustedProxies    []netip.Prefix
	CORSOrigins       []string
	InsecurePlainHTTP bool

	LogLevel  slog.Level
	LogFormat LogFormat

	// Tracing says that the standard OTEL_* variables name a place to send traces
	// to. The OpenTelemetry SDK reads the rest of them itself.
	Tracing bool

	// sources holds where each key that was given came from, by variable name.
	sources map[string]string

	warnings Problems // of the files that were read
}

// Mode is production as soon as a database is named; Validate refuses a
// database without Redis and the reverse.
func (c Config) Mode() Mode {
	if c.DatabaseURL.Empty() {
		return Embedded
	}
	return Production
}

// onThisMachine reports whether only programs of this machine reach the listener: for development.
func (c Config) onThisMachine() bool { return c.Mode() == Embedded && loopbackAddress(c.HTTPAddr) }

// LoopbackOrigins reports whether pages from any server of this machine may call the JSON API. They may while nobody
// else can reach it, by the listener or by the issuer's name, and unless MINTMARK_CORS_ORIGINS lists the origins.
func (c Config) LoopbackOrigins() bool {
	issuer, err := url.Parse(c.Issuer)
	return c.onThisMachine() && !c.given("MINTMARK_CORS_ORIGINS") && err == nil && (c.Issuer == "" || loopbackHost(issuer.Hostname()))
}

// WithListenAddress returns the Config to run with once the public listener is open on addr
// (host:port). It matters if MINTMARK_HTTP_ADDR has port 0, so that the kernel chose one: an
// issuer and audience that are not set then follow the port. Values that are set stay.
func (c Config) WithListenAddress(addr string) Config {
	c.HTTPAddr = addr
	c.deriveIssuer()
	return c
}

// IssuerDerived reports whether the issuer is not set: fine for one process, wrong for
// replicas, which must share one.
func (c Config) IssuerDerived() bool { return !c.given(keyIssuer) }

// WithRememberedIssuer returns the Config of a data directory that has been served under that
// issuer before: unless an issuer is set, it stays the same for any port, so that tokens and
// sealed keys stay valid. An issuer that is set takes precedence. The error says what is wrong
// with the text.
func (c Config) WithRememberedIssuer(text string) (Config, error) {
	if c.given(keyIssuer) {
		return c, nil
	}
	issuer, err := parseIssuer(text)
	if err != nil {
		return Config{}, err
	}
	c.Issuer = issuer
	c.sources = maps.Clone(c.sources) // the Config that was copied keeps its own
	c.sources[keyIssuer] = dataDirSource
	if !c.given(keyAudience) {
		c.Audience = issuer
	}
	return c, nil
}

// deriveIssuer fills in issuer and audience where they were not given.
func (c *Config) deriveIssuer() {
	if !c.given(keyIssuer) {
		_, port, _ := net.SplitHostPort(c.HTTPAddr)
		c.Issuer = "http://localhost:" + port
	}
	if !c.given(keyAudience) {
		c.Audience = c.Issuer
	}
}

// startupWait is longer than a Postgres takes to start, unless it has much to recover.
const startupWait = time.Minute

// shutdownDelay is longer than Kubernetes takes to take a pod out of its service, or a balancer that asks every second
// to believe two answers.
const shutdownDelay = 5 * time.Second

// derive fills in every default that depends on other keys.
func (c *Config) derive() {
	c.deriveIssuer()
	if !c.given(keyPasswordConcurrent) {
		c.PasswordMaxConcurrent = runtime.GOMAXPROCS(0)
	}
	if !c.given(keyStartupWait) && c.Mode() == Production {
		c.StartupWait = startupWait
	}
	if !c.given(keyShutdownDelay) && c.Mode() == Production {
		c.ShutdownDelay = shutdownDelay
	}
	if c.given(keyRegistration) {
		return
	}
	c.Registration = RegistrationClosed
	if c.onThisMachine() {
		c.Registration = RegistrationOpen
	}
}

func (c Config) given(variable string) bool {
	_, ok := c.sources[variable]
	return ok
}
