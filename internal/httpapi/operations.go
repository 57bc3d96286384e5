package httpapi

import (
	"fmt"
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

// readyzDetailed also says why not, and what is out of order although requests are welcome; with ?verbose also how
// each part is.
func (s *Server) readyzDetailed(c *gin.Context) error {
	status, text := http.StatusOK, "ready\n"
	if err := s.Ready(); err != nil {
		status, text = http.StatusServiceUnavailable, fmt.Sprintf("not ready: %v\n", err)
	}
	var lines []string
	if status == http.StatusOK {
		lines = s.Notes()
	}
	if c.Request.URL.Query().Has("verbose") {
		lines = append(lines, s.Details()...)
	}
	for _, line := range lines {
		text += "- " + line + "\n"
	}
	c.String(status, "%s", text)
	return nil
}
