package testserver

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/testserver/server"
)

// lease is how long a logical database is kept for a test that is killed before it gives it back:
// longer than `go test` lets a package run in `make test`.
const lease = 20 * time.Minute

// Redis gives the URL of an empty logical database that is this test's alone, and empties it after.
// FLUSHDB in it is fine; FLUSHALL would empty other tests' too: use StartRedis for that.
func Redis(tb testing.TB) (url string) {
	tb.Helper()
	given, err := redisURL()
	if err != nil {
		tb.Fatal(err)
	}
	options, err := redis.ParseURL(given)
	if err != nil {
		tb.Fatal("MINTMARK_TEST_REDIS_URL is not a Redis URL: write redis://:password@host:port")
	}
	number, err := borrow(options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := giveBack(options, number); err != nil {
			tb.Error(err)
		}
	})
	return at(given, strconv.Itoa(number))
}

// redisURL is process-wide so that all tests share the server.
var redisURL = sync.OnceValues(func() (string, error) {
	if given := os.Getenv("MINTMARK_TEST_REDIS_URL"); given != "" {
		return given, nil
	}
	dir, err := folder()
	if err != nil {
		return "", err
	}
	started, err := server.StartRedis(dir, "--databases", "1024")
	if err != nil {
		return "", err
	}
	return started.URL(), nil
})

// borrow leases an empty logical database, from 1 up. The leases are keys in database 0, so that
// processes that know nothing of each other can share a Redis. One that holds data is left alone:
// it may be somebody's.
func borrow(options *redis.Options) (int, error) {
	ctx, cancel := step()
	defer cancel()
	leases := connect(options, 0)
	defer leases.Close()
	total, err := databaseCount(ctx, leases)
	if err != nil {
		return 0, fmt.Errorf("ask the Redis for tests (MINTMARK_TEST_REDIS_URL) for its number of databases: %w", err)
	}
	for number := 1; number < total; number++ {
		won, err := leases.SetNX(ctx, leaseKey(number), os.Getpid(), lease).Result()
		if err != nil {
			return 0, fmt.Errorf("lease Redis database %d: %w", number, err)
		}
		if !won {
			continue
		}
		empty, err := isEmpty(ctx, options, number)
		if err != nil {
			return 0, err
		}
		if empty {
			return number, nil
		}
	}
	return 0, fmt.Errorf("lease a Redis database: all %d are in use or hold data; flush that Redis, or start it with `--databases 1024`", total-1)
}

func databaseCount(ctx context.Context, client *redis.Client) (int, error) {
	config, err := client.ConfigGet(ctx, "databases").Result()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(config["databases"])
}

func isEmpty(ctx context.Context, options *redis.Options, number int) (bool, error) {
	client := connect(options, number)
	defer client.Close()
	size, err := client.DBSize(ctx).Result()
	if err != nil {
		return false, fmt.Errorf("measure Redis database %d: %w", number, err)
	}
	return size == 0, nil
}

func giveBack(options *redis.Options, number int) error {
	ctx, cancel := step()
	defer cancel()
	own := connect(options, number)
	defer own.Close()
	if err := own.FlushDB(ctx).Err(); err != nil {
		return fmt.Errorf("empty Redis database %d: %w", number, err)
	}
	leases := connect(options, 0)
	defer leases.Close()
	if err := leases.Del(ctx, leaseKey(number)).Err(); err != nil {
		return fmt.Errorf("give back Redis database %d: %w", number, err)
	}
	return nil
}

func leaseKey(number int) string { return "mintmark:test:lease:" + strconv.Itoa(number) }

func connect(options *redis.Options, number int) *redis.Client {
	there := *options
	there.DB = number
	return redis.NewClient(&there)
}
