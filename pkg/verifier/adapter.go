package verifier

import (
	"context"
	"slices"
	"time"
)

// WithToken returns a context in which [FromContext] finds token: for adapters to other transports, and for tests of
// handlers. [Verifier.Require] does it by itself.
func WithToken(ctx context.Context, token *Token) context.Context { return withToken(ctx, token) }

// RetryAfter is how long a caller should wait before it tries again, where Verify could not find out about a token: what
// Require says in its Retry-After.
func (v *Verifier) RetryAfter() time.Duration { return v.keys.retryAfter() }

// TakesBearer says whether a token may come without a proof of possession. Verify does not ask for one, so where this is
// false, what calls Verify without checking a proof would let in what Require refuses.
func (v *Verifier) TakesBearer() bool { return slices.Contains(v.schemes(), schemeBearer) }
