package redis

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
)

var _ ratelimit.Store = (*Store)(nil)

// Take implements [ratelimit.Store]. The key is `rl:` and a digest of the given
// one, so that no octet of a user's reaches the key space and no key is long; the
// value is the arrival time in microseconds, and forgotten once that has passed.
// An unreadable value counts as missing.
func (s *Store) Take(ctx context.Context, key string, rate ratelimit.Rate) (ratelimit.Decision, error) {
	if rate.Unlimited() {
		return ratelimit.Decision{Allowed: true}, nil
	}
	var decision ratelimit.Decision
	err := s.update(ctx, limitKey(key), func(found content, now time.Time) write {
		stored := parseArrival(found.payload)
		var next time.Time
		next, decision = ratelimit.Take(stored, now, rate)
		if !decision.Allowed {
			return write{}
		}
		// Rounded up: rounding must not let one more through.
		next = next.Add(time.Microsecond - time.Nanosecond).Truncate(time.Microsecond)
		return write{content{payload: strconv.FormatInt(next.UnixMicro(), 10)}, next.Sub(now)}
	})
	if err != nil {
		return ratelimit.Decision{}, fmt.Errorf("take from rate limit: %w", err)
	}
	return decision, nil
}

func limitKey(key string) string {
	digest := sha256.Sum256([]byte(key))
	return "rl:" + hex.EncodeToString(digest[:16])
}

func parseArrival(payload string) time.Time {
	micros, err := strconv.ParseInt(payload, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
