package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/etag"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

const documentCache = "public, max-age=300, stale-if-error=86400"

func (s *Server) metadataDocument(c *gin.Context) error {
	writeDocument(c, s.metadata)
	return nil
}

// jwks serves the snapshot's bytes; it goes on while every store is down.
func (s *Server) jwks(c *gin.Context) error {
	set, ok := s.Keys.JWKS()
	if !ok {
		return keyring.ErrStale
	}
	writeDocument(c, document{jsonType, set.ETag, set.Body})
	return nil
}

func (s *Server) openapiDocument(c *gin.Context) error {
	writeDocument(c, s.openapi)
	return nil
}

// document is a public document that caches may keep.
type document struct {
	contentType string
	tag         string // strong, quoted
	body        []byte
}

func newDocument(contentType string, body []byte) document {
	return document{contentType, etag.Of(body), body}
}

// writeDocument writes a document, or 304 when the caller has it already
// (RFC 9110 §13.1.2).
func writeDocument(c *gin.Context, d document) {
	c.Header("Cache-Control", documentCache)
	c.Header("ETag", d.tag)
	if matchesETag(c.GetHeader("If-None-Match"), d.tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Data(http.StatusOK, d.contentType, d.body)
}

// matchesETag compares weakly, as If-None-Match wants (RFC 9110 §13.1.2).
func matchesETag(ifNoneMatch, tag string) bool {
	for listed := range etag.Listed(ifNoneMatch) {
		if listed == tag || listed == "*" {
			return true
		}
	}
	return false
}
