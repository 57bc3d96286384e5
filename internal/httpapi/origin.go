package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/text"
)

const maxUserAgent = 256

// origin is where the request came from, for events and limits.
func (s *Server) origin(c *gin.Context) authority.Origin {
	agent := strings.ToValidUTF8(c.Request.UserAgent(), "?")
	address := s.addressOf(c)
	return authority.Origin{Address: address, Subscriber: limitAddress(address), UserAgent: text.Cut(agent, maxUserAgent), RequestID: requestID(c)}
}

// addressOf is the address of the caller: the peer's, or, when the peer is a
// trusted proxy, the rightmost address of X-Forwarded-For that no trusted proxy has.
func (s *Server) addressOf(c *gin.Context) string {
	return clientAddress(c.Request, s.TrustedProxies)
}

func clientAddress(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	address := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !within(address, trusted) {
			break
		}
		forwarded, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		address = forwarded.Unmap().WithZone("")
	}
	return address.String()
}

func within(address netip.Addr, prefixes []netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(address) })
}

// limitAddress is the address as limits count it: a whole /64 for IPv6, since
// that is what one subscriber gets.
func limitAddress(address string) string {
	parsed, err := netip.ParseAddr(address)
	if err != nil || parsed.Is4() {
		return address
	}
	prefix, err := parsed.Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}
