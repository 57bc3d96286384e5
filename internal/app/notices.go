package app

import (
	"context"
	"time"

	"github.com/mintmark-auth/mintmark/internal/store/redis"
)

// noticesEvery is how often notices of revocations are looked for, after a wait of a second
// that the first of them ends. What was heard is admitted at once, and at the latest after
// admitEvery.
const (
	noticesEvery = 250 * time.Millisecond
	admitEvery   = time.Second
)

// recallRevocations takes in the notices that are kept, before any request comes: the database
// may not show yet what another replica has confirmed. Redis can only add to what is known, so
// trouble with it is no reason not to start.
func (a *App) recallRevocations(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tickTimeout)
	defer cancel()
	for heard := redis.MessagesAtOnce; heard == redis.MessagesAtOnce; { // fewer: that was all
		var err error
		if heard, err = a.hear(ctx); err != nil {
			a.log.Warn("revocations of other replicas can't be heard; they are read from the database", "err", err)
			break
		}
	}
	return a.lists.Admit(ctx)
}

// hearRevocations takes in what the replicas have published since the last time.
func (a *App) hearRevocations(ctx context.Context) error {
	_, err := a.hear(ctx)
	return err
}

// hear returns how many messages there were. One that is no notice of ours is passed over, and
// logged once.
func (a *App) hear(ctx context.Context) (int, error) {
	if a.ephemeral.published == nil {
		return 0, nil
	}
	messages, last, err := a.ephemeral.published(ctx, a.noticesHeard)
	if err != nil {
		return 0, err
	}
	a.noticesHeard = last
	for _, message := range messages {
		if err := a.lists.Hear(message); err != nil && !a.noticeForged {
			a.noticeForged = true
			a.log.Warn("Redis holds a message that no replica with these root secrets has sent; it is passed over", "err", err)
		}
	}
	return len(messages), nil
}
