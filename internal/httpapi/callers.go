package httpapi

import (
	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// firstPartyRequest is a request of the first-party API.
type firstPartyRequest struct {
	authority.Caller
}

// firstParty admits requests of the first-party API, which name no client: they are all
// of the built-in one. authority.ErrClient while an operator has disabled it.
func (s *Server) firstParty(c *gin.Context) (firstPartyRequest, error) {
	credentials := client.Credentials{ClientID: client.FirstParty, Method: client.MethodNone}
	by, err := s.Authority.Authenticate(c.Request.Context(), credentials, s.origin(c))
	return firstPartyRequest{by}, err
}

// clientRequest is a form whose client was authenticated.
type clientRequest struct {
	authority.Caller
	form oauth.Form
}

// oauthClient admits forms of clients that authenticate (RFC 6749 §2.3).
func (s *Server) oauthClient(c *gin.Context) (clientRequest, error) {
	form, err := readForm(c)
	if err != nil {
		return clientRequest{}, err
	}
	by, err := s.authenticateClient(c, form)
	return clientRequest{Caller: by, form: form}, err
}
