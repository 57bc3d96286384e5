package redis_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// slack is what a busy machine may take between a write and a look at what it left.
const slack = 10 * time.Minute

// TestAStateLivesIdleAndAnHourAfterEachWrite walks a session through its verdicts, for
// clients with idle lifetimes of their own. Each write begins the time anew; a look
// doesn't touch it.
func TestAStateLivesIdleAndAnHourAfterEachWrite(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	for _, idle := range []time.Duration{time.Hour, 30 * 24 * time.Hour, 90*24*time.Hour + 1500*time.Microsecond} {
		policy := session.Policy{Idle: idle, Grace: time.Hour, Skip: true}
		keep := idle + time.Hour
		id := uuid.NewString()
		seen := map[session.Verdict]bool{}
		for _, generation := range []uint32{1, 1, 2, 3, 4, 6, 6, 1} {
			_ = raw.PExpire(t.Context(), "s:"+id, slack).Err() // at first there is none
			var decision session.Decision
			var wrote bool
			err := store.UpdateState(t.Context(), id, keep, func(stored session.State, now clock.Clocks) (session.State, bool) {
				row := session.Row{AbsoluteExpiry: now.Median().Add(10 * keep), Checkpoint: 1}
				decision = session.Decide(row, stored, session.Presented{Generation: generation, IssuedAt: now.Median()}, now, policy)
				wrote = decision.State != stored
				return decision.State, wrote
			})
			if err != nil {
				t.Fatal(err)
			}
			seen[decision.Verdict] = true
			left, err := raw.PTTL(t.Context(), "s:"+id).Result()
			if err != nil {
				t.Fatal(err)
			}
			if wrote && (left > keep+time.Millisecond || left < keep-slack) {
				t.Errorf("idle %s: after generation %d was %v, the state lives %s, want %s", idle, generation, decision.Verdict, left, keep)
			}
			if !wrote && left > slack {
				t.Errorf("idle %s: after a look, when generation %d was %v, the state lives %s, want what it had", idle, generation, decision.Verdict, left)
			}
		}
		if diff := cmp.Diff(map[session.Verdict]bool{session.Rotated: true, session.Repeated: true, session.Healed: true, session.Replayed: true}, seen); diff != "" {
			t.Errorf("idle %s: verdicts (-want +got):\n%s", idle, diff)
		}
	}
}

// spy notes commands and what was answered.
type spy struct{ commands []goredis.Cmder }

func (s *spy) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (s *spy) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		s.commands = append(s.commands, cmd)
		return next(ctx, cmd)
	}
}

func (s *spy) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func openHooked(tb testing.TB, url string, hook goredis.Hook) *redis.Store {
	tb.Helper()
	store, err := redis.Open(tb.Context(), redis.Config{URL: url, LimitKey: limitKey, Instrument: func(c goredis.UniversalClient) error {
		c.AddHook(hook)
		return nil
	}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	return store
}

// last is the last command, a swap: what it wrote, and for how many milliseconds.
func (s *spy) last(tb testing.TB) (value, keep string) {
	tb.Helper()
	args := s.commands[len(s.commands)-1].Args()
	if len(args) != 7 {
		tb.Fatalf("the last command is %v, want a swap", args)
	}
	return fmt.Sprint(args[5]), fmt.Sprint(args[6])
}

func TestALifetimeIsNeverRoundedDown(t *testing.T) {
	t.Parallel()
	watch := &spy{}
	store := openHooked(t, testserver.Redis(t), watch)
	for keep, want := range map[time.Duration]string{
		-time.Hour: "1", 0: "1", 1: "1", time.Millisecond: "1", time.Millisecond + 1: "2", 2 * time.Millisecond: "2", time.Hour: "3600000",
	} {
		err := store.UpdateState(t.Context(), uuid.NewString(), keep, func(session.State, clock.Clocks) (session.State, bool) {
			return session.State{Cur: 2, Prev: 1}, true
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, got := watch.last(t); got != want {
			t.Errorf("keep %s is %s ms, want %s", keep, got, want)
		}
	}
}

func TestAnArrivalTimeIsNeverRoundedDown(t *testing.T) {
	t.Parallel()
	watch := &spy{}
	url := testserver.Redis(t)
	store, raw := openHooked(t, url, watch), rawClient(t, url)
	for interval, want := range map[time.Duration]int64{ // in microseconds
		time.Second: 1_000_000, time.Second + 1: 1_000_001, time.Second + 999: 1_000_001, time.Second + time.Microsecond: 1_000_001,
	} {
		watch.commands = nil
		if d, err := store.Take(t.Context(), interval.String(), ratelimit.Rate{Limit: 1, Per: interval}); err != nil || !d.Allowed {
			t.Fatalf("take: %+v, %v", d, err)
		}
		looked := watch.commands[0].(*goredis.Cmd).Val()
		if looked == nil { // the server didn't know the script
			looked = watch.commands[1].(*goredis.Cmd).Val()
		}
		answer := looked.([]any)
		seconds, errSeconds := strconv.ParseInt(fmt.Sprint(answer[2]), 10, 64)
		micros, errMicros := strconv.ParseInt(fmt.Sprint(answer[3]), 10, 64)
		value, keep := watch.last(t)
		payload, _, _ := strings.Cut(value, "#")
		arrival, err := strconv.ParseInt(payload, 10, 64)
		if err != nil || errSeconds != nil || errMicros != nil {
			t.Fatalf("looked at %v, wrote %q", answer, value)
		}
		if got := arrival - seconds*1_000_000 - micros; got != want {
			t.Errorf("one per %s: the arrival time is %d µs away, want %d", interval, got, want)
		}
		if wantKeep := strconv.FormatInt((want+999)/1000, 10); keep != wantKeep {
			t.Errorf("one per %s: kept %s ms, want %s", interval, keep, wantKeep)
		}
	}
	keys, err := raw.Keys(t.Context(), "rl:*").Result()
	if err != nil || len(keys) != 4 {
		t.Fatalf("keys %q, %v", keys, err)
	}
}

func TestACounterOfStrangersReadsAsMissing(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	rate := ratelimit.Rate{Limit: 1, Per: time.Hour}
	take := func(want bool) {
		t.Helper()
		if d, err := store.Take(t.Context(), "key", rate); err != nil || d.Allowed != want {
			t.Errorf("take: %+v, %v; allowed should be %t", d, err, want)
		}
	}
	take(true)
	take(false)
	keys, err := raw.Keys(t.Context(), "rl:*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %q, %v", keys, err)
	}
	if err := raw.Set(t.Context(), keys[0], "garbage", 0).Err(); err != nil {
		t.Fatal(err)
	}
	take(true)
	take(false)
}

// swapCutter cuts the network when a swap is about to be sent.
type swapCutter struct {
	spy
	proxy *testserver.Proxy
}

func (c *swapCutter) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if len(cmd.Args()) == 7 {
			c.proxy.Cut()
		}
		return next(ctx, cmd)
	}
}

// TestAWriteThatIsCutIsNeverSuccess is what the durable stores promise of commits.
func TestAWriteThatIsCutIsNeverSuccess(t *testing.T) {
	t.Parallel()
	url := testserver.StartRedis(t).URL()
	proxy := testserver.StartProxy(t, url)
	cut := openHooked(t, proxy.URL(), &swapCutter{proxy: proxy})
	whole := rawClient(t, url)
	writes := map[string]func(context.Context) error{
		"UpdateState": func(ctx context.Context) error {
			return cut.UpdateState(ctx, uuid.NewString(), time.Hour, func(session.State, clock.Clocks) (session.State, bool) {
				return session.State{Cur: 2, Prev: 1}, true
			})
		},
		"Take": func(ctx context.Context) error {
			d, err := cut.Take(ctx, "key", ratelimit.Rate{Limit: 1, Per: time.Hour})
			if d.Allowed {
				t.Error("a try was allowed that could not be counted")
			}
			return err
		},
		"Publish": func(ctx context.Context) error {
			proxy.Cut()
			return cut.Publish(ctx, []byte("message"))
		},
		"UpdateRecord": func(ctx context.Context) error {
			return cut.UpdateRecord(ctx, "g:record", func([]byte, time.Time) ([]byte, time.Duration) { return []byte("sealed"), time.Hour })
		},
	}
	for method := range reflect.TypeOf(cut).Methods() {
		if writes[method.Name] == nil && !slices.Contains([]string{"Close", "Describe", "Now", "Ping", "Published", "TakeTime"}, method.Name) {
			t.Errorf("nobody cuts a write of %s: add one, or say that it doesn't write", method.Name)
		}
	}
	for name, write := range writes {
		proxy.Heal()
		for began := time.Now(); cut.Ping(t.Context()) != nil; { // until its connections are new
			if time.Since(began) > bound {
				t.Fatal("the network is whole again, and Redis doesn't answer")
			}
		}
		if err := write(t.Context()); err == nil {
			t.Errorf("%s told success, and what it wrote never reached Redis", name)
		}
	}
	if keys, err := whole.Keys(t.Context(), "*").Result(); err != nil || len(keys) > 0 {
		t.Errorf("keys %q, %v; want none", keys, err)
	}
}

func TestAClosedStoreAnswersNothing(t *testing.T) {
	t.Parallel()
	store, err := redis.Open(t.Context(), redis.Config{URL: testserver.Redis(t), LimitKey: limitKey})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := store.Ping(t.Context()); err == nil {
		t.Error("a closed store answers a ping")
	}
	if got := store.Describe(t.Context()).EvictionPolicy; got != "" {
		t.Errorf("policy = %q, want none", got)
	}
	if err := store.Close(); err == nil {
		t.Error("closed twice without an error")
	}
}
