package verifier

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

var errClosed = errors.New("the verifier is closed")

// life runs the goroutines of a verifier until it is closed.
type life struct {
	ctx  context.Context //nolint:containedctx // it is the lifetime itself
	stop context.CancelFunc

	// dropped is set when the verifier is garbage. Long-running goroutines check it now and then: the garbage collector
	// must not end a context, because it runs outside of any bubble of testing/synctest.
	dropped atomic.Bool

	mu      sync.Mutex // guards closed, and running against growing while it is waited for
	closed  bool
	running sync.WaitGroup
}

func newLife() *life {
	ctx, stop := context.WithCancel(context.Background())
	return &life{ctx: ctx, stop: stop}
}

// start runs work in a goroutine, which ends soon after its context. It returns false and starts nothing if life has
// ended.
func (l *life) start(work func(ctx context.Context)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running.Go(func() { work(l.ctx) })
	return true
}

// end ends all goroutines and waits for them.
func (l *life) end() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.running.Wait()
}
