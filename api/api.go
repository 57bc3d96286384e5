// Package api holds the description of the HTTP surface, which the authority
// serves and the tests hold against it.
package api

import _ "embed"

// OpenAPI is the OpenAPI 3.1 document of the public surface, in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
