// Package verifiergin puts pkg/verifier in front of the handlers of a Gin engine.
//
//	router.GET("/orders", verifiergin.Require(v), listOrders)
//
// It wraps [verifier.Verifier.Require], so its answers are the same to the byte.
package verifiergin

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// Require returns middleware that lets a request pass only with a valid bearer token that grants all scopes, as
// [verifier.Verifier.Require] does, and also panics on a scope that no token can contain. It answers refused requests
// and aborts the chain.
func Require(v *verifier.Verifier, scopes ...string) gin.HandlerFunc {
	return behind(v.Require(scopes...))
}

// Enforce is [Require] for a whole policy, like [verifier.Verifier.Enforce].
func Enforce(v *verifier.Verifier, p verifier.Policy) gin.HandlerFunc { return behind(v.Enforce(p)) }

// Token returns the token that [Require] or [Enforce] verified, or nil if the request passed through neither; Has on
// nil is false. [verifier.FromContext] finds it in the request's context, too.
func Token(c *gin.Context) *verifier.Token { return verifier.FromContext(c.Request.Context()) }

// behind continues the chain when guard calls its handler.
func behind(guard func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r // its context has the token
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}
