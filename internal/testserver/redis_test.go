package testserver_test

import (
	"net"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func TestRedisGivesEachTestADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	first, second := dial(t, testserver.Redis(t)), dial(t, testserver.Redis(t))
	if err := first.Set(t.Context(), "coin", "7", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := second.Exists(t.Context(), "coin").Val(); got != 0 {
		t.Error("the second database holds what was written to the first")
	}
}

func TestRedisEmptiesTheDatabaseAfterTheTest(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("inner", func(t *testing.T) {
		url = testserver.Redis(t)
		if err := dial(t, url).Set(t.Context(), "coin", "7", 0).Err(); err != nil {
			t.Fatal(err)
		}
	})
	if got := dial(t, url).Exists(t.Context(), "coin").Val(); got != 0 {
		t.Error("what the test wrote is still there after it")
	}
}

func TestRedisLeavesDatabasesThatHoldDataAlone(t *testing.T) {
	own := testserver.StartRedis(t, "--databases", "3")
	t.Setenv("MINTMARK_TEST_REDIS_URL", own.URL())
	somebodys := own.URL()[:len(own.URL())-1] + "1"
	if err := dial(t, somebodys).Set(t.Context(), "coin", "7", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got, want := testserver.BorrowRedis(t), 2; got != want {
		t.Errorf("got database %d, want %d: number 1 holds data", got, want)
	}
	if got := dial(t, somebodys).Get(t.Context(), "coin").Val(); got != "7" {
		t.Errorf("the data in database 1 is %q now, want 7", got)
	}
}

func TestRedisComesBackOnTheSamePort(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	client := dial(t, server.URL())
	if err := client.Set(t.Context(), "coin", "7", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(){"Stop": server.Stop, "Kill": server.Kill} {
		end()
		if err := client.Ping(t.Context()).Err(); err == nil {
			t.Fatalf("still answers after %s", name)
		}
		server.Start()
		if got := dial(t, server.URL()).Get(t.Context(), "coin").Val(); got != "7" {
			t.Errorf("after %s and Start it holds %q, want 7", name, got)
		}
	}
}

func dial(tb testing.TB, url string) *redis.Client {
	tb.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	client := redis.NewClient(options)
	tb.Cleanup(func() { client.Close() })
	return client
}

func TestSentinelWatchesWhatItsLinesSay(t *testing.T) {
	t.Parallel()
	primary := testserver.StartRedis(t)
	_, port, err := net.SplitHostPort(primary.Addr())
	if err != nil {
		t.Fatal(err)
	}
	sentinel := testserver.StartSentinel(t, "sentinel monitor main 127.0.0.1 "+port+" 1")
	client := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr()})
	t.Cleanup(func() { client.Close() })
	got, err := client.GetMasterAddrByName(t.Context(), "main").Result()
	if err != nil || len(got) != 2 || got[1] != port {
		t.Errorf("the primary is at %v, %v; want port %s", got, err, port)
	}
}
