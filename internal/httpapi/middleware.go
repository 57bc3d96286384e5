package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// Bounds on what a request may carry before its body; the server's own limit on
// the whole header block is larger.
const (
	maxTarget      = 8 << 10
	maxHeaderBytes = 32 << 10
	maxHeaders     = 100
)

// observe gives the request an id, and logs and times it by its route: a path
// that was sent is never written to a log.
func (s *Server) observe(c *gin.Context) {
	begun := time.Now()
	s.Observer.Began()
	caller := s.callerOf(c.Request)
	s.noteHearsay(c.Request, caller)
	nameRequest(c, caller.Trusted)
	c.Next()

	route := c.FullPath()
	if route == "" {
		route = "none"
	}
	took := time.Since(begun)
	s.Observer.Served(route, knownMethod(c.Request.Method), c.Writer.Status(), took)
	about := []any{
		"method", knownMethod(c.Request.Method), "route", route, "status", c.Writer.Status(),
		"took_ms", float64(took.Microseconds()) / 1000, "address", s.addressOf(c), "request", requestID(c),
	}
	if trace := traceOf(c); trace != "" {
		about = append(about, "trace", trace)
	}
	s.Log.Log(c.Request.Context(), levelOf(route, c.Writer.Status()), "served", about...)
}

// levelOf is the level of a request's line. What machines read all day long is only for who looks closely: probes,
// metrics, and the documents and lists that verifiers follow. Their refusals are for everybody.
func levelOf(route string, status int) slog.Level {
	read := []string{
		"/livez", "/readyz", "/metrics", oauth.JWKSPath, oauth.DiscoveryPath, oauth.MetadataPath, oauth.DocumentationPath,
		oauth.StatusListsPath, oauth.StatusListsPath + "/:n",
	}
	if status < http.StatusBadRequest && slices.Contains(read, route) {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// knownMethod keeps what callers invent out of logs and metrics.
func knownMethod(method string) string {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if slices.Contains(known, method) {
		return method
	}
	return "other"
}

// recover turns a panic into a 500 without details, and closes the connection.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		if r := recover(); r != nil {
			s.Log.Error("panic", "panic", panicText(r), "at", panicPlace(), "route", c.FullPath(), "request", requestID(c))
			c.Header("Connection", "close")
			s.answerError(c, errPanic)
			c.Abort()
		}
	}()
	c.Next()
}

// panicText is what may be said of a panic: what the runtime found, but of any
// other value only the type, since it may hold a secret.
func panicText(r any) string {
	if found, ok := r.(runtime.Error); ok {
		return found.Error()
	}
	return fmt.Sprintf("%T", r)
}

// panicPlace is the line that panicked. A whole stack trace holds arguments, and
// never leaves the process.
func panicPlace() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
	panicked := false
	for {
		frame, more := frames.Next()
		if panicked && !strings.HasPrefix(frame.Function, "runtime.") {
			return frame.Function + " " + path.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return "unknown"
		}
		panicked = panicked || frame.Function == "runtime.gopanic"
	}
}

// shield sets the headers that every answer of the surface carries and refuses requests whose
// target or header fields are out of bounds, whatever the route.
func (s *Server) shield(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	surfaceOf(c).headers(h)
	if strings.HasPrefix(s.Issuer, "https://") {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
	if len(c.Request.TransferEncoding) > 0 { // where a chunked body ends, strictConn doesn't see
		h.Set("Connection", "close")
	}
	if err := outOfBounds(c.Request); err != nil {
		h.Set("Connection", "close")
		s.answerError(c, err)
		c.Abort()
	}
}

// apiHeaders are those of answers that no browser shows as a page.
func apiHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

func outOfBounds(r *http.Request) error {
	if strings.Contains(asciiLower(r.URL.RawPath), "%2f") { // no path of ours needs one, and proxies read it otherwise
		return errNotFound
	}
	if len(r.RequestURI) > maxTarget {
		return errURITooLong
	}
	fields, size := 0, 0
	for name, values := range r.Header {
		for _, value := range values {
			fields++
			size += len(name) + len(value)
		}
	}
	if fields > maxHeaders || size > maxHeaderBytes {
		return errHeaders
	}
	return nil
}
