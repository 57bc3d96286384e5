package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
)

// logout is POST /api/authentication/logout.
func (s *Server) logout(c *gin.Context, by authority.Caller) error {
	pair, err := readPair(c)
	if err != nil {
		return err
	}
	if err := s.Authority.Logout(c.Request.Context(), by, pair); err != nil {
		return err
	}
	writeEnvelope(c, http.StatusOK, logoutSuccess, nil)
	return nil
}
