package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// maxHosts bounds the list of seeds; a client asks the first that answers.
const maxHosts = 64

// address is a URL taken apart.
type address struct {
	hosts []string
	path  string // without the leading slash
	query url.Values
}

// parseURL reads every form that [Open] takes. Errors hold no part of the URL
// but its scheme: a password with an unescaped character may stand anywhere in it.
func parseURL(text string) (*goredis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return nil, errors.New("it has no scheme: write redis://host:6379")
	}
	options := &goredis.UniversalOptions{}
	if plain, secure := strings.CutPrefix(scheme, "rediss"); secure {
		scheme = "redis" + plain
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if scheme == "unix" {
		return parseSocket(rest, options)
	}
	port := redisPort
	if scheme == "redis+sentinel" {
		port = sentinelPort
	}
	parsed, err := parseRest(rest, port, options)
	if err != nil {
		return nil, err
	}
	switch scheme {
	case "redis":
		return parseSingle(parsed, options)
	case "redis+sentinel":
		return parseSentinel(parsed, options)
	case "redis+cluster":
		return parseCluster(parsed, options)
	default:
		return nil, errors.New("its scheme is unknown: write redis, rediss, redis+sentinel, rediss+sentinel, redis+cluster, rediss+cluster or unix")
	}
}

func parseSingle(a address, options *goredis.UniversalOptions) (*goredis.UniversalOptions, error) {
	if len(a.hosts) > 1 {
		return nil, errors.New("redis:// takes one host: write redis+sentinel:// or redis+cluster:// for several")
	}
	if a.path != "" && a.query.Has("db") {
		return nil, errors.New("it names the database twice: write either /N or ?db=N")
	}
	if a.path != "" {
		a.query.Set("db", a.path)
	}
	if err := takeQuery(a.query, options, "db"); err != nil {
		return nil, err
	}
	options.Addrs = a.hosts
	return options, nil
}

func parseSentinel(a address, options *goredis.UniversalOptions) (*goredis.UniversalOptions, error) {
	if a.path == "" || strings.Contains(a.path, "/") {
		return nil, errors.New("it does not name the primary: write redis+sentinel://host:26379/mymaster")
	}
	if err := takeQuery(a.query, options, "db", "sentinel_username", "sentinel_password"); err != nil {
		return nil, err
	}
	options.Addrs, options.MasterName = a.hosts, a.path
	return options, nil
}

func parseCluster(a address, options *goredis.UniversalOptions) (*goredis.UniversalOptions, error) {
	if a.path != "" && a.path != "0" {
		return nil, errors.New("a cluster has database 0 only: write redis+cluster://host:6379,host:6379")
	}
	if err := takeQuery(a.query, options); err != nil {
		return nil, err
	}
	options.Addrs, options.IsClusterMode = a.hosts, true
	return options, nil
}

func parseSocket(rest string, options *goredis.UniversalOptions) (*goredis.UniversalOptions, error) {
	u, err := url.Parse("unix://" + rest)
	if err != nil || u.Host != "" || u.Path == "" {
		return nil, errors.New("it names no socket: write unix:///path/to/redis.sock?db=0")
	}
	takeUser(u.User, options)
	if err := takeQuery(u.Query(), options, "db"); err != nil {
		return nil, err
	}
	options.Addrs = []string{u.Path}
	return options, nil
}

// parseRest reads what follows the scheme. The hosts are cut out first, since
// net/url knows of one only.
func parseRest(rest, port string, options *goredis.UniversalOptions) (address, error) {
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority := rest[:end]
	at := strings.LastIndexByte(authority, '@') + 1
	hosts, err := splitHosts(authority[at:], port)
	if err != nil {
		return address{}, err
	}
	u, err := url.Parse("redis://" + authority[:at] + "hosts" + rest[end:])
	if err != nil || u.Fragment != "" {
		return address{}, errors.New("it is malformed: percent-encode special characters in the user name and password")
	}
	takeUser(u.User, options)
	return address{hosts: hosts, path: strings.Trim(u.Path, "/"), query: u.Query()}, nil
}

// splitHosts reads host[:port],host[:port].
func splitHosts(list, port string) ([]string, error) {
	hosts := strings.Split(list, ",")
	if len(hosts) > maxHosts {
		return nil, fmt.Errorf("it names more than %d hosts", maxHosts)
	}
	for i, host := range hosts {
		name, number, err := net.SplitHostPort(host)
		if err != nil {
			name, number = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), port
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 || name == "" || !plausible(name) {
			return nil, fmt.Errorf("host %d of %d is not host or host:port (percent-encode special characters in the user name and password)", i+1, len(hosts))
		}
		hosts[i] = net.JoinHostPort(name, number)
	}
	return hosts, nil
}

// plausible reports whether name may be a host name or an address.
func plausible(name string) bool {
	return net.ParseIP(name) != nil || !strings.ContainsFunc(name, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && r != '-' && r != '.' && r != '_'
	})
}

func takeUser(user *url.Userinfo, options *goredis.UniversalOptions) {
	options.Username = user.Username()
	options.Password, _ = user.Password()
}

// takeQuery takes the parameters that the form knows, each at most once.
func takeQuery(query url.Values, options *goredis.UniversalOptions, known ...string) error {
	values := make(map[string]string, len(known))
	for _, name := range known {
		if len(query[name]) > 1 {
			return fmt.Errorf("it gives %s twice", name)
		}
		values[name] = query.Get(name)
		query.Del(name)
	}
	if len(query) > 0 {
		return fmt.Errorf("it has a parameter that this form does not know; it knows: %s", strings.Join(append(known, ""), " "))
	}
	if values["db"] != "" {
		db, err := strconv.ParseUint(values["db"], 10, 16)
		if err != nil {
			return errors.New("its database is not a number: write /0 or ?db=0")
		}
		options.DB = int(db)
	}
	options.SentinelUsername, options.SentinelPassword = values["sentinel_username"], values["sentinel_password"]
	return nil
}
