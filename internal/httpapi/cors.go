package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// preflightMaxAge is how long a browser may remember what it was allowed.
const preflightMaxAge = "600"

const allowOrigin = "Access-Control-Allow-Origin"

// letRead tells a browser that pages of the origin may read the answer, be it an error or not. The
// policies are those of the paths. No answer ever depends on cookies, so credentials are never allowed.
func (s *Server) letRead(policies map[string]cors) gin.HandlerFunc {
	return func(c *gin.Context) {
		path := c.FullPath()
		if path == "" { // a method that the path doesn't have
			path = c.Request.URL.Path
		}
		if origin := s.allowedOrigin(policies[path], c.GetHeader("Origin")); origin != "" {
			c.Header(allowOrigin, origin)
			c.Header("Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-Id")
		}
		if policies[path] == listedOrigins {
			c.Writer.Header().Add("Vary", "Origin")
		}
	}
}

// allowedOrigin is the origin whose pages may read the answer, "*" for every one and "" for none.
func (s *Server) allowedOrigin(policy cors, origin string) string {
	switch {
	case policy == anyOrigin:
		return "*"
	case policy == listedOrigins && (slices.Contains(s.CORSOrigins, origin) || s.LoopbackOrigins && fromLoopback(origin)):
		return origin
	}
	return ""
}

// fromLoopback reports whether a page of this origin came from a server of this machine, at whatever port.
func fromLoopback(origin string) bool {
	rest, plain := strings.CutPrefix(origin, "http://")
	return plain && slices.ContainsFunc([]string{"localhost", "127.0.0.1", "[::1]"}, func(host string) bool {
		port, at := strings.CutPrefix(rest, host)
		return at && (port == "" || isPort(port))
	})
}

// isPort reports whether text is a colon and a port.
func isPort(text string) bool {
	number, colon := strings.CutPrefix(text, ":")
	_, err := strconv.ParseUint(number, 10, 16)
	return colon && err == nil
}

// preflight answers the question a browser asks before a request that no form
// could send (Fetch §3.2.2). For other origins, and for OPTIONS that ask nothing,
// it is a method like any other: not allowed. The routes are those of one path.
func (s *Server) preflight(routes []route) gin.HandlerFunc {
	var methods []string
	for _, r := range routes {
		methods = append(methods, r.method)
	}
	allowed := strings.Join(methods, ", ")
	return func(c *gin.Context) {
		if c.GetHeader("Access-Control-Request-Method") == "" || c.Writer.Header().Get(allowOrigin) == "" {
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
