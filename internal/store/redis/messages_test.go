package redis_test

import (
	"bytes"
	"fmt"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// published reads on from a position, and wants these messages.
func published(t *testing.T, store *redis.Store, after string, want ...string) (last string) {
	t.Helper()
	messages, last, err := store.Published(t.Context(), after)
	var got []string
	for _, message := range messages {
		got = append(got, string(message))
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after %q: %q, %v; want %q", after, got, err, want)
	}
	return last
}

func publish(t *testing.T, store *redis.Store, messages ...string) {
	t.Helper()
	for _, message := range messages {
		if err := store.Publish(t.Context(), []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryMessageIsReadOnceByEveryReaderInOrder(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	one, other := open(t, server.URL()), open(t, server.URL())
	at := published(t, one, "")
	publish(t, one, "a", "\x00\xff")
	at = published(t, one, at, "a", "\x00\xff")
	publish(t, other, "c")
	at = published(t, one, at, "c")
	if again := published(t, one, at); again != at {
		t.Errorf("the position %s became %s without a message", at, again)
	}
	published(t, other, "", "a", "\x00\xff", "c") // a reader that has just started
}

func TestAReaderThatWaitsGetsTheNextMessage(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	store, raw := open(t, server.URL()), rawClient(t, server.URL())
	publish(t, store, "a")
	at := published(t, store, "", "a")
	sent := make(chan error, 1)
	go func() {
		for { // until the reader waits
			blocked, err := raw.Info(t.Context(), "clients").Result()
			if err != nil || bytes.Contains([]byte(blocked), []byte("blocked_clients:1")) {
				sent <- store.Publish(t.Context(), []byte("b"))
				return
			}
		}
	}()
	for got := ""; got != "b"; {
		messages, last, err := store.Published(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		if len(messages) > 0 {
			got, at = string(messages[0]), last
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestMessagesAreReadAfterAFlushAndAFailover to a Redis whose clock is behind: there they
// have positions before those that were read.
func TestMessagesAreReadAfterAFlushAndAFailover(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	store, raw := open(t, server.URL()), rawClient(t, server.URL())
	publish(t, store, "a")
	at := published(t, store, "", "a")
	if err := raw.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := raw.XAdd(t.Context(), &goredis.XAddArgs{Stream: "mintmark:revocations", ID: "5-1", Values: []any{"m", "b"}}).Err(); err != nil {
		t.Fatal(err)
	}
	at = published(t, store, at) // notices that the stream is another
	published(t, store, at, "b")
}

func TestTheStreamOfMessagesIsBounded(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	store, raw := open(t, server.URL()), rawClient(t, server.URL())
	pipe := raw.Pipeline()
	for range 60_000 {
		pipe.XAdd(t.Context(), &goredis.XAddArgs{Stream: "mintmark:revocations", Values: []any{"m", "x"}})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, store, "a", "b", "c") // each trims some
	if n, err := raw.XLen(t.Context(), "mintmark:revocations").Result(); err != nil || n < 50_000 || n > 50_500 {
		t.Errorf("%d messages are kept, %v; want about 50,000", n, err)
	}
	if messages, _, err := store.Published(t.Context(), ""); err != nil || len(messages) != 1000 {
		t.Errorf("read %d at once, %v; want 1000", len(messages), err)
	}
}

func TestEntriesOfStrangersInTheStreamArePassedOver(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	store, raw := open(t, server.URL()), rawClient(t, server.URL())
	if err := raw.XAdd(t.Context(), &goredis.XAddArgs{Stream: "mintmark:revocations", Values: []any{"other", "x"}}).Err(); err != nil {
		t.Fatal(err)
	}
	publish(t, store, "a")
	published(t, store, "", "a")
}
