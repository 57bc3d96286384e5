package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// grantedToken is the successful answer of the token endpoint (RFC 6749 §5.1).
type grantedToken struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
}

// token is POST /oauth/token: the client is known before any grant looks at the
// request.
func (s *Server) token(c *gin.Context) error {
	by, parameters, err := s.clientRequest(c)
	if err != nil {
		return err
	}
	grantType := parameters["grant_type"]
	switch {
	case grantType == "":
		return oauth.Refuse(oauth.InvalidRequest, "grant_type is missing")
	case grantType != oauth.GrantRefreshToken:
		return oauth.Refuse(oauth.UnsupportedGrantType, "grant_types_supported of the metadata lists what there is")
	case !by.Allows(grantType):
		return oauth.Refuse(oauth.UnauthorizedClient, "this client may not use this grant")
	}
	tokens, err := s.grantRefresh(c, by, parameters)
	if err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, grantedToken{
		AccessToken:  tokens.AccessToken,
		TokenType:    oauth.TokenTypeBearer,
		ExpiresIn:    int(tokens.ExpiresIn.Seconds()),
		RefreshToken: tokens.RefreshToken,
	})
	return nil
}

// grantRefresh is grant_type=refresh_token (RFC 6749 §6).
func (s *Server) grantRefresh(c *gin.Context, by client.Client, parameters map[string]string) (authority.Tokens, error) {
	raw := parameters["refresh_token"]
	if raw == "" {
		return authority.Tokens{}, oauth.Refuse(oauth.InvalidRequest, "refresh_token is missing")
	}
	if parameters["scope"] != "" { // sessions carry no scope yet, so any is wider than what was granted
		return authority.Tokens{}, oauth.Refuse(oauth.InvalidScope, "the scope is wider than what was granted")
	}
	if parameters["resource"] != "" || parameters["audience"] != "" {
		return authority.Tokens{}, oauth.Refuse(oauth.InvalidTarget, "the audience of a session is chosen at its beginning")
	}
	return s.Authority.Refresh(c.Request.Context(), by, raw, s.origin(c))
}
