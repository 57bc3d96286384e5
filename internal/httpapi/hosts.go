package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// Hosts are the names that a listener answers to, besides IP addresses and the names of loopback. A page that makes a
// browser call a listener which its own network can't reach (DNS rebinding) needs a name of its own for it.
type Hosts struct {
	any   bool
	names []string // in lower case, without a dot at the end
}

// AnyHost is for a listener behind a proxy, which may call it what it likes.
func AnyHost() Hosts { return Hosts{any: true} }

// OnlyHosts are these names; empty ones count nothing.
func OnlyHosts(names ...string) Hosts {
	var h Hosts
	for _, name := range names {
		if name = hostName(name); name != "" {
			h.names = append(h.names, name)
		}
	}
	return h
}

// Answer reports whether the listener answers a request. One of HTTP/1.0 may have no host: no browser sends it.
func (h Hosts) Answer(r *http.Request) bool {
	if h.any || r.Host == "" && !r.ProtoAtLeast(1, 1) {
		return true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil {
		return true
	}
	name := hostName(host)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || name != "" && slices.Contains(h.names, name)
}

func hostName(text string) string { return asciiLower(strings.TrimSuffix(text, ".")) }

// misdirect refuses requests for a host that the listener doesn't answer to, before anything is done.
func (s *Server) misdirect(hosts Hosts) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !hosts.Answer(c.Request) {
			s.answerError(c, errHost)
			c.Abort()
		}
	}
}
