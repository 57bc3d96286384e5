package storeurl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// Redis is what the URL of a Redis says.
type Redis struct {
	Addrs    []string // host:port of servers, Sentinels or nodes; or the path of one socket
	Username string
	Password secret.String
	DB       int

	Master           string // what the Sentinels call the primary; empty without Sentinels
	SentinelUsername string
	SentinelPassword secret.String

	Cluster bool
	TLS     bool // to Sentinels and nodes alike
}

func redisSchemes() []string {
	return []string{"redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster", "unix"}
}

// ParseRedis reads one of
//
//	redis://[[user]:password@]host[:6379][/db]
//	redis+sentinel://[[user]:password@]host[:26379],…/master[?db=N&sentinel_username=…&sentinel_password=…]
//	redis+cluster://[[user]:password@]host[:6379],…
//	unix://[[user]:password@]/path/to/socket[?db=N]
//
// with rediss in the place of redis for TLS. The error is a *Defect.
func ParseRedis(text string) (Redis, error) {
	p, err := split(text, redisSchemes())
	if err != nil {
		return Redis{}, err
	}
	r := Redis{}
	if err := r.takeUser(p); err != nil {
		return Redis{}, err
	}
	path, err := decode(p.path)
	if err != nil {
		return Redis{}, err
	}
	scheme := p.scheme
	if plain, secure := strings.CutPrefix(scheme, "rediss"); secure {
		scheme, r.TLS = "redis"+plain, true
	}
	if len(p.hosts) == 0 && scheme != "unix" {
		return Redis{}, defectf("write it like "+examples([]string{scheme}), "it names no host")
	}
	switch scheme {
	case "unix":
		err = r.socket(p, path)
	case "redis+sentinel":
		err = r.sentinel(p, strings.Trim(path, "/"))
	case "redis+cluster":
		err = r.cluster(p, strings.Trim(path, "/"))
	default:
		err = r.single(p, strings.Trim(path, "/"))
	}
	if err != nil {
		return Redis{}, err
	}
	return r, nil
}

// takeUser refuses a user without a password, which Redis's clients ignore: the
// password of an old URL would stand in its place, and never be sent.
func (r *Redis) takeUser(p pieces) error {
	name, password, err := p.user()
	if err != nil {
		return err
	}
	if name != "" && password == "" {
		return defectf("write redis://user:password@host, or redis://:password@host where only a password is asked for",
			"it has no password after the user name")
	}
	r.Username, r.Password = name, secret.NewString(password)
	return nil
}

func (r *Redis) single(p pieces, path string) error {
	if len(p.hosts) > 1 {
		return defectf("write redis+sentinel://h1,h2/master or redis+cluster://h1,h2", "%s:// takes one host", p.scheme)
	}
	r.Addrs = addresses(p, redisPort)
	if path == "" {
		return p.apply(map[string]setting{"db": r.database()}, "this form knows db only")
	}
	if !r.database().take(path) {
		return defectf("write a number like /0, or nothing", "what follows the host is not the number of a database")
	}
	return p.apply(map[string]setting{"db": r.database()}, "this form knows db only", "db")
}

func (r *Redis) sentinel(p pieces, path string) error {
	if path == "" || strings.Contains(path, "/") {
		return defectf("write "+p.scheme+"://host1,host2/master", "it does not name the master after the hosts")
	}
	r.Addrs, r.Master = addresses(p, sentinelPort), path
	return p.apply(r.sentinelSettings(), "this form knows db, sentinel_username and sentinel_password")
}

func (r *Redis) sentinelSettings() map[string]setting {
	return map[string]setting{
		"db":                r.database(),
		"sentinel_username": {"a text", func(text string) bool { r.SentinelUsername = text; return true }},
		"sentinel_password": {"a text", func(text string) bool { r.SentinelPassword = secret.NewString(text); return true }},
	}
}

func (r *Redis) cluster(p pieces, path string) error {
	if path != "" && path != "0" {
		return defectf("leave out what follows the hosts", "a cluster has no databases to choose from")
	}
	r.Addrs, r.Cluster = addresses(p, redisPort), true
	return p.apply(nil, "this form knows no parameters")
}

func (r *Redis) socket(p pieces, path string) error {
	if len(p.hosts) > 0 || strings.Trim(path, "/") == "" {
		return defectf("write unix:///path/to/redis.sock, with three slashes", "it does not name a socket by a path from the root")
	}
	r.Addrs = []string{path}
	return p.apply(map[string]setting{"db": r.database()}, "this form knows db only")
}

const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

func addresses(p pieces, port string) []string {
	found := make([]string, 0, len(p.hosts))
	for _, h := range p.hosts {
		found = append(found, h.withPort(port))
	}
	return slices.Clip(found)
}

func (r *Redis) database() setting {
	return setting{"a number from 0 to 65535", func(text string) bool {
		n, err := strconv.ParseUint(text, 10, 16)
		r.DB = int(n)
		return err == nil
	}}
}
