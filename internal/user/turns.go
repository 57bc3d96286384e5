package user

import (
	"context"
	"slices"
	"sync"
	"time"
)

// waitersPerSlot bounds each line. What lies beyond it could not be served within any wait a person accepts.
const waitersPerSlot = 64

// turns gives the slots of a [Hasher] to those who wait for one, in two lines: of known callers and of strangers.
type turns struct {
	places int // in each line

	mu    sync.Mutex
	free  int     // slots; 0 while anybody waits. Guarded by mu
	turn  int     // how many turns there have been; guarded by mu
	lines [2]line // strangers, known callers; guarded by mu
}

type line struct {
	waiting []*waiter // in the order in which they came
	served  served
}

type waiter struct {
	claim Claim
	told  chan bool // whether it is the waiter's turn; else it had to leave
}

func newTurns(slots int) *turns {
	return &turns{places: slots * waitersPerSlot, free: slots}
}

// acquire takes a slot, which the caller gives back by release. ErrBusy, and the context's error.
func (t *turns) acquire(ctx context.Context, claim Claim, wait time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := t.join(claim)
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case mine := <-w.told:
		return t.enter(ctx, mine)
	case <-timeout.C:
		return t.leave(w, ErrBusy)
	case <-ctx.Done():
		return t.leave(w, ctx.Err())
	}
}

// enter ends the wait of a caller who was told something. A slot that came free just when the caller left is the
// next one's.
func (t *turns) enter(ctx context.Context, mine bool) error {
	if !mine {
		return ErrBusy
	}
	if err := ctx.Err(); err != nil {
		t.release()
		return err
	}
	return nil
}

// join puts the caller into its line, or gives it a free slot at once.
func (t *turns) join(claim Claim) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &waiter{claim, make(chan bool, 1)}
	if t.free > 0 {
		t.free--
		w.told <- true
		return w
	}
	l := t.line(claim)
	l.waiting = append(l.waiting, w)
	if len(l.waiting) > t.places {
		l.take(leaves(l.claims())).told <- false
	}
	return w
}

// leave ends a wait for that reason, and passes on a slot that came free meanwhile.
func (t *turns) leave(w *waiter, reason error) error {
	t.mu.Lock()
	l := t.line(w.claim)
	at := slices.Index(l.waiting, w)
	if at >= 0 {
		l.take(at)
	}
	t.mu.Unlock()
	if at < 0 && <-w.told {
		t.release()
	}
	return reason
}

// release passes a slot on.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn++
	for i := range t.lines { // the lines take turns
		l := &t.lines[(t.turn+i)%len(t.lines)]
		if len(l.waiting) == 0 {
			continue
		}
		w := l.take(l.served.next(l.claims()))
		l.served = l.served.after(w.claim, t.turn, l.claims())
		w.told <- true
		return
	}
	t.free++
}

func (t *turns) line(claim Claim) *line {
	if claim.Known {
		return &t.lines[1]
	}
	return &t.lines[0]
}

func (l *line) claims() []Claim {
	claims := make([]Claim, len(l.waiting))
	for i, w := range l.waiting {
		claims[i] = w.claim
	}
	return claims
}

// take removes who waits at that place.
func (l *line) take(at int) *waiter {
	w := l.waiting[at]
	l.waiting = slices.Delete(l.waiting, at, at+1)
	return w
}

// queued is how many wait.
func (t *turns) queued() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.lines[0].waiting) + len(t.lines[1].waiting)
}
