package redis_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// bound ends a wait for what comes in a second or so, on however busy a machine;
// how long it took is logged.
const bound = 30 * time.Second

func TestTheStoreComesBackWithRedis(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	store := open(t, server.URL())
	id := uuid.NewString()
	set(t, store, id, session.State{Cur: 2, Prev: 1})

	server.Stop()
	var longest time.Duration
	for range 40 { // enough failures in a row to open the pool's circuit breaker
		begin := time.Now()
		if err := read(t.Context(), store, id); err == nil {
			t.Fatal("a stopped Redis answered")
		}
		longest = max(longest, time.Since(begin))
	}
	if longest > bound {
		t.Errorf("a call to a stopped Redis took %s", longest)
	}
	server.Start()
	begin := time.Now()
	for read(t.Context(), store, id) != nil {
		if time.Since(begin) > bound {
			t.Fatalf("not back %s after Redis", bound)
		}
	}
	t.Logf("back %s after Redis; a call to the stopped one took at most %s", time.Since(begin), longest)
}

func TestASilentRedisIsGivenUp(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	begin := time.Now()
	_, err = redis.Open(context.Background(), redis.Config{URL: "redis://:hunter2@" + listener.Addr().String(), LimitKey: limitKey})
	if err == nil {
		t.Fatal("opened a Redis that says nothing")
	}
	took := time.Since(begin)
	t.Logf("gave up after %s", took)
	if took > bound {
		t.Errorf("gave up after %s, want about 2 s", took)
	}
	if !strings.Contains(err.Error(), listener.Addr().String()) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %q: want the address and no password", err)
	}
}

func TestAWrongPasswordIsSaidWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t, "--requirepass", "right")
	_, err := redis.Open(t.Context(), redis.Config{URL: "redis://:hunter2@" + server.Addr(), LimitKey: limitKey})
	if err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error = %v, want WRONGPASS and no password", err)
	}
	if _, err := redis.Open(t.Context(), redis.Config{URL: "redis://:right@" + server.Addr(), LimitKey: limitKey}); err != nil {
		t.Errorf("the right password: %v", err)
	}
}

func TestAFailingInstrumentClosesTheClient(t *testing.T) {
	t.Parallel()
	broken := errors.New("no exporter")
	_, err := redis.Open(t.Context(), redis.Config{URL: "redis://127.0.0.1:1", LimitKey: limitKey, Instrument: func(goredis.UniversalClient) error { return broken }})
	if !errors.Is(err, broken) {
		t.Errorf("error = %v, want %v", err, broken)
	}
}

// A client library repeats a call whose answer was lost: the second sees its own
// value, and must not take it for somebody else's.
func TestASwapSentTwiceIsWonOnce(t *testing.T) {
	t.Parallel()
	store, err := redis.Open(t.Context(), redis.Config{URL: testserver.Redis(t), LimitKey: limitKey, Instrument: func(c goredis.UniversalClient) error {
		c.AddHook(twiceHook{})
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	id := uuid.NewString()
	decided := 0
	err = store.UpdateState(t.Context(), id, time.Hour, func(stored session.State, now clock.Clocks) (session.State, bool) {
		decided++
		return session.State{Cur: stored.Cur + 1, RotatedAt: now.Redis, Stamps: clock.Clocks{Redis: now.Redis, Database: now.Redis}}, true
	})
	if err != nil || decided != 1 {
		t.Errorf("decided %d times, %v; want once", decided, err)
	}
}

// twiceHook sends every command twice and takes the second answer.
type twiceHook struct{}

func (twiceHook) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		_ = next(ctx, cmd) // its answer is the one that is lost
		cmd.SetErr(nil)
		return next(ctx, cmd)
	}
}

func (twiceHook) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (twiceHook) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func TestAnUpdateThatAlwaysLosesGivesUp(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	id := uuid.NewString()
	tries := 0
	err := store.UpdateState(t.Context(), id, time.Hour, func(stored session.State, _ clock.Clocks) (session.State, bool) {
		tries++
		if err := raw.Set(t.Context(), "s:"+id, tries, 0).Err(); err != nil {
			t.Error(err)
		}
		return session.State{Cur: 2}, true
	})
	t.Logf("gave up after %d tries", tries)
	if !errors.Is(err, session.ErrContended) && !errors.Is(err, context.DeadlineExceeded) { // on a busy machine its time runs out first
		t.Errorf("error = %v after %d tries, want %v", err, tries, session.ErrContended)
	}
	if tries < 100 && errors.Is(err, session.ErrContended) {
		t.Errorf("gave up after %d tries, which a crowd of 100 makes one lose", tries)
	}
}

// Calls that run out of time leave answers behind on their connections; nobody
// may ever read one of those as the own.
func TestACutCallNeverGivesAwayAnothersAnswer(t *testing.T) {
	t.Parallel()
	store := open(t, testserver.Redis(t))
	var wg sync.WaitGroup
	for own := range uint32(16) {
		id := uuid.NewString()
		set(t, store, id, session.State{Cur: own + 100, Prev: own})
		wg.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*50*time.Microsecond)
				_ = store.UpdateState(ctx, id, time.Hour, func(stored session.State, _ clock.Clocks) (session.State, bool) {
					if stored.Cur != own+100 {
						t.Errorf("session %d read the state of %d", own+100, stored.Cur)
					}
					return stored, true
				})
				cancel()
			}
		})
	}
	wg.Wait()
}

// read reads the state of a session and drops it.
func read(ctx context.Context, store *redis.Store, id string) error {
	return store.UpdateState(ctx, id, time.Hour, func(stored session.State, _ clock.Clocks) (session.State, bool) { return stored, false })
}
