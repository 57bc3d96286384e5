package httpapi

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// grant is one row of the table of grants: what a client may ask the token endpoint for.
// The client has been authenticated, and may use the grant, before issue is called.
type grant struct {
	grantType string // RFC 7591 §2
	issue     func(c *gin.Context, by clientRequest) (authority.Tokens, error)
}

// grants are the grants that there are. Those of the capabilities are offered.
func (s *Server) grants() []grant {
	return []grant{
		{oauth.GrantRefreshToken, s.grantRefresh},
	}
}

// offered are the grants of the capabilities, by grant type.
func (s *Server) offered() map[string]grant {
	all := make(map[string]grant)
	for _, g := range s.grants() {
		if slices.Contains(s.Capabilities.GrantTypes, g.grantType) {
			all[g.grantType] = g
		}
	}
	return all
}

// GrantTypes lists the grants that the token endpoint has code for.
func GrantTypes() []string {
	var all []string
	for _, g := range (&Server{}).grants() {
		all = append(all, g.grantType)
	}
	return all
}

// grantedToken is the successful answer of the token endpoint (RFC 6749 §5.1).
type grantedToken struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
}

// token is POST /oauth/token.
func (s *Server) token(c *gin.Context, by clientRequest) error {
	granted, err := s.grantOf(by)
	if err != nil {
		return err
	}
	tokens, err := granted.issue(c, by)
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

// grantOf finds the grant that a request asks for, if its client may use it.
func (s *Server) grantOf(by clientRequest) (grant, error) {
	grantType := by.form.Get("grant_type")
	if grantType == "" {
		return grant{}, oauth.Refuse(oauth.InvalidRequest, "grant_type is missing")
	}
	granted, ok := s.granting[grantType]
	switch {
	case !ok:
		return grant{}, oauth.Refuse(oauth.UnsupportedGrantType, "grant_types_supported of the metadata lists what there is")
	case !by.Client().Allows(grantType):
		return grant{}, oauth.Refuse(oauth.UnauthorizedClient, "this client may not use this grant")
	}
	return granted, nil
}
