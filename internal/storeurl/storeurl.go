// Package storeurl parses the URLs of Postgres and Redis. It is the only place that knows their forms: `config check`
// checks a URL with it, and the stores open what it returns, so the two can't disagree.
//
// It protects two invariants. Every parameter of a URL is either understood or refused; none is ignored. And an error
// contains no part of a URL except its scheme and the names of known parameters, because a password with an unescaped
// character may be anywhere in the URL.
//
// It is pure: it opens no connection and no file, so a URL that it accepts may name
// a server or a certificate that does not exist.
package storeurl

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Defect is the error of every function here.
type Defect struct {
	What string // what is wrong, and where
	Mend string // how to mend it
}

// Error gives both parts on one line.
func (d *Defect) Error() string { return d.What + "; " + d.Mend }

func defectf(mend, format string, args ...any) error {
	return &Defect{What: fmt.Sprintf(format, args...), Mend: mend}
}

const (
	// maxHosts bounds the list of hosts; a client asks the first that answers.
	maxHosts = 64

	encode = "write special characters of user, password and parameters percent-encoded: @ as %40, / as %2F, ? as %3F, # as %23, : as %3A, % as %25"
)

// pieces are a URL split by hand: net/url knows of one host only, and its errors
// repeat the password.
type pieces struct {
	scheme     string
	userinfo   string // as written; empty where there is none
	hosts      []host
	path       string // as written, with its slash
	parameters []parameter
}

// host is one entry of the list of hosts.
type host struct {
	name string // without brackets
	port string // empty where none is written
}

func (h host) withPort(fallback string) string {
	if h.port == "" {
		return net.JoinHostPort(h.name, fallback)
	}
	return net.JoinHostPort(h.name, h.port)
}

// parameter is one name=value after the question mark, decoded.
type parameter struct{ name, value string }

// split takes text apart. Before the question mark a plus sign stands for itself, as in
// RFC 3986; after it some clients read it as a space, so it is refused there.
func split(text string, schemes []string) (pieces, error) {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case !found:
		return pieces{}, defectf("write it like "+examples(schemes), "it is not a URL")
	case !slices.Contains(schemes, scheme):
		return pieces{}, defectf("write it like "+examples(schemes), "its scheme is not %s", strings.Join(schemes, ", "))
	case strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return pieces{}, defectf(encode, "it has a space or a control character")
	}
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	if strings.Contains(tail, "@") || strings.Count(authority, "@") > 1 {
		return pieces{}, defectf(encode, "it has an @ where none can stand")
	}
	if strings.Contains(tail, "#") {
		return pieces{}, defectf(encode, "it has a # where none can stand")
	}
	p := pieces{scheme: scheme}
	before, after, hasUser := strings.Cut(authority, "@")
	if !hasUser {
		before, after = "", authority
	}
	p.userinfo = before
	path, query, _ := strings.Cut(tail, "?")
	p.path = path
	var err error
	if p.hosts, err = splitHosts(after); err != nil {
		return pieces{}, err
	}
	p.parameters, err = splitQuery(query)
	return p, err
}

// splitHosts reads host[:port],host[:port].
func splitHosts(list string) ([]host, error) {
	if list == "" {
		return nil, nil
	}
	var hosts []host
	for i, entry := range strings.Split(list, ",") {
		if i == maxHosts {
			return nil, defectf("name those that a client asks first", "it names more than %d hosts", maxHosts)
		}
		h, err := parseHost(entry, i+1)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

func parseHost(entry string, position int) (host, error) {
	h := host{name: entry}
	if name, port, err := net.SplitHostPort(entry); err == nil {
		h.name = name
		if h.port, err = parsePort(port, position); err != nil {
			return host{}, err
		}
	} else if strings.HasPrefix(entry, "[") && strings.HasSuffix(entry, "]") {
		h.name = entry[1 : len(entry)-1]
	}
	ip, err := netip.ParseAddr(h.name)
	isIP6 := err == nil && ip.Is6()
	if isIP6 != strings.HasPrefix(entry, "[") || err != nil && !Hostname(h.name) {
		return host{}, defectf("write host names or addresses, separated by commas, each perhaps with :port",
			"host %d is neither a name nor an address (IPv6 in brackets)", position)
	}
	return h, nil
}

func parsePort(text string, position int) (string, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", defectf("write host:port, with a port from 1 to 65535", "the port of host %d is not a number from 1 to 65535", position)
	}
	return strconv.FormatUint(n, 10), nil
}

// Hostname reports whether text is made of the characters of host names.
func Hostname(text string) bool {
	const longest = 253
	return text != "" && len(text) <= longest && !strings.ContainsFunc(text, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && r != '-' && r != '.' && r != '_'
	})
}

// splitQuery reads name=value&name=value.
func splitQuery(query string) ([]parameter, error) {
	var parameters []parameter
	for entry := range strings.SplitSeq(query, "&") {
		if entry == "" {
			continue
		}
		if strings.Contains(entry, "+") {
			return nil, defectf("write %2B for a plus sign, or %20 for a space", "parameter %d after the ? has a +", len(parameters)+1)
		}
		name, value, found := strings.Cut(entry, "=")
		value, err := decode(value)
		if err != nil || !found {
			return nil, defectf("join parameters by &, each as name=value, special characters percent-encoded",
				"parameter %d after the ? is not well-formed", len(parameters)+1)
		}
		parameters = append(parameters, parameter{name, value})
	}
	return parameters, nil
}

func decode(text string) (string, error) {
	decoded, err := url.PathUnescape(text)
	if err != nil || strings.Contains(decoded, "\x00") {
		return "", defectf(encode, "it is not a well-formed URL")
	}
	return decoded, nil
}

// user decodes the part before the @.
func (p pieces) user() (name, password string, err error) {
	name, password, _ = strings.Cut(p.userinfo, ":")
	if name, err = decode(name); err != nil {
		return "", "", err
	}
	password, err = decode(password)
	return name, password, err
}

// setting is a parameter that a form of URL knows.
type setting struct {
	takes string                  // its values, in words
	take  func(value string) bool // keeps the value, or refuses it
}

// apply gives each parameter to its setting. given holds the names of what the URL
// said before the question mark.
func (p pieces) apply(settings map[string]setting, mend string, given ...string) error {
	for i, q := range p.parameters {
		s, known := settings[q.name]
		switch {
		case !known:
			return defectf(mend, "parameter %d after the ? is not known", i+1)
		case slices.Contains(given, q.name):
			return defectf("leave one of them out", "it gives %s twice", q.name)
		case !s.take(q.value):
			return defectf("write "+s.takes, "the value of %s (parameter %d after the ?) is not %s", q.name, i+1, s.takes)
		}
		given = append(given, q.name)
	}
	return nil
}

// examples gives a URL for each scheme that is not just the TLS form of another.
func examples(schemes []string) string {
	known := map[string]string{
		"postgres":       "postgres://user:password@host:port/database",
		"redis":          "redis://host:6379",
		"redis+sentinel": "redis+sentinel://host1,host2/master",
		"redis+cluster":  "redis+cluster://host1,host2",
		"unix":           "unix:///path/to/redis.sock",
	}
	var found []string
	for _, scheme := range schemes {
		if example, ok := known[scheme]; ok {
			found = append(found, example)
		}
	}
	return strings.Join(found, " or ")
}
