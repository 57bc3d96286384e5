package verifier

import (
	"context"
	"errors"
	"fmt"
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

// Follow has the status list at uri followed from now on, as a token that names it would, and waits for it as long as Verify
// would, at most two seconds: for tests, whose first token is then held against the list on however busy a machine. It
// returns nil once there is a list, or where none is looked at ([StatusOff]), and otherwise an [ErrStatusUnavailable].
func (v *Verifier) Follow(ctx context.Context, uri string) error {
	if v.lists == nil {
		return nil
	}
	now := v.now()
	list := v.lists.follow(uri, now, now)
	if list == nil {
		return fmt.Errorf("%w: the list %.200q is not followed", ErrStatusUnavailable, uri)
	}
	problem := list.first.wait(ctx, patience, &v.lists.waiters)
	switch {
	case list.current.Load() != nil:
		return nil
	case problem == nil:
		problem = errors.New("the list could not be read")
	}
	return fmt.Errorf("%w: %w", ErrStatusUnavailable, problem)
}

// TakesBearer says whether a token may come without a proof of possession. Where it may not, Verify returns no token at all,
// so what has nothing but Verify would refuse everybody.
func (v *Verifier) TakesBearer() bool { return slices.Contains(v.schemes(), schemeBearer) }
