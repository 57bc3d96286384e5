package redis_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func TestTheStoreWorksOnACluster(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t, "--cluster-enabled", "yes")
	node := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = node.Close() })
	if err := node.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	work(t, openSoon(t, "redis+cluster://"+server.Addr()))
}

func TestTheStoreFindsThePrimaryThroughSentinel(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	host, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	sentinel := testserver.StartSentinel(t, "sentinel monitor main "+host+" "+port+" 1")
	work(t, openSoon(t, "redis+sentinel://"+sentinel.Addr()+"/main?db=1"))
}

// openSoon opens a store on servers that are still getting ready.
func openSoon(t *testing.T, url string) *redis.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	for {
		store, err := redis.Open(ctx, redis.Config{URL: url, LimitKey: limitKey})
		if err == nil {
			err = read(ctx, store, uuid.NewString())
		}
		if err == nil {
			t.Cleanup(func() { _ = store.Close() })
			return store
		}
		if store != nil {
			_ = store.Close()
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("open %s: %v", url, err)
		}
	}
}

// work uses every verb on enough keys to meet many slots.
func work(t *testing.T, store *redis.Store) {
	t.Helper()
	for i := range 50 {
		id := uuid.NewString()
		set(t, store, id, session.State{Cur: 2, Prev: 1})
		if err := read(t.Context(), store, id); err != nil {
			t.Errorf("read: %v", err)
		}
		d, err := store.Take(t.Context(), fmt.Sprint(i), ratelimit.Rate{Limit: 1, Per: time.Minute})
		if err != nil || !d.Allowed {
			t.Errorf("take = %+v, %v", d, err)
		}
	}
	if got := store.Describe(t.Context()).EvictionPolicy; got != "noeviction" {
		t.Errorf("policy = %q, want noeviction", got)
	}
}
