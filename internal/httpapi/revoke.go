package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// revoke is POST /oauth/revoke (RFC 7009). The answer is an empty object, because
// some clients refuse an empty body.
func (s *Server) revoke(c *gin.Context, by clientRequest) error {
	raw := by.form.Get("token")
	if raw == "" {
		return oauth.Refuse(oauth.InvalidRequest, "token is missing")
	}
	if err := s.Authority.Revoke(c.Request.Context(), by.Caller, raw); err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, struct{}{})
	return nil
}
