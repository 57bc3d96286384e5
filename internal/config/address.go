package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

// addressLike parses host:port; the example is for the advice.
func addressLike(example string) func(string) (string, error) {
	mend := "write host:port, like " + example + " (port 0 takes a free one)"
	return func(text string) (string, error) {
		host, port, err := net.SplitHostPort(text)
		if err != nil {
			return "", defectf(mend, "%s is not an address of the form host:port", quote(text))
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || port != strconv.FormatUint(n, 10) {
			return "", defectf(mend, "%s has no port from 0 to 65535", quote(text))
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "" && !storeurl.Hostname(host) {
			return "", defectf(mend, "%s does not begin with a host name or IP address", quote(text))
		}
		return text, nil
	}
}

// loopbackAddress reports whether a listener on addr can be reached from this
// machine only. An empty host means every interface.
func loopbackAddress(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// origin is scheme://host[:port] and nothing else, which is what an issuer
// (RFC 8414 §2, without a path) and a browser's Origin (RFC 6454 §6.2) share.
type origin struct {
	scheme string
	host   string // without brackets
	port   string // empty where none is written
}

func parseOrigin(text string) (origin, error) {
	const mend = "write it like https://auth.example.com or http://localhost:8080"
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return origin{}, defectf(mend, "%s is not an absolute URL", quote(text))
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return origin{}, defectf(mend, "%s has neither the scheme https nor http", quote(text))
	case u.User != nil:
		return origin{}, defectf("leave out everything before the @", "the URL contains a user or password")
	case u.Path == "/":
		return origin{}, defectf("leave out the slash at the end", "%s ends in a slash", quote(text))
	case u.Path != "":
		return origin{}, defectf("leave out everything after the host and port", "%s has a path", quote(text))
	case strings.Contains(text, "?"):
		return origin{}, defectf("leave out the question mark and what follows", "%s has a query", quote(text))
	case strings.Contains(text, "#"):
		return origin{}, defectf("leave out the # and what follows", "%s has a fragment", quote(text))
	case text != strings.ToLower(text):
		return origin{}, defectf("write "+quote(strings.ToLower(text)), "%s has capital letters", quote(text))
	}
	o := origin{scheme: u.Scheme, host: u.Hostname(), port: u.Port()}
	if _, err := netip.ParseAddr(o.host); err != nil && !storeurl.Hostname(o.host) {
		return origin{}, defectf("write international names in their xn-- form", "%s has no host name of letters, digits, dots and dashes", quote(text))
	}
	if n, err := strconv.ParseUint(o.port, 10, 16); o.port != "" && (err != nil || n == 0 || o.port != strconv.FormatUint(n, 10)) {
		return origin{}, defectf(mend, "%s has no port from 1 to 65535", quote(text))
	}
	if text != u.Scheme+"://"+u.Host || strings.HasSuffix(u.Host, ":") {
		return origin{}, defectf(mend, "%s is not just a scheme, a host and perhaps a port", quote(text))
	}
	return o, nil
}

func parseIssuer(text string) (string, error) {
	if _, err := parseOrigin(text); err != nil {
		return "", err
	}
	return text, nil
}

func parseCORSOrigins(text string) ([]string, error) {
	const maxOrigins = 100
	origins := splitList(text)
	if len(origins) > maxOrigins {
		return nil, defectf("list the origins that need it", "%d origins are more than %d", len(origins), maxOrigins)
	}
	seen := make(map[string]bool, len(origins))
	for _, entry := range origins {
		if err := checkCORSOrigin(entry); err != nil {
			return nil, err
		}
		if seen[entry] {
			return nil, defectf("leave one of them out", "%s is listed twice", quote(entry))
		}
		seen[entry] = true
	}
	return origins, nil
}

func checkCORSOrigin(text string) error {
	if strings.Contains(text, "*") || text == "null" {
		return defectf("list every origin in full, like https://app.example.com",
			"%s would let pages of other sites call the API", quote(text))
	}
	o, err := parseOrigin(text)
	if err != nil {
		return err
	}
	if o.scheme == "https" && o.port == "443" || o.scheme == "http" && o.port == "80" {
		return defectf("leave out :"+o.port, "%s has the default port, which browsers never send", quote(text))
	}
	return nil
}

// parseHosts parses names without ports.
func parseHosts(text string) ([]string, error) {
	const most = 100
	hosts := splitList(text)
	if len(hosts) > most {
		return nil, defectf("list the names that need it", "%d names are more than %d", len(hosts), most)
	}
	for _, host := range hosts {
		if !storeurl.Hostname(host) {
			return nil, defectf("write names like mintmark.internal, without port, separated by commas", "%s is not a host name", quote(host))
		}
	}
	return hosts, nil
}
