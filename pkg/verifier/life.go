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

	// dropped is set when nobody holds the verifier any more. What runs for long looks at it now and then: a context
	// must not be ended by the garbage collector, which runs outside of any bubble of testing/synctest.
	dropped atomic.Bool

	mu      sync.Mutex // guards closed, and running against growing while it is waited for
	closed  bool
	running sync.WaitGroup
}

func newLife() *life {
	ctx, stop := context.WithCancel(context.Background())
	return &life{ctx: ctx, stop: stop}
}

// start runs work in a goroutine, which ends soon after its context, and says whether it did: a closed life starts
// nothing.
func (l *life) start(work func(ctx context.Context)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running.Go(func() { work(l.ctx) })
	return true
}

// end returns when nothing runs any more.
func (l *life) end() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.running.Wait()
}
