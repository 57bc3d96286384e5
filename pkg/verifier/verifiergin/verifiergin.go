// Package verifiergin puts pkg/verifier in front of the handlers of a Gin engine.
//
//	router.GET("/orders", verifiergin.Require(v, "orders:read"), listOrders)
//
// It answers to the byte what [verifier.Verifier.Require] answers, because it is that which answers; it decides
// nothing itself.
package verifiergin

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// Require returns middleware that lets a request pass only with a valid bearer token that grants all scopes, as
// [verifier.Verifier.Require] does, and like it panics on a scope that no token can hold. What does not pass is
// answered, and the chain aborted.
func Require(v *verifier.Verifier, scopes ...string) gin.HandlerFunc {
	return behind(v.Require(scopes...))
}

// Enforce is [Require] of more than scopes, as [verifier.Verifier.Enforce] is.
func Enforce(v *verifier.Verifier, p verifier.Policy) gin.HandlerFunc { return behind(v.Enforce(p)) }

// Token returns the token that [Require] or [Enforce] let pass, or nil where the request came through neither; Has on
// nil is false. Beneath Gin, [verifier.FromContext] of the request's context finds it too.
func Token(c *gin.Context) *verifier.Token { return verifier.FromContext(c.Request.Context()) }

// behind goes on with the chain where guard goes on with its handler.
func behind(guard func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r // which carries the token
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}
