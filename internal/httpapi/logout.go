package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// logout is POST /api/authentication/logout.
func (s *Server) logout(c *gin.Context, by firstPartyRequest) error {
	pair, err := readPair(c)
	if err != nil {
		return err
	}
	if err := s.Authority.Logout(c.Request.Context(), by.Caller, pair); err != nil {
		return err
	}
	writeEnvelope(c, http.StatusOK, logoutSuccess, nil)
	return nil
}
