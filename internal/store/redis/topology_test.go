package redis_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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
	work(t, openSoon(t, "redis+sentinel://"+startSentinel(t, server.Addr())+"/main?db=1"))
}

// openSoon opens a store on servers that are still getting ready.
func openSoon(t *testing.T, url string) *redis.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		store, err := redis.Open(ctx, redis.Config{URL: url})
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
	if got := store.EvictionPolicy(t.Context()); got != "noeviction" {
		t.Errorf("policy = %q, want noeviction", got)
	}
}

// startSentinel starts a Sentinel that watches one primary as `main`.
func startSentinel(t *testing.T, primary string) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = listener.Addr().String()
	_ = listener.Close() // only its port is wanted
	_, port, _ := net.SplitHostPort(addr)
	host, primaryPort, _ := net.SplitHostPort(primary)
	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %s\ndir %s\nsentinel monitor main %s %s 1\n", port, dir, host, primaryPort)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("find redis-server: %v; install it (apt-get install redis-server)", err)
	}
	cmd := exec.Command(path, file, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed: its status says nothing
	})
	return addr
}
