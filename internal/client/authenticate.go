package client

import (
	"context"
	"errors"
)

// ErrAuthentication says that credentials don't prove a client that may be used
// (invalid_client, RFC 6749 §5.2). It doesn't say why.
var ErrAuthentication = errors.New("client authentication failed")

// Method is how a client authenticates (token_endpoint_auth_method, RFC 7591 §2).
type Method string

// Methods by which a request may show who its client is.
const (
	MethodNone        Method = "none" // the client only names itself, as a public one does
	MethodSecretBasic Method = "client_secret_basic"
	MethodSecretPost  Method = "client_secret_post"
)

// Credentials are what a request shows of its client.
type Credentials struct {
	ClientID string
	Method   Method
}

// Authenticate returns the client that the credentials prove. It refuses an unknown
// client, a disabled one and a method that is not the client's, all with
// ErrAuthentication.
func (d *Directory) Authenticate(_ context.Context, c Credentials) (Client, error) {
	found, ok := d.Find(c.ClientID)
	if !ok || !found.Enabled() || !found.authenticatesBy(c.Method) {
		return Client{}, ErrAuthentication
	}
	return found, nil
}

// Methods lists the methods by which a client can authenticate. No client has a secret.
func Methods() []Method { return []Method{MethodNone} }

// authenticatesBy reports whether the client may use the method.
func (c Client) authenticatesBy(m Method) bool {
	return c.Kind == Public && m == MethodNone
}
