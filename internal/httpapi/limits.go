package httpapi

import (
	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
)

// spendShared takes one try of the caller's address from a limit that all
// replicas share.
func (s *Server) spendShared(c *gin.Context, name string, rate ratelimit.Rate) error {
	return ratelimit.Spend(c.Request.Context(), s.Limits, name+":"+limitAddress(s.addressOf(c)), rate)
}

// spendClient takes one try of the client from this process's bucket: the refresh
// path has no round trip to spare for it. Anybody can name a public client, so
// one address must not use up the tries of all.
func (s *Server) spendClient(c *gin.Context, by client.Client) error {
	key := "token:" + by.ID
	if by.Kind == client.Public {
		key += "@" + limitAddress(s.addressOf(c))
	}
	return ratelimit.Spend(c.Request.Context(), s.LocalLimits, key, s.Rates.Token)
}

// spendFirstParty is spendClient for the API that has only one client.
func (s *Server) spendFirstParty(c *gin.Context) error {
	return s.spendClient(c, client.Client{ID: client.FirstParty, Kind: client.Public})
}
