package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// WithToken returns a context in which [FromContext] finds token. It is for adapters to other transports, and for tests
// of handlers, with a token from verifiertest.Verified. [Verifier.Require] calls it itself.
func WithToken(ctx context.Context, token *Token) context.Context {
	return context.WithValue(ctx, contextKey{}, token)
}

// RetryAfter returns how long a caller should wait before it tries again, after Verify returned err because it could
// not check a token. Require sends it as Retry-After.
func (v *Verifier) RetryAfter(err error) time.Duration {
	if errors.Is(err, ErrKeysUnavailable) {
		return v.keys.retryAfter()
	}
	return time.Second
}

// Follow starts to follow the status list at uri, as Verify does for a token that names it, and waits for the list as
// long as Verify would, at most two seconds. It is for tests, so that even the first token is checked against the list
// on a busy machine. It returns nil once there is a list, or with [StatusOff], and an [ErrStatusUnavailable] otherwise.
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

// TakesBearer reports whether the verifier accepts tokens without a proof of possession. If it does not, Verify returns
// no token at all, and an adapter that only calls Verify would refuse every request.
func (v *Verifier) TakesBearer() bool { return slices.Contains(v.schemes(), schemeBearer) }
