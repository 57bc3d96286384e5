package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/grant"
)

var _ grant.Store = (*Store)(nil)

// UpdateRecord implements [grant.Store]. The key is the record's own, and the value is
// what package grant sealed.
func (s *Store) UpdateRecord(ctx context.Context, key grant.Key, decide grant.Decider) error {
	err := s.update(ctx, string(key), func(found content, now time.Time) write {
		var stored []byte
		if found.payload != "" {
			stored = []byte(found.payload)
		}
		next, keep := decide(stored, now)
		return write{content{payload: string(next)}, keep}
	})
	switch {
	case errors.Is(err, errContended):
		return fmt.Errorf("update record: %w", grant.ErrContended)
	case goredis.HasErrorPrefix(err, "OOM "):
		return fmt.Errorf("update record: %w: %w", grant.ErrFull, err)
	case err != nil:
		return fmt.Errorf("update record: %w", err)
	}
	return nil
}
