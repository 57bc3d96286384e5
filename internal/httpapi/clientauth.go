package httpapi

import (
	"errors"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// authenticateClient finds out which client sent a form (RFC 6749 §2.3).
func (s *Server) authenticateClient(c *gin.Context, form oauth.Form) (authority.Caller, error) {
	credentials, err := credentialsOf(c, form)
	if err != nil {
		return authority.Caller{}, err
	}
	by, err := s.Authority.Authenticate(c.Request.Context(), credentials, s.origin(c))
	if errors.Is(err, authority.ErrClient) && credentials.Method == client.MethodSecretBasic {
		return authority.Caller{}, errBasic // with the challenge of RFC 6749 §5.2
	}
	return by, err
}

// credentialsOf collects the credentials of a form, which may come in one way only.
func credentialsOf(c *gin.Context, form oauth.Form) (client.Credentials, error) {
	inHeader := len(c.Request.Header.Values("Authorization")) > 0
	inBody := form.Get("client_secret") != ""
	credentials := client.Credentials{ClientID: form.Get("client_id"), Method: client.MethodNone}
	switch {
	case inHeader && inBody:
		return client.Credentials{}, oauth.Refuse(oauth.InvalidRequest, "two ways of client authentication in one request")
	case inHeader:
		credentials.Method = client.MethodSecretBasic
	case inBody:
		credentials.Method = client.MethodSecretPost
	}
	return credentials, nil
}
