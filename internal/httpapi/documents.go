package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/oauth"
	"github.com/mintmark-auth/mintmark/internal/revocation"
)

const documentCache = "public, max-age=300, stale-if-error=86400"

// metadata is the authorization server metadata (RFC 8414 §2), and OpenID
// Provider metadata as far as it is true. Members with zero elements are left out
// (RFC 8414 §3.2); those of authorization come with it.
type metadata struct {
	Issuer                        string   `json:"issuer"`
	JWKSURI                       string   `json:"jwks_uri"`
	TokenEndpoint                 string   `json:"token_endpoint"`
	RevocationEndpoint            string   `json:"revocation_endpoint"`
	StatusListAggregationEndpoint string   `json:"status_list_aggregation_endpoint"` // draft-ietf-oauth-status-list §9.1
	GrantTypes                    []string `json:"grant_types_supported"`
	TokenEndpointAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	RevocationEndpointAuthMethods []string `json:"revocation_endpoint_auth_methods_supported"`
	SubjectTypes                  []string `json:"subject_types_supported"`
	RequestURIParameter           bool     `json:"request_uri_parameter_supported"`
	ServiceDocumentation          string   `json:"service_documentation"`
}

func renderMetadata(issuer string) ([]byte, error) {
	body, err := json.Marshal(metadata{
		Issuer:                        issuer,
		JWKSURI:                       issuer + "/.well-known/jwks.json",
		TokenEndpoint:                 issuer + "/oauth/token",
		RevocationEndpoint:            issuer + "/oauth/revoke",
		StatusListAggregationEndpoint: issuer + revocation.Path,
		GrantTypes:                    []string{oauth.GrantRefreshToken},
		TokenEndpointAuthMethods:      []string{"none"},
		RevocationEndpointAuthMethods: []string{"none"},
		SubjectTypes:                  []string{"public"},
		ServiceDocumentation:          issuer + "/openapi.yaml",
	})
	if err != nil {
		return nil, fmt.Errorf("render metadata: %w", err)
	}
	return body, nil
}

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
	etag        string // strong, quoted
	body        []byte
}

func newDocument(contentType string, body []byte) document {
	sum := sha256.Sum256(body)
	return document{contentType, `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`, body}
}

// writeDocument writes a document, or 304 when the caller has it already
// (RFC 9110 §13.1.2).
func writeDocument(c *gin.Context, d document) {
	c.Header("Cache-Control", documentCache)
	c.Header("ETag", d.etag)
	if matchesETag(c.GetHeader("If-None-Match"), d.etag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Data(http.StatusOK, d.contentType, d.body)
}

// matchesETag compares weakly, as If-None-Match wants (RFC 9110 §13.1.2).
func matchesETag(ifNoneMatch, etag string) bool {
	for candidate := range strings.SplitSeq(ifNoneMatch, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == etag || candidate == "*" {
			return true
		}
	}
	return false
}
