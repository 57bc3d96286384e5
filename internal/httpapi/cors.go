package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// preflightMaxAge is how long a browser may remember what it was allowed.
const preflightMaxAge = "600"

// allowOrigin tells a browser that the page of that origin may read the answer.
// No answer ever depends on cookies, so credentials are never allowed.
func (s *Server) allowOrigin(c *gin.Context, policy cors) bool {
	origin := c.GetHeader("Origin")
	switch {
	case policy == anyOrigin:
		c.Header("Access-Control-Allow-Origin", "*")
	case policy == listedOrigins && origin != "" && slices.Contains(s.CORSOrigins, origin):
		c.Header("Access-Control-Allow-Origin", origin)
		c.Writer.Header().Add("Vary", "Origin")
	default:
		return false
	}
	c.Header("Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-Id")
	return true
}

// preflight answers the question a browser asks before a request that no form
// could send (Fetch §3.2.2). For other origins, and for OPTIONS that ask nothing,
// it is a method like any other: not allowed. The routes are those of one path,
// which agree on who may ask.
func (s *Server) preflight(routes []route) gin.HandlerFunc {
	var methods []string
	for _, r := range routes {
		methods = append(methods, r.method)
	}
	allowed, policy := strings.Join(methods, ", "), routes[0].cors
	return func(c *gin.Context) {
		if c.GetHeader("Access-Control-Request-Method") == "" || !s.allowOrigin(c, policy) {
			c.Header("Allow", allowed)
			s.answerError(c, errMethod)
			return
		}
		c.Header("Access-Control-Allow-Methods", allowed)
		c.Header("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP, If-None-Match")
		c.Header("Access-Control-Max-Age", preflightMaxAge)
		c.Status(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
	}
}
