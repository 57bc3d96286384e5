package httpapi

import (
	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// clientRequest is a form with its client authenticated: what every endpoint for
// clients starts from, so that no grant can skip a step.
func (s *Server) clientRequest(c *gin.Context) (client.Client, map[string]string, error) {
	parameters, err := form(c)
	if err != nil {
		return client.Client{}, nil, err
	}
	by, err := s.authenticateClient(c, parameters)
	if err != nil {
		return client.Client{}, nil, err
	}
	return by, parameters, s.spendClient(c, by)
}

// authenticateClient finds out which client asks (RFC 6749 §2.3). Public clients
// name themselves by client_id and nothing else.
func (s *Server) authenticateClient(c *gin.Context, parameters map[string]string) (client.Client, error) {
	_, secretInBody := parameters["client_secret"]
	if len(c.Request.Header.Values("Authorization")) > 0 {
		if secretInBody {
			return client.Client{}, oauth.Refuse(oauth.InvalidRequest, "two ways of client authentication in one request")
		}
		return client.Client{}, errBasic // no client has a secret yet
	}
	by, ok := s.Clients.Find(parameters["client_id"])
	if !ok || !by.Enabled() || secretInBody || by.Kind != client.Public {
		return client.Client{}, authority.ErrClient
	}
	return by, nil
}
