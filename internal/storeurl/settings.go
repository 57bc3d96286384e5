package storeurl

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/internal/duration"
	"github.com/mintmark-auth/mintmark/internal/secret"
)

// Pool is what the URL of a Postgres database says about the pool of connections. A
// zero field was not given.
type Pool struct {
	MaxConns              int32
	MinConns              int32
	MinIdleConns          int32
	MaxConnLifetime       time.Duration
	MaxConnLifetimeJitter time.Duration
	MaxConnIdleTime       time.Duration
	HealthCheckPeriod     time.Duration
	PingTimeout           time.Duration
}

const (
	maxConns = 1000 // Postgres itself allows 100 unless it is told otherwise
	day      = 24 * time.Hour
)

// parameters are all that may follow the question mark in the URL of a Postgres database: those of libpq
// (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS) that
// pgx knows, those of pgx, and the settings of a server that concern a client.
func (pg *Postgres) parameters() map[string]setting {
	return map[string]setting{
		"host":     {"host names, addresses or folders of sockets, separated by commas", pg.takeHosts},
		"port":     {"ports from 1 to 65535, separated by commas", pg.takePorts},
		"user":     text(&pg.User),
		"dbname":   text(&pg.Database),
		"password": hidden(&pg.Password),

		"sslmode":        pg.word("sslmode", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
		"sslnegotiation": pg.word("sslnegotiation", "postgres", "direct"),
		"sslsni":         pg.word("sslsni", "0", "1"),
		"sslcertmode":    pg.word("sslcertmode", "disable", "allow", "require"),
		"sslcert":        pg.text("sslcert"),
		"sslkey":         pg.text("sslkey"),
		"sslrootcert":    pg.text("sslrootcert"),
		"sslpassword":    hidden(&pg.keyPassword),
		"passfile":       pg.text("passfile"),
		"service":        pg.text("service"),
		"servicefile":    pg.text("servicefile"),

		"connect_timeout":      pg.number("connect_timeout", 0, 3600),
		"target_session_attrs": pg.word("target_session_attrs", "any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
		"channel_binding":      pg.word("channel_binding", "disable", "prefer", "require"),
		"require_auth":         pg.word("require_auth", "password", "md5", "scram-sha-256", "none", "!password", "!md5", "!none"),
		"min_protocol_version": pg.word("min_protocol_version", "3.0", "3.2", "latest"),
		"max_protocol_version": pg.word("max_protocol_version", "3.0", "3.2", "latest"),

		// exec and simple_protocol are missing: our statements need the server to tell the types of their parameters.
		"default_query_exec_mode":    pg.word("default_query_exec_mode", "cache_statement", "cache_describe", "describe_exec"),
		"statement_cache_capacity":   pg.number("statement_cache_capacity", 0, 1<<16),
		"description_cache_capacity": pg.number("description_cache_capacity", 0, 1<<16),

		"application_name":                    pg.text("application_name"),
		"options":                             pg.text("options"),
		"role":                                pg.text("role"),
		"search_path":                         pg.text("search_path"),
		"timezone":                            pg.text("timezone"),
		"statement_timeout":                   pg.serverTime("statement_timeout"),
		"lock_timeout":                        pg.serverTime("lock_timeout"),
		"idle_session_timeout":                pg.serverTime("idle_session_timeout"),
		"idle_in_transaction_session_timeout": pg.serverTime("idle_in_transaction_session_timeout"),

		"pool_max_conns":                count(&pg.Pool.MaxConns, 1),
		"pool_min_conns":                count(&pg.Pool.MinConns, 0),
		"pool_min_idle_conns":           count(&pg.Pool.MinIdleConns, 0),
		"pool_max_conn_lifetime":        span(&pg.Pool.MaxConnLifetime, time.Second, 365*day),
		"pool_max_conn_lifetime_jitter": span(&pg.Pool.MaxConnLifetimeJitter, 0, 365*day),
		"pool_max_conn_idle_time":       span(&pg.Pool.MaxConnIdleTime, time.Second, 365*day),
		"pool_health_check_period":      span(&pg.Pool.HealthCheckPeriod, time.Second, time.Hour),
		"pool_ping_timeout":             span(&pg.Pool.PingTimeout, 100*time.Millisecond, time.Minute),
	}
}

// Parameter documents one parameter of a URL.
type Parameter struct {
	Name  string
	Takes string // its values, in words
}

// PostgresParameters lists all that may follow the question mark in the URL of a Postgres
// database, by name.
func PostgresParameters() []Parameter {
	known := new(Postgres).parameters()
	list := make([]Parameter, 0, len(known))
	for _, name := range slices.Sorted(maps.Keys(known)) {
		list = append(list, Parameter{name, known[name].takes})
	}
	return list
}

// fits holds what must be true of parameters together. Without pool_max_conns pgx chooses
// the most connections by the processors of the machine, so nothing is checked against it.
func (pg *Postgres) fits() error {
	most := pg.Pool.MaxConns // 0: not given
	mode := pg.settings["default_query_exec_mode"]
	switch {
	case most > 0 && max(pg.Pool.MinConns, pg.Pool.MinIdleConns) > most:
		return defectf("raise pool_max_conns or lower the other", "pool_min_conns or pool_min_idle_conns is more than pool_max_conns (%d)", most)
	case (pg.settings["sslcert"] == "") != (pg.settings["sslkey"] == ""):
		return defectf("give both or neither", "it gives one of sslcert and sslkey without the other")
	case pg.settings["max_protocol_version"] == "3.0" && slices.Contains([]string{"3.2", "latest"}, pg.settings["min_protocol_version"]):
		return defectf("raise the one or lower the other", "max_protocol_version is less than min_protocol_version")
	case (mode == "" || mode == "cache_statement") && pg.none("statement_cache_capacity"),
		mode == "cache_describe" && pg.none("description_cache_capacity"):
		return defectf("give a capacity of at least 1, or default_query_exec_mode=describe_exec", "its default_query_exec_mode needs a cache, whose capacity is 0")
	}
	return nil
}

// none reports whether a number was given that is zero.
func (pg *Postgres) none(name string) bool {
	return pg.settings[name] != "" && strings.Trim(pg.settings[name], "0") == ""
}

func (pg *Postgres) takeHosts(list string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		h, err := parseHost(entry, 1)
		if isSocket := path.IsAbs(entry); !isSocket && (err != nil || h.port != "") {
			return false
		} else if isSocket {
			h.name = entry
		}
		pg.hosts = append(pg.hosts, h.name)
	}
	return len(pg.hosts) <= maxHosts
}

func (pg *Postgres) takePorts(list string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		port, err := parsePort(entry, 1)
		if err != nil {
			return false
		}
		pg.ports = append(pg.ports, port)
	}
	return true
}

func text(field *string) setting {
	return setting{"a text", func(value string) bool { *field = value; return true }}
}

func hidden(field *secret.String) setting {
	return setting{"a text", func(value string) bool { *field = secret.NewString(value); return true }}
}

// keep is a setting for pgx that takes the values that are good.
func (pg *Postgres) keep(name, takes string, good func(string) bool) setting {
	return setting{takes, func(value string) bool { pg.settings[name] = value; return good(value) }}
}

func (pg *Postgres) text(name string) setting {
	return pg.keep(name, "a text", func(value string) bool { return value != "" })
}

func (pg *Postgres) word(name string, words ...string) setting {
	return pg.keep(name, "one of "+strings.Join(words, ", "), func(value string) bool { return slices.Contains(words, value) })
}

func (pg *Postgres) number(name string, least, most int) setting {
	return pg.keep(name, "a number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most), func(value string) bool {
		n, err := strconv.Atoi(value)
		return err == nil && least <= n && n <= most
	})
}

// serverTime is a duration as the server reads it (https://www.postgresql.org/docs/current/config-setting.html).
func (pg *Postgres) serverTime(name string) setting {
	return pg.keep(name, "a time like 500, 500ms, 5s or 1min (without a unit: milliseconds)", func(value string) bool {
		unit := strings.TrimLeft(value, "0123456789")
		digits := len(value) - len(unit)
		return 0 < digits && digits < 10 && slices.Contains([]string{"", "ms", "s", "min", "h", "d"}, unit)
	})
}

func count(field *int32, least int32) setting {
	return setting{"a number from " + strconv.Itoa(int(least)) + " to " + strconv.Itoa(maxConns), func(value string) bool {
		n, err := strconv.ParseInt(value, 10, 32)
		*field = int32(n)
		return err == nil && int32(n) >= least && n <= maxConns
	}}
}

func span(field *time.Duration, least, most time.Duration) setting {
	return setting{"a duration from " + duration.Spell(least) + " to " + duration.Spell(most), func(value string) bool {
		d, err := time.ParseDuration(value)
		*field = d
		return err == nil && least <= d && d <= most
	}}
}
