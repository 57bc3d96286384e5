package testserver

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Sweep opens the Postgres that the environment names as a new process would.
func Sweep() error {
	_, err := openCatalog()
	return err
}

// BorrowRedis leases a database of the Redis that the environment names.
func BorrowRedis(tb testing.TB) int {
	tb.Helper()
	options, err := redis.ParseURL(os.Getenv("MINTMARK_TEST_REDIS_URL"))
	if err != nil {
		tb.Fatal(err)
	}
	number, err := borrow(options)
	if err != nil {
		tb.Fatal(err)
	}
	return number
}
