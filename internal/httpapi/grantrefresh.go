package httpapi

import (
	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// grantRefresh is grant_type=refresh_token (RFC 6749 §6).
func (s *Server) grantRefresh(c *gin.Context, by clientRequest) (authority.Tokens, error) {
	raw := by.form.Get("refresh_token")
	if raw == "" {
		return authority.Tokens{}, oauth.Refuse(oauth.InvalidRequest, "refresh_token is missing")
	}
	if by.form.Get("scope") != "" { // no session is granted a scope yet, so any is wider
		return authority.Tokens{}, oauth.Refuse(oauth.InvalidScope, "the scope is wider than what was granted")
	}
	if by.form.Get("resource") != "" || by.form.Get("audience") != "" {
		return authority.Tokens{}, oauth.Refuse(oauth.InvalidTarget, "the audience of a session is chosen at its beginning")
	}
	return s.Authority.Refresh(c.Request.Context(), by.Caller, raw)
}
