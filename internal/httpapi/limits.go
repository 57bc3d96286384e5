package httpapi

import (
	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/httpapi/guard"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
)

// perAddress takes one try of the caller's address from a limit that all replicas share.
func (s *Server) perAddress(name string, rate ratelimit.Rate) guard.Limit[firstPartyRequest] {
	return func(c *gin.Context, by firstPartyRequest) error {
		return ratelimit.SpendFrom(c.Request.Context(), s.Limits, name+":", by.Origin().Networks(), rate)
	}
}

// ofClient is a caller that is a client.
type ofClient interface {
	guard.Caller
	Client() client.Client
	Origin() authority.Origin
}

// perClient takes one try of the client from this process's bucket: the refresh path has
// no round trip to spare for it. Anybody can name a public client, so one address must
// not use up the tries of all.
func perClient[C ofClient](s *Server) guard.Limit[C] {
	return func(c *gin.Context, by C) error {
		key := "token:" + by.Client().ID
		if by.Client().Kind == client.Public {
			return ratelimit.SpendFrom(c.Request.Context(), s.LocalLimits, key, by.Origin().Networks(), s.Rates.Token)
		}
		return ratelimit.Spend(c.Request.Context(), s.LocalLimits, key, s.Rates.Token)
	}
}
