package httpapi

import (
	"net/http"
	"slices"

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
// it is a method like any other: not allowed.
func (s *Server) preflight(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.GetHeader("Access-Control-Request-Method") == "" || !s.allowOrigin(c, r.cors) {
			c.Header("Allow", r.method)
			s.answerError(c, r.answers, errMethod)
			return
		}
		c.Header("Access-Control-Allow-Methods", r.method)
		c.Header("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
		c.Header("Access-Control-Max-Age", preflightMaxAge)
		c.Status(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
	}
}
