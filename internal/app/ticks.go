package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
)

const (
	clientsEvery = time.Second
	flushEvery   = 2 * time.Second
	namesEvery   = 5 * time.Second
	tickTimeout  = 5 * time.Second
	gatherFor    = 50 * time.Millisecond // what is hinted at within it is done at once
	awaitAgain   = 5 * time.Second
)

// startTicks starts what happens by itself: each tick on its own, so that a slow
// one delays no other.
func (a *App) startTicks(ctx context.Context, wg *sync.WaitGroup) {
	clientsChanged := make(chan struct{}, 1)
	wg.Go(func() { a.heed(ctx, a.store.AwaitSigningKeys, a.keysChanged) })
	wg.Go(func() { a.heed(ctx, a.store.AwaitClients, clientsChanged) })
	tasks := []task{
		{"keys", keyring.PollEvery, 0, a.keysChanged, a.tendKeys},
		{"clocks", clocksEvery, 0, a.clocksApart, a.readClocks},
		{"dependencies", probeEvery, 0, nil, a.probe},
		{"clients", clientsEvery, 0, clientsChanged, a.clients.Refresh},
		{"status lists", revocation.PollEvery, revocation.Apart, a.lists.Woken(), a.lists.Refresh},
		{"announced revocations", admitEvery, revocation.Apart, a.lists.Heard(), a.lists.Admit},
		{"revocations of other replicas", noticesEvery, 0, nil, a.hearRevocations},
		{"checkpoints", flushEvery, 0, nil, a.checkpoints.Flush},
		{"events", flushEvery, 0, nil, a.flushEvents},
		{"names that look alike", namesEvery, 0, nil, a.compareNames},
	}
	for _, s := range a.sweeps {
		tasks = append(tasks, task{s.name, sweepEvery, 0, nil, s.once})
	}
	for _, task := range tasks {
		wg.Go(func() { a.tick(ctx, task) })
	}
}

// flushEvents writes the events that wait, and what was counted in an hour that is over.
func (a *App) flushEvents(ctx context.Context) error {
	a.events.Settle(a.clocks.Now().Reliable())
	return a.events.Flush(ctx)
}

// task is what happens by itself, every interval and when it is hinted that it should.
type task struct {
	name  string
	every time.Duration
	apart time.Duration   // from one begin to the next at least, however often it is hinted at
	hint  <-chan struct{} // nil: none comes
	do    func(context.Context) error
}

// heed passes on that something was changed elsewhere. Hints may get lost; the task that
// gets them polls as well, so trouble with them is no error. All channels share one
// connection, so the first that hears nothing warns for the others.
func (a *App) heed(ctx context.Context, await func(context.Context) error, hint chan<- struct{}) {
	for ctx.Err() == nil {
		if err := await(ctx); err != nil {
			if ctx.Err() == nil && !a.deaf.Swap(true) {
				a.log.Warn("changes by other processes are seen only at the next poll; trying to listen again", "err", err)
			}
			pause(ctx, awaitAgain)
			continue
		}
		a.deaf.Store(false)
		select {
		case hint <- struct{}{}:
		default: // one waits already
		}
	}
}

// tick does a task now, every interval and at a hint. It logs when the task begins to
// fail and when it is well again, not every time.
func (a *App) tick(ctx context.Context, t task) {
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	failing := false
	for ctx.Err() == nil {
		began := time.Now()
		err := within(ctx, tickTimeout, t.do)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			failing = true
			a.log.Error("background task fails; it will be tried again", "task", t.name, "err", err)
		case err == nil && failing:
			failing = false
			a.log.Info("background task is well again", "task", t.name)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-t.hint:
			pause(ctx, gatherFor)
		}
		pause(ctx, time.Until(began.Add(t.apart)))
	}
}

// pause waits, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// tendKeys rereads the keys and makes those that are due, a standby first of all.
func (a *App) tendKeys(ctx context.Context) error {
	before, set := a.keys.Outlook(), a.keySet()
	if err := a.keys.Refresh(ctx); err != nil {
		return err
	}
	err := errors.Join(a.keys.Damage(), a.keys.Maintain(ctx))
	if a.keySet() != set {
		a.lists.Wake() // they name it
	}
	now := a.keys.Outlook()
	if now.Signing != before.Signing {
		a.log.Info("another key signs now", "kid", now.Signing, "before", before.Signing, "next_switch", now.NextSwitch)
	}
	return err
}

// keySet names the key set that is published; empty before the first read.
func (a *App) keySet() string {
	set, _ := a.keys.JWKS()
	return set.Name
}

// rereadKeys asks for tendKeys: the stored keys are others than a moment ago.
func (a *App) rereadKeys() {
	select {
	case a.keysChanged <- struct{}{}:
	default: // it was asked already
	}
}

func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx)
}
