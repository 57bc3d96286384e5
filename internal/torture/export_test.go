package torture

import "crypto/rsa"

// WithKeys makes the run take its keys from a test.
func (c Config) WithKeys(next func() (*rsa.PrivateKey, error)) Config {
	c.newKey = next
	return c
}
