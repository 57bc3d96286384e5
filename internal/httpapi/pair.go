package httpapi

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
)

// refreshPair is POST /api/authentication/refresh-token.
func (s *Server) refreshPair(c *gin.Context) error {
	pair, err := readPair(c)
	if err != nil {
		return err
	}
	tokens, err := s.Authority.RefreshPair(c.Request.Context(), pair, s.origin(c))
	if err != nil {
		return firstPartyError(err)
	}
	writeEnvelope(c, http.StatusOK, RefreshTokenSuccess, pairOf(tokens))
	return nil
}

// logout is POST /api/authentication/logout.
func (s *Server) logout(c *gin.Context) error {
	pair, err := readPair(c)
	if err != nil {
		return err
	}
	if err := s.Authority.Logout(c.Request.Context(), pair, s.origin(c)); err != nil {
		return firstPartyError(err)
	}
	writeEnvelope(c, http.StatusOK, logoutSuccess, nil)
	return nil
}

func readPair(c *gin.Context) (authority.Pair, error) {
	in, err := jsonStrings(c, "accessToken", "refreshToken")
	if err != nil {
		return authority.Pair{}, err
	}
	return authority.Pair{AccessToken: in["accessToken"], RefreshToken: in["refreshToken"]}, nil
}

// firstPartyError: here a disabled client means that the API is off.
func firstPartyError(err error) error {
	if errors.Is(err, authority.ErrClient) {
		return errSwitchedOff
	}
	return err
}
