package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
)

// refreshPair is POST /api/authentication/refresh-token.
func (s *Server) refreshPair(c *gin.Context, by firstPartyRequest) error {
	pair, err := readPair(c)
	if err != nil {
		return err
	}
	tokens, err := s.Authority.RefreshPair(c.Request.Context(), by.Caller, pair)
	if err != nil {
		return err
	}
	writeEnvelope(c, http.StatusOK, RefreshTokenSuccess, pairOf(tokens))
	return nil
}

func readPair(c *gin.Context) (authority.Pair, error) {
	in, err := jsonStrings(c, "accessToken", "refreshToken")
	if err != nil {
		return authority.Pair{}, err
	}
	return authority.Pair{AccessToken: in["accessToken"], RefreshToken: in["refreshToken"]}, nil
}
