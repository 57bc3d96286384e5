package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/httpapi/guard"
)

// operationsSurfaces are for those who run the authority.
func (s *Server) operationsSurfaces() surfaces {
	return surfaces{{"/", apiHeaders, refuseInOAuth, []route{
		{"GET", "/metrics", noBody, noOrigin, guard.Public(s.metrics)},
		{"GET", "/livez", noBody, noOrigin, guard.Public(s.livez)},
		{"GET", "/readyz", noBody, noOrigin, guard.Public(s.readyzDetailed)},
	}}}
}

func (s *Server) metrics(c *gin.Context) error {
	s.Metrics.ServeHTTP(c.Writer, c.Request)
	return nil
}

// livez says that the process answers.
func (s *Server) livez(c *gin.Context) error {
	c.String(http.StatusOK, "ok\n")
	return nil
}

// readyz reports whether to send requests here, and nothing in detail.
func (s *Server) readyz(c *gin.Context) error {
	if s.Ready() != nil {
		c.String(http.StatusServiceUnavailable, "not ready\n")
		return nil
	}
	c.String(http.StatusOK, "ready\n")
	return nil
}

// readyzDetailed also says why not, and what is out of order although requests are welcome.
func (s *Server) readyzDetailed(c *gin.Context) error {
	if err := s.Ready(); err != nil {
		c.String(http.StatusServiceUnavailable, "not ready: %v\n", err)
		return nil
	}
	text := "ready\n"
	for _, note := range s.Notes() {
		text += "- " + note + "\n"
	}
	c.String(http.StatusOK, "%s", text)
	return nil
}
