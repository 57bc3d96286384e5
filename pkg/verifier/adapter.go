package verifier

import (
	"context"
	"errors"
	"slices"
	"time"
)

// WithToken returns a context in which [FromContext] finds token: for adapters to other transports, and for tests of
// handlers, whose token verifiertest.Verified makes. [Verifier.Require] does it by itself.
func WithToken(ctx context.Context, token *Token) context.Context {
	return context.WithValue(ctx, contextKey{}, token)
}

// RetryAfter is how long a caller should wait before it tries again, where Verify could not find out about a token and
// said err: what Require says in its Retry-After.
func (v *Verifier) RetryAfter(err error) time.Duration {
	if errors.Is(err, ErrKeysUnavailable) {
		return v.keys.retryAfter()
	}
	return time.Second
}

// TakesBearer says whether a token may come without a proof of possession. Where it may not, Verify returns no token at all,
// so what has nothing but Verify would refuse everybody.
func (v *Verifier) TakesBearer() bool { return slices.Contains(v.schemes(), schemeBearer) }
