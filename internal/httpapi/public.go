package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/revocation"
)

// route is one row of a table: a route says how it is guarded or it can't exist.
type route struct {
	method  string
	path    string
	guard   guard
	limit   limit
	body    int64 // the largest request body in bytes
	cors    cors
	answers answers
	handler func(c *gin.Context) error
}

// guard says who may call.
type guard int

const (
	anybody     guard = iota // the answer is the same for everyone
	firstParty               // the first-party API is switched on
	oauthClient              // the handler authenticates the client before anything else
)

// limit says how often one caller may call.
type limit int

const (
	unlimited     limit = iota // costs no more than the answer from memory
	perLogin                   // Rates.Login, by address
	perRegistrant              // Rates.Register, by address
	perClient                  // Rates.Token, by client, spent when the client is known
)

// answers says how errors are spelled.
type answers int

const (
	oauthAnswers    answers = iota // RFC 6749 §5.2
	envelopeAnswers                // the first-party envelope
)

// cors says which origins a browser may call from.
type cors int

const (
	noOrigin      cors = iota
	anyOrigin          // public documents
	listedOrigins      // MINTMARK_CORS_ORIGINS
)

const (
	noBody   = 0
	smallest = 64 << 10 // every body of this surface fits many times
)

// publicRoutes is what anybody reaches; api/openapi.yaml describes it.
func (s *Server) publicRoutes() []route {
	return []route{
		{"POST", "/api/authentication/register", firstParty, perRegistrant, smallest, listedOrigins, envelopeAnswers, s.register},
		{"POST", "/api/authentication/login", firstParty, perLogin, smallest, listedOrigins, envelopeAnswers, s.login},
		{"POST", "/api/authentication/refresh-token", firstParty, perClient, smallest, listedOrigins, envelopeAnswers, s.refreshPair},
		{"POST", "/api/authentication/logout", firstParty, perClient, smallest, listedOrigins, envelopeAnswers, s.logout},
		{"GET", "/api/authentication/sessions", firstParty, perClient, noBody, listedOrigins, envelopeAnswers, s.listSessions},
		{"DELETE", "/api/authentication/sessions", firstParty, perClient, smallest, listedOrigins, envelopeAnswers, s.endOtherSessions},
		{"DELETE", "/api/authentication/sessions/:sid", firstParty, perClient, smallest, listedOrigins, envelopeAnswers, s.endSession},

		{"POST", "/oauth/token", oauthClient, perClient, smallest, listedOrigins, oauthAnswers, s.token},
		{"POST", "/oauth/revoke", oauthClient, perClient, smallest, listedOrigins, oauthAnswers, s.revoke},

		{"GET", revocation.Path, anybody, unlimited, noBody, anyOrigin, oauthAnswers, s.statusLists},
		{"GET", revocation.Path + "/:n", anybody, unlimited, noBody, anyOrigin, oauthAnswers, s.statusList},

		{"GET", "/.well-known/jwks.json", anybody, unlimited, noBody, anyOrigin, oauthAnswers, s.jwks},
		{"GET", "/.well-known/openid-configuration", anybody, unlimited, noBody, anyOrigin, oauthAnswers, s.metadataDocument},
		{"GET", "/.well-known/oauth-authorization-server", anybody, unlimited, noBody, anyOrigin, oauthAnswers, s.metadataDocument},

		{"GET", "/openapi.yaml", anybody, unlimited, noBody, anyOrigin, oauthAnswers, s.openapiDocument},
		{"GET", "/livez", anybody, unlimited, noBody, noOrigin, oauthAnswers, s.livez},
		{"GET", "/readyz", anybody, unlimited, noBody, noOrigin, oauthAnswers, s.readyz},
	}
}

// answersOf tells how errors are spelled at a path that has no route.
func answersOf(path string) answers {
	if strings.HasPrefix(path, firstPartyPrefix) {
		return envelopeAnswers
	}
	return oauthAnswers
}

// handle carries a request through what its route demands, in one order for all.
func (s *Server) handle(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		s.allowOrigin(c, r.cors)
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, r.body)
		err := s.admit(c, r)
		if err == nil {
			err = r.handler(c)
		}
		if err != nil {
			s.answerError(c, r.answers, err)
		}
	}
}

// admit checks the guard and spends the limits that need no body.
func (s *Server) admit(c *gin.Context, r route) error {
	if r.guard == firstParty {
		if err := s.Authority.FirstPartyEnabled(); err != nil {
			return errSwitchedOff
		}
	}
	switch r.limit {
	case perLogin:
		return s.spendShared(c, "login", s.Rates.Login)
	case perRegistrant:
		return s.spendShared(c, "register", s.Rates.Register)
	case perClient:
		if r.guard == firstParty {
			return s.spendFirstParty(c)
		}
	}
	return nil
}
