package redis_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func TestSessionTakesTheSameMemoryForLife(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, err := redis.Open(t.Context(), redis.Config{URL: url, LimitKey: limitKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	options, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(options)
	t.Cleanup(func() { c.Close() })

	id := uuid.Must(uuid.NewV7()).String()
	var first int64
	defer func() { t.Logf("a session takes %d bytes", first) }()
	for _, generation := range []uint32{2, 50, 1000, 4_000_000_000} {
		err := store.UpdateState(t.Context(), id, time.Hour, func(_ session.State, now clock.Clocks) (session.State, bool) {
			at := now.Redis.Truncate(time.Millisecond)
			return session.State{Cur: generation, Prev: generation - 1, RotatedAt: at, Stamps: clock.Clocks{Redis: at, Database: at}}, true
		})
		if err != nil {
			t.Fatal(err)
		}
		size, err := c.MemoryUsage(t.Context(), "s:"+id).Result()
		if err != nil {
			t.Fatal(err)
		}
		if first == 0 {
			first = size
		}
		if size != first || size > 250 {
			t.Errorf("generation %d takes %d bytes, want %d and at most 250", generation, size, first)
		}
	}
}
