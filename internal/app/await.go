package app

import (
	"context"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/config"
)

// The pauses between two tries to reach a store.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = time.Second
)

// startup waits for stores that can't be reached yet, for all of them together until a point in time.
type startup struct {
	wait  time.Duration
	until time.Time
	tell  func(line string)
}

func newStartup(wait time.Duration, tell func(line string)) *startup {
	return &startup{wait: wait, until: time.Now().Add(wait), tell: tell}
}

// reach tries until the store called name is there, the time is over, ctx ends, or the trouble is not of the kind that
// passes by itself.
func (s *startup) reach(ctx context.Context, name string, try func(context.Context) error) error {
	pausing := firstPause
	for told := false; ; told = true {
		err := try(ctx)
		switch {
		case err == nil && told:
			s.tell(name + " is reachable now")
			return nil
		case err == nil || s.wait == 0 || ctx.Err() != nil || !mayPass(err):
			return err
		case !time.Now().Before(s.until):
			return fmt.Errorf("%w; gave up after waiting %s for %s (MINTMARK_STARTUP_WAIT)", err, s.wait, name)
		case !told:
			s.tell(fmt.Sprintf("waiting up to %s for %s: %v", s.wait, name, err))
		}
		pause(ctx, min(pausing, time.Until(s.until)))
		if ctx.Err() != nil {
			return fmt.Errorf("stopped while waiting for %s: %w", name, err)
		}
		pausing = min(2*pausing, longestPause)
	}
}

// AwaitDatabase returns when the database can be reached, or the trouble with it is not of the kind that passes by
// itself. It tells when it begins to wait, and when that is over.
func AwaitDatabase(ctx context.Context, cfg config.Config, schema *db.Database, tell func(line string)) error {
	if cfg.StartupWait == 0 {
		return nil
	}
	return newStartup(cfg.StartupWait, tell).reach(ctx, "Postgres", func(ctx context.Context) error {
		_, err := schema.Status(ctx)
		return err
	})
}
