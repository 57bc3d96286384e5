package app

import (
	"context"
	"time"
)

// noticesEvery is how often notices of revocations are looked for, after a wait of a second
// that the first of them ends. What was heard is admitted at once, and at the latest after
// admitEvery.
const (
	noticesEvery = 250 * time.Millisecond
	admitEvery   = time.Second
)

// recallRevocations takes in all notices that are kept, before any request comes: the database
// may not show yet what another replica has confirmed.
func (a *App) recallRevocations(ctx context.Context) error {
	for before := "none yet"; a.noticesHeard != before; {
		before = a.noticesHeard
		if err := a.hearRevocations(ctx); err != nil {
			return err
		}
	}
	return a.lists.Admit(ctx)
}

// hearRevocations takes in what the replicas have published since the last time. A message
// that is no notice of ours is passed over, and logged once.
func (a *App) hearRevocations(ctx context.Context) error {
	if a.ephemeral.published == nil {
		return nil
	}
	messages, last, err := a.ephemeral.published(ctx, a.noticesHeard)
	if err != nil {
		return err
	}
	a.noticesHeard = last
	for _, message := range messages {
		if err := a.lists.Hear(message); err != nil && !a.noticeForged {
			a.noticeForged = true
			a.log.Warn("Redis holds a message that no replica with these root secrets has sent; it is passed over", "err", err)
		}
	}
	return nil
}
