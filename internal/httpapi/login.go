package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
)

// grantedPair is the data of a login or refresh.
type grantedPair struct {
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int    `json:"expiresIn"` // seconds
}

func pairOf(t authority.Tokens) grantedPair {
	return grantedPair{AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, ExpiresIn: int(t.ExpiresIn.Seconds())}
}

// login is POST /api/authentication/login.
func (s *Server) login(c *gin.Context, by firstPartyRequest) error {
	in, err := jsonStrings(c, "username", "password")
	if err != nil {
		return err
	}
	tokens, err := s.Authority.Login(c.Request.Context(), by.Caller, in["username"], in["password"])
	if err != nil {
		return err
	}
	writeEnvelope(c, http.StatusOK, LoginSuccess, pairOf(tokens))
	return nil
}
