package torture

import (
	"context"
	"crypto/rsa"
	"net/http"
)

// WithKeys makes the run take its keys from a test.
func (c Config) WithKeys(next func() (*rsa.PrivateKey, error)) Config {
	c.newKey = next
	return c
}

// Described reads the metadata of an issuer by a client that knows its certificate.
func Described(ctx context.Context, issuer string, client *http.Client) (jwksURI string, err error) {
	m, err := remote{client: client, issuer: issuer}.describe(ctx)
	return m.JWKSURI, err
}
