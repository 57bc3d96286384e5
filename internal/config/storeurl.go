package config

import (
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// storeURL is the URL of a database or Redis, split by hand: net/url refuses
// lists of hosts with ports, and its errors repeat the password.
type storeURL struct {
	scheme   string
	userinfo string // as written; empty where there is none
	hosts    []string
	path     string // with its slash
	query    url.Values
}

// splitStoreURL splits text. No error repeats any part of it but the scheme.
func splitStoreURL(text string, schemes []string) (storeURL, error) {
	mend := "write it like " + strings.Join(exampleURLs(schemes), " or ")
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return storeURL{}, defectf(mend, "it is not a URL")
	}
	if !slices.Contains(schemes, scheme) {
		return storeURL{}, defectf(mend, "its scheme is not %s", strings.Join(schemes, ", "))
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	if strings.Contains(tail, "@") || strings.Count(authority, "@") > 1 {
		return storeURL{}, defectf("write special characters of the password percent-encoded: @ as %40, / as %2F, ? as %3F, # as %23, : as %3A",
			"it has an @ where none can stand")
	}
	userinfo, hosts := "", authority
	if before, after, ok := strings.Cut(authority, "@"); ok {
		userinfo, hosts = before, after
	}
	u, err := url.Parse(scheme + "://" + userinfo + "@host" + tail)
	if err != nil || u.Fragment != "" || strings.Contains(tail, "#") {
		return storeURL{}, defectf("write special characters of user and password percent-encoded (% as %25, # as %23), and numbers for ports",
			"it is not a well-formed URL")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return storeURL{}, defectf("join parameters by &, special characters percent-encoded", "its part after the ? is not well-formed")
	}
	split := storeURL{scheme: scheme, userinfo: userinfo, path: u.EscapedPath(), query: query}
	if hosts != "" {
		split.hosts = strings.Split(hosts, ",")
	}
	return split, checkHosts(split.hosts)
}

func checkHosts(hosts []string) error {
	for i, entry := range hosts {
		host, port := entry, ""
		if h, p, err := net.SplitHostPort(entry); err == nil {
			host, port = h, p
			if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
				return defectf("write host:port, with a port from 1 to 65535", "the port of host %d is not a number from 1 to 65535", i+1)
			}
		}
		if port == "" {
			host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		}
		bare := strings.Contains(host, ":") && !strings.HasPrefix(entry, "[")
		if _, err := netip.ParseAddr(host); bare || err != nil && !hostname(host) {
			return defectf("write host names or addresses, separated by commas, each perhaps with :port", "host %d is neither a name nor an address (IPv6 in brackets)", i+1)
		}
	}
	return nil
}

func exampleURLs(schemes []string) []string {
	examples := map[string]string{
		"postgres":       "postgres://user@host:5432/database",
		"redis":          "redis://host:6379",
		"rediss":         "rediss://host:6379",
		"redis+sentinel": "redis+sentinel://host1,host2/master",
		"redis+cluster":  "redis+cluster://host1,host2",
	}
	var found []string
	for _, scheme := range schemes {
		if example, ok := examples[scheme]; ok {
			found = append(found, example)
		}
	}
	return found
}

func postgresSchemes() []string { return []string{"postgres", "postgresql"} }

func redisSchemes() []string { return []string{"redis", "rediss", "redis+sentinel", "redis+cluster"} }

func parseDatabaseURL(text string) error {
	u, err := splitStoreURL(text, postgresSchemes())
	if err != nil {
		return err
	}
	if len(u.hosts) == 0 && u.query.Get("host") == "" {
		return defectf("write postgres://user@host:5432/database, or ?host=/run/postgresql for a socket", "it names no host")
	}
	return nil
}

func parseRedisURL(text string) error {
	u, err := splitStoreURL(text, redisSchemes())
	if err != nil {
		return err
	}
	path := strings.TrimPrefix(u.path, "/")
	switch {
	case len(u.hosts) == 0:
		return defectf("write it like "+exampleURLs([]string{u.scheme})[0], "it names no host")
	case u.scheme == "redis+sentinel":
		if path == "" || strings.Contains(path, "/") {
			return defectf("write redis+sentinel://host1,host2/master", "it does not name the master after the hosts")
		}
	case u.scheme == "redis+cluster":
		if path != "" {
			return defectf("leave out what follows the hosts", "a cluster has no databases to choose from")
		}
	case len(u.hosts) > 1:
		return defectf("write redis+sentinel://h1,h2/master or redis+cluster://h1,h2", "%s:// takes one host", u.scheme)
	case path != "":
		if n, err := strconv.Atoi(path); err != nil || n < 0 {
			return defectf("write a number like /0, or nothing", "what follows the host is not the number of a database")
		}
	}
	return nil
}

// masked gives the URL in a form that may be shown: what may be a password is
// three stars, and so is every parameter not known to be harmless.
func masked(text string) string {
	u, err := splitStoreURL(text, slices.Concat(postgresSchemes(), redisSchemes()))
	if err != nil {
		return stars
	}
	var shown strings.Builder
	shown.WriteString(u.scheme + "://")
	if user, _, hasPassword := strings.Cut(u.userinfo, ":"); hasPassword {
		shown.WriteString(user + ":" + stars + "@")
	} else if user != "" && strings.HasPrefix(u.scheme, "postgres") {
		shown.WriteString(user + "@")
	} else if user != "" { // old Redis URLs have the password alone
		shown.WriteString(stars + "@")
	}
	shown.WriteString(strings.Join(u.hosts, ",") + u.path)
	for i, name := range slices.Sorted(maps.Keys(u.query)) {
		value := stars
		if harmless(name) {
			value = url.QueryEscape(u.query.Get(name))
		}
		shown.WriteString([]string{"?", "&"}[min(i, 1)] + url.QueryEscape(name) + "=" + value)
	}
	return shown.String()
}

func harmless(parameter string) bool {
	return slices.Contains([]string{
		"sslmode", "host", "port", "connect_timeout", "application_name", "target_session_attrs",
		"pool_max_conns", "pool_min_conns", "search_path", "db", "protocol", "pool_size",
	}, parameter)
}

// holdsPassword reports whether the URL carries a secret of any kind.
func holdsPassword(text string) bool { return strings.Contains(masked(text), stars) }
