package httpapi

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/forwarded"
	"github.com/mintmark-auth/mintmark/internal/text"
)

const maxUserAgent = 256

// origin is where the request came from, for events and limits.
func (s *Server) origin(c *gin.Context) authority.Origin {
	agent := strings.ToValidUTF8(c.Request.UserAgent(), "?")
	address := s.addressOf(c)
	return authority.Origin{
		Address: address, Subscriber: limitAddress(address), UserAgent: text.Cut(agent, maxUserAgent),
		RequestID: requestID(c), Trace: traceOf(c),
	}
}

// addressOf is the address of the caller: the peer's, or the one that trusted proxies name.
func (s *Server) addressOf(c *gin.Context) string {
	if caller := s.callerOf(c.Request); caller.Address.IsValid() {
		return caller.Address.String()
	}
	return "unknown"
}

func (s *Server) callerOf(r *http.Request) forwarded.Caller {
	return s.TrustedProxies.Caller(peerOf(r), forwarded.Header{
		XForwardedFor: r.Header.Values("X-Forwarded-For"), Forwarded: r.Header.Values("Forwarded"),
	})
}

// FromTrustedProxy reports whether a trusted proxy has sent the request, so that what it says of the request's way counts.
func (s *Server) FromTrustedProxy(r *http.Request) bool { return s.TrustedProxies.Trusted(peerOf(r)) }

// peerOf is who sent the request; the zero address where the connection has none.
func peerOf(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr()
}

// hearsay tells operators of forwarded addresses that were not believed: each kind once, since callers can send them.
type hearsay struct {
	ignored, cut sync.Once
	unreadable   atomic.Uint64
}

func (s *Server) noteHearsay(r *http.Request, caller forwarded.Caller) {
	switch {
	case caller.Ignored:
		s.hearsay.ignored.Do(func() {
			s.Log.Warn("a peer that is no trusted proxy names another address; it is not believed, and is counted as the caller. "+
				"If this is your proxy, add its address to MINTMARK_TRUSTED_PROXIES; this is said once", "peer", caller.Address.String())
		})
	case caller.Cut:
		s.hearsay.unreadable.Add(1)
		s.hearsay.cut.Do(func() {
			s.Log.Warn("a trusted proxy passes on an X-Forwarded-For or Forwarded that can't be read; its own address counts instead. "+
				"Let it write IP addresses; mintmark_forwarded_unreadable counts further ones", "peer", peerOf(r).String(), "counted", caller.Address.String())
		})
	}
}

// Unreadable is how many requests had an X-Forwarded-For or Forwarded of a trusted proxy that could not be read.
func (s *Server) Unreadable() uint64 { return s.hearsay.unreadable.Load() }

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
