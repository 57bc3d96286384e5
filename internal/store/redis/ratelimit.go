package redis

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
)

var _ ratelimit.Store = (*Store)(nil)

// Take implements [ratelimit.Store]. The key is `rl:` and a keyed digest of the given one, so that nobody who reads
// Redis can tell of whom it is, not even by trying names and addresses. The value is the arrival time in microseconds,
// and forgotten once that has passed. An unreadable value counts as missing.
func (s *Store) Take(ctx context.Context, key string, rate ratelimit.Rate) (ratelimit.Decision, error) {
	if rate.Unlimited() {
		return ratelimit.Decision{Allowed: true}, nil
	}
	var decision ratelimit.Decision
	err := s.update(ctx, s.counter(key), func(found content, now time.Time) write {
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

func (s *Store) counter(key string) string {
	mac := hmac.New(sha256.New, s.limitKey)
	mac.Write([]byte(key))
	return "rl:" + hex.EncodeToString(mac.Sum(nil)[:16])
}

func parseArrival(payload string) time.Time {
	micros, err := strconv.ParseInt(payload, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
