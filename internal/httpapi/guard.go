package httpapi

import (
	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/oauth"
)

// caller is for whom a handler works.
type caller interface {
	// Refused returns an error for a caller that no guard has admitted.
	Refused() error
}

// guard finds out who asks, or refuses the request. A handler is written against the
// caller that its guard returns, so it can't be put behind another one.
type guard[C caller] func(c *gin.Context) (C, error)

// limit takes one try of the caller from what it may use.
type limit[C caller] func(c *gin.Context, by C) error

// guarded is a handler that runs behind its guard and its limit; [admit] makes it.
type guarded struct {
	run func(c *gin.Context) error
}

// admit puts a handler behind a guard and a limit.
func admit[C caller](g guard[C], l limit[C], handler func(c *gin.Context, by C) error) guarded {
	return guarded{run: func(c *gin.Context) error {
		by, err := g(c)
		if err != nil {
			return err
		}
		if err := by.Refused(); err != nil {
			return err
		}
		if err := l(c, by); err != nil {
			return err
		}
		return handler(c, by)
	}}
}

// anybody is the caller of a route whose answer is the same for everyone. No verb of the
// authority takes it.
type anybody struct{}

// Refused implements [caller].
func (anybody) Refused() error { return nil }

// open admits everyone.
func open(*gin.Context) (anybody, error) { return anybody{}, nil }

// public is a route for everyone, which costs no more than the answer from memory.
func public(handler func(c *gin.Context) error) guarded {
	unlimited := func(*gin.Context, anybody) error { return nil }
	return admit(open, unlimited, func(c *gin.Context, _ anybody) error { return handler(c) })
}

// firstParty admits requests of the first-party API, which name no client: they are all
// of the built-in one. authority.ErrClient while an operator has disabled it.
func (s *Server) firstParty(c *gin.Context) (authority.Caller, error) {
	return s.Authority.Authenticate(client.Credentials{ClientID: client.FirstParty, Method: client.MethodNone}, s.origin(c))
}

// clientRequest is a form whose client was authenticated.
type clientRequest struct {
	authority.Caller
	form oauth.Form
}

// oauthClient admits forms of clients that authenticate (RFC 6749 §2.3).
func (s *Server) oauthClient(c *gin.Context) (clientRequest, error) {
	form, err := readForm(c)
	if err != nil {
		return clientRequest{}, err
	}
	by, err := s.authenticateClient(c, form)
	return clientRequest{Caller: by, form: form}, err
}
