package session

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

// A session's checkpoint is written at most once per checkpointEvery, which the store sees to, spread over
// checkpointJitter so that sessions begun together don't write together.
const (
	checkpointEvery  = time.Hour
	checkpointJitter = 20 * time.Minute
	checkpointBatch  = 1000
	maxCheckpoints   = 100_000
)

// SeenAhead is how far LastSeenAt may be ahead of the database's clock. Beyond it, that was
// wrong when the checkpoint was written, and writes it again now, or none would be due until then.
const SeenAhead = clock.Tolerance

// CheckpointDue reports whether a generation presented with success should be saved
// now. This includes the generation that is the checkpoint already, because LastSeenAt
// changes.
func CheckpointDue(s Standing, generation uint32) bool {
	spread := binary.BigEndian.Uint64(s.Family[:8]) % uint64(checkpointJitter)
	unseen := s.Now.Sub(s.LastSeenAt)
	return generation >= s.Checkpoint && (unseen >= checkpointEvery+time.Duration(spread) || unseen < -SeenAhead)
}

// Checkpoints gathers the checkpoints that are due and writes them in batches. It is
// bounded: it counts the checkpoints that do not fit, and the session's next refresh
// notes them again.
type Checkpoints struct {
	store   Store
	dropped atomic.Uint64

	mu  sync.Mutex
	due map[string]uint32 // by session id; guarded by mu
}

// NewCheckpoints returns an empty batch over the store.
func NewCheckpoints(store Store) *Checkpoints {
	return &Checkpoints{store: store, due: make(map[string]uint32)}
}

// Note remembers a generation that was presented with success, if it is due.
func (c *Checkpoints) Note(s Standing, generation uint32) {
	if !CheckpointDue(s, generation) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.due[s.ID]; !known && len(c.due) >= maxCheckpoints {
		c.dropped.Add(1)
		return
	}
	c.due[s.ID] = max(c.due[s.ID], generation)
}

// Dropped is how many checkpoints did not fit since the start.
func (c *Checkpoints) Dropped() uint64 { return c.dropped.Load() }

// Waiting is how many checkpoints are still to be written.
func (c *Checkpoints) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.due)
}

// Flush writes what was noted. What could not be written is kept for the next time.
func (c *Checkpoints) Flush(ctx context.Context) error {
	for {
		batch := c.take()
		if len(batch) == 0 {
			return nil
		}
		if err := c.store.SaveCheckpoints(ctx, batch, checkpointEvery); err != nil {
			c.putBack(batch)
			return fmt.Errorf("save checkpoints: %w", err)
		}
	}
}

func (c *Checkpoints) take() []Checkpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := make([]Checkpoint, 0, min(len(c.due), checkpointBatch))
	for id, generation := range c.due {
		if len(batch) == checkpointBatch {
			break
		}
		batch = append(batch, Checkpoint{SessionID: id, Generation: generation})
		delete(c.due, id)
	}
	return batch
}

func (c *Checkpoints) putBack(batch []Checkpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range batch {
		c.due[b.SessionID] = max(c.due[b.SessionID], b.Generation)
	}
}
