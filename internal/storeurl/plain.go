package storeurl

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// PlainPostgres names a host that the URL of a Postgres may reach without TLS, and how to mend that; none for a URL
// that is wrong. Sockets and loopback are nobody's to listen to.
func PlainPostgres(text string) (host, mend string) {
	pg, err := ParsePostgres(text)
	if err != nil || slices.Contains([]string{"require", "verify-ca", "verify-full"}, pg.settings["sslmode"]) {
		return "", ""
	}
	return remote(pg.hosts), "give the server a certificate, and write sslmode=verify-full and sslrootcert=FILE into the URL"
}

// PlainRedis is PlainPostgres for the URL of a Redis.
func PlainRedis(text string) (host, mend string) {
	r, err := ParseRedis(text)
	if err != nil || r.TLS {
		return "", ""
	}
	hosts := make([]string, 0, len(r.Addrs))
	for _, addr := range r.Addrs {
		if name, _, err := net.SplitHostPort(addr); err == nil {
			addr = name
		}
		hosts = append(hosts, addr)
	}
	return remote(hosts), "give the server a certificate, and write rediss in the place of redis"
}

// remote is the first host that is neither the folder of a socket nor this machine.
func remote(hosts []string) string {
	for _, host := range hosts {
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		local := strings.HasPrefix(host, "/") || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") || err == nil && addr.Unmap().IsLoopback()
		if !local {
			return host
		}
	}
	return ""
}
