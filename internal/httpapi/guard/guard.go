// Package guard stands in front of every handler: a [Handler] can't be made without a
// guard, which finds out who asks, and a limit. It protects that no route is served to a
// caller whom nothing has admitted. It doesn't know how callers are authenticated.
package guard

import "github.com/gin-gonic/gin"

// Caller is for whom a handler works.
type Caller interface {
	// Refused returns an error for a caller that was not authenticated.
	Refused() error
}

// Guard finds out who asks, or refuses the request. A handler is written against the
// caller that its guard returns, so it can't be put behind another one.
type Guard[C Caller] func(c *gin.Context) (C, error)

// Limit takes one try of the caller from what it may use.
type Limit[C Caller] func(c *gin.Context, by C) error

// Handler answers requests that its guard and its limit let through. [Admit] makes one;
// the zero Handler answers nothing.
type Handler struct {
	serve func(c *gin.Context) error
}

// Admit puts a handler behind a guard and a limit. It panics if one of them is nil, which
// a start shows.
func Admit[C Caller](g Guard[C], l Limit[C], handler func(c *gin.Context, by C) error) Handler {
	if g == nil || l == nil || handler == nil {
		panic("guard: a handler without guard or limit")
	}
	return Handler{serve: func(c *gin.Context) error {
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

// Zero reports whether nothing was admitted.
func (h Handler) Zero() bool { return h.serve == nil }

// Serve answers a request, or returns why it was refused.
func (h Handler) Serve(c *gin.Context) error { return h.serve(c) }

// Anybody is the caller of a route whose answer is the same for everyone. No verb of the
// authority takes it.
type Anybody struct{}

// Refused implements [Caller].
func (Anybody) Refused() error { return nil }

// Public puts a handler where everyone may call it. It must cost no more than an answer
// from memory, and say the same to all.
func Public(handler func(c *gin.Context) error) Handler {
	admit := func(*gin.Context) (Anybody, error) { return Anybody{}, nil }
	unlimited := func(*gin.Context, Anybody) error { return nil }
	return Admit(admit, unlimited, func(c *gin.Context, _ Anybody) error { return handler(c) })
}
