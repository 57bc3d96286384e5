package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// register is POST /api/authentication/register.
func (s *Server) register(c *gin.Context, by firstPartyRequest) error {
	in, err := jsonStrings(c, "username", "email", "password")
	if err != nil {
		return err
	}
	registration := user.Registration{Username: in["username"], Email: in["email"], Password: secret.NewString(in["password"])}
	if err := s.Authority.Register(c.Request.Context(), by.Caller, registration); err != nil {
		return err
	}
	writeEnvelope(c, http.StatusOK, UserCreatedSuccessfully, nil)
	return nil
}
