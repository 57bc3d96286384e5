package oauth

import (
	"encoding/json"
	"fmt"
)

// Paths of the endpoints, below the issuer.
const (
	TokenPath         = "/oauth/token"
	RevocationPath    = "/oauth/revoke"
	StatusListsPath   = "/oauth/status-lists"
	JWKSPath          = "/.well-known/jwks.json"
	MetadataPath      = "/.well-known/oauth-authorization-server" // RFC 8414 §3
	DiscoveryPath     = "/.well-known/openid-configuration"       // OpenID Connect Discovery §4
	DocumentationPath = "/openapi.yaml"
)

// Capabilities are what an authority offers. The token endpoint serves the grants of the
// same value that the metadata lists, so that nothing is advertised that is not there.
type Capabilities struct {
	GrantTypes  []string // RFC 7591 §2
	AuthMethods []string // of clients at the token and the revocation endpoint
}

// metadata is the authorization server metadata (RFC 8414 §2), and OpenID Provider
// metadata as far as it is true. Members with zero elements are left out (RFC 8414 §3.2).
type metadata struct {
	Issuer                        string   `json:"issuer"`
	JWKSURI                       string   `json:"jwks_uri"`
	TokenEndpoint                 string   `json:"token_endpoint"`
	RevocationEndpoint            string   `json:"revocation_endpoint"`
	StatusListAggregationEndpoint string   `json:"status_list_aggregation_endpoint"` // draft-ietf-oauth-status-list §9.1
	GrantTypes                    []string `json:"grant_types_supported,omitempty"`
	TokenEndpointAuthMethods      []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	RevocationEndpointAuthMethods []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	SubjectTypes                  []string `json:"subject_types_supported"`
	RequestURIParameter           bool     `json:"request_uri_parameter_supported"`
	ServiceDocumentation          string   `json:"service_documentation"`
}

// Metadata returns the metadata document of an issuer, in JSON (RFC 8414 §2).
func Metadata(issuer string, c Capabilities) ([]byte, error) {
	body, err := json.Marshal(metadata{
		Issuer:                        issuer,
		JWKSURI:                       issuer + JWKSPath,
		TokenEndpoint:                 issuer + TokenPath,
		RevocationEndpoint:            issuer + RevocationPath,
		StatusListAggregationEndpoint: issuer + StatusListsPath,
		GrantTypes:                    c.GrantTypes,
		TokenEndpointAuthMethods:      c.AuthMethods,
		RevocationEndpointAuthMethods: c.AuthMethods,
		SubjectTypes:                  []string{"public"},
		ServiceDocumentation:          issuer + DocumentationPath,
	})
	if err != nil {
		return nil, fmt.Errorf("render metadata: %w", err)
	}
	return body, nil
}
