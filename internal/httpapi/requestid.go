package httpapi

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

const (
	requestIDKey = "mintmark.request-id"
	traceKey     = "mintmark.trace"
)

func requestID(c *gin.Context) string { return c.GetString(requestIDKey) }

// traceOf is the id of the trace that a trusted proxy has put the request into, or "".
func traceOf(c *gin.Context) string { return c.GetString(traceKey) }

// nameRequest gives the request an id of its own, unless a trusted proxy has given it one already.
func nameRequest(c *gin.Context, trusted bool) {
	id := uuid.Must(uuid.NewV7()).String()
	if trusted {
		if given, ok := only(c.Request, "X-Request-Id"); ok && isRequestID(given) {
			id = given
		}
		if given, ok := only(c.Request, "Traceparent"); ok {
			c.Set(traceKey, traceID(given))
		}
	}
	c.Set(requestIDKey, id)
	c.Header("X-Request-Id", id)
}

// only is the value of a field that has come once: of two, one may be the caller's.
func only(r *http.Request, field string) (string, bool) {
	values := r.Header.Values(field)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

var (
	requestIDForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_:=+/@-]{0,127}$`)
	traceparentForm = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$`)
)

// isRequestID reports whether the text can stand in a log, and be told from a token by those who look for it there.
func isRequestID(text string) bool {
	return requestIDForm.MatchString(text) && !strings.HasPrefix(text, "mrt_")
}

// traceID is the id of the trace in a traceparent (W3C Trace Context §3.2), or "".
func traceID(traceparent string) string {
	parts := traceparentForm.FindStringSubmatch(traceparent)
	if parts == nil || strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return ""
	}
	return parts[1]
}
