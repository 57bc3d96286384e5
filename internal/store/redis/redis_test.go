package redis_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/redis"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func TestStatesKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.States(t, openStates)
}

func TestStatesReplayHistories(t *testing.T) {
	storetest.StatesHistory(t, openStates)
}

func TestAFlushWithinAnUpdateIsHarmless(t *testing.T) {
	storetest.StatesFlush(t, func(tb testing.TB) (session.States, string, func(testing.TB)) {
		url := testserver.Redis(tb)
		raw := rawClient(tb, url)
		return open(tb, url), uuid.NewString(), func(tb testing.TB) {
			if err := raw.FlushDB(tb.Context()).Err(); err != nil {
				tb.Fatal(err)
			}
		}
	})
}

func TestRateLimitsKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.RateLimits(t, func(tb testing.TB) ratelimit.Store {
		store := open(tb, testserver.Redis(tb))
		store.TakeTime()
		return store
	})
}

func openStates(tb testing.TB) (session.States, func(testing.TB) string) {
	store := open(tb, testserver.Redis(tb))
	store.TakeTime()
	return store, func(testing.TB) string { return uuid.Must(uuid.NewV7()).String() }
}

func TestASessionTakesAtMost250Bytes(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	id := uuid.Must(uuid.NewV7()).String()
	for _, state := range []session.State{
		{Cur: 2, Prev: 1, RotatedAt: time.Now()},
		{Cur: 52, Prev: 51, RotatedAt: time.Now()},
		{Cur: 1<<32 - 1, Prev: 1<<32 - 2, RotatedAt: time.Now(), Skips: 3},
	} {
		state.Stamps = clock.Clocks{Redis: time.Now(), Database: time.Now()}
		set(t, store, id, state)
		bytes, err := raw.MemoryUsage(t.Context(), "s:"+id, 0).Result()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("generation %d: %d bytes", state.Cur, bytes)
		if bytes > 250 {
			t.Errorf("generation %d takes %d bytes, want at most 250", state.Cur, bytes)
		}
	}
}

func TestAStateIsForgottenAfterItsKeep(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	id := uuid.NewString()
	set(t, store, id, session.State{Cur: 2, Prev: 1, RotatedAt: time.Now()})
	left, err := raw.PTTL(t.Context(), "s:"+id).Result()
	if err != nil || left > time.Hour || left < time.Hour-time.Minute {
		t.Errorf("time to live = %s, %v; want an hour", left, err)
	}
}

func TestAValueOfStrangersReadsAsMissing(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	for _, value := range []string{
		"garbage", "#", " ", "1 2 3", "2 1 1795000000000 0",
		"0000000002 0000000001 1795000000000 0 0#AAAAAAAA", "0000000002 0000000001 1795000000000",
		"00000000002 0000000001 1795000000000 0", "+000000002 0000000001 1795000000000 0",
		"4294967296 0000000001 1795000000000 0", "0000000002 0000000001 1795000000000 256",
		"0000000002 0000000001 1795000000000 00", "-000000001 0000000001 1795000000000 0",
		"0000000002 0000000001 1795000000000 0\n", "0000000002  0000000001 1795000000000 0",
		"0000000002 0000000003 1795000000000 0",
	} {
		id := uuid.NewString()
		if err := raw.Set(t.Context(), "s:"+id, value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		var read []session.State
		err := store.UpdateState(t.Context(), id, time.Hour, func(stored session.State, _ clock.Clocks) (session.State, bool) {
			read = append(read, stored)
			return session.State{Cur: 2, Prev: 1, RotatedAt: time.UnixMilli(1)}, true
		})
		if err != nil || len(read) != 1 || read[0] != (session.State{}) {
			t.Errorf("%q read as %+v, %v; want the zero State once", value, read, err)
		}
	}
}

// written is a state with stamps, as binaries that know them write it; earlier ones write
// no stamps, and read nothing behind the mark.
const (
	written        = "0000000002 0000000001 1795000000123 0#ABCDEFGH 1795000040456 1794999999789"
	writtenEarlier = "0000000002 0000000001 1795000000123 0#ABCDEFGH"
)

func writtenState() session.State {
	return session.State{
		Cur: 2, Prev: 1, RotatedAt: time.UnixMilli(1795000000123).UTC(),
		Stamps: clock.Clocks{Redis: time.UnixMilli(1795000040456).UTC(), Database: time.UnixMilli(1794999999789).UTC()},
	}
}

// TestAStateOfAnEarlierBinaryHasNoStamps, nor has one whose stamps are not as we write them: a
// state it is all the same.
func TestAStateOfAnEarlierBinaryHasNoStamps(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	read := func(value string) (got session.State) {
		t.Helper()
		id := uuid.NewString()
		if err := raw.Set(t.Context(), "s:"+id, value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		err := store.UpdateState(t.Context(), id, time.Hour, func(stored session.State, _ clock.Clocks) (session.State, bool) {
			got = stored
			return stored, false
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := writtenState()
	if got := read(written); got != want {
		t.Errorf("%q read as %+v, want %+v", written, got, want)
	}
	want.Stamps = clock.Clocks{}
	for _, behind := range []string{
		"", " ", "  ", " 1795000040456", " 1795000040456 ", " 1795000040456 1794999999789 ", " 1795000040456 1794999999789 0",
		"1795000040456 1794999999789", " 01795000040456 1794999999789", " 1795000040456 -1794999999789", " 1795000040456 99999999999999999999",
		" garbage garbage", " 1795000040456  1794999999789", " 795000040456 1794999999789", " 1795000040456 1794999999789\n",
	} {
		if got := read(writtenEarlier + behind); got != want {
			t.Errorf("%q read as %+v, want %+v", writtenEarlier+behind, got, want)
		}
	}
	for _, short := range []string{"#", "#A", "#ABCDEFG", ""} {
		if value := "0000000002 0000000001 1795000000123 0" + short; read(value) != want {
			t.Errorf("%q read as %+v, want %+v", value, read(value), want)
		}
	}
}

// TestTheStampsStandWhereEarlierBinariesDontLook: those read what is before the last mark.
func TestTheStampsStandWhereEarlierBinariesDontLook(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	id := uuid.NewString()
	set(t, store, id, writtenState())
	got, err := raw.Get(t.Context(), "s:"+id).Result()
	if err != nil {
		t.Fatal(err)
	}
	mark := strings.LastIndex(got, "#")
	if mark < 0 || got[:mark+1] != written[:mark+1] || len(got) != len(written) || got[mark+9:] != written[mark+9:] {
		t.Errorf("stored as %q, want %q but for the nonce", got, written)
	}
	unstamped := writtenState()
	unstamped.Stamps = clock.Clocks{}
	set(t, store, id, unstamped)
	if got, err = raw.Get(t.Context(), "s:"+id).Result(); err != nil || len(got) != len(writtenEarlier) || got[:mark+1] != writtenEarlier[:mark+1] {
		t.Errorf("without stamps stored as %q, %v; want %q but for the nonce", got, err, writtenEarlier)
	}
}

func TestARateKeyHoldsNothingOfTheUser(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	if _, err := store.Take(t.Context(), "login:alice@example.com", ratelimit.Rate{Limit: 2, Per: time.Minute}); err != nil {
		t.Fatal(err)
	}
	keys, err := raw.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 1 || len(keys[0]) != 35 || strings.Contains(keys[0], "alice") {
		t.Errorf("keys = %q, %v; want one of rl: and 32 hex digits", keys, err)
	}
	left, err := raw.PTTL(t.Context(), keys[0]).Result()
	if err != nil || left <= 0 || left > 30*time.Second {
		t.Errorf("time to live = %s, %v; want until the arrival time passes, 30 s", left, err)
	}
}

func TestAnIDThatIsNotAUUIDIsRefused(t *testing.T) {
	t.Parallel()
	store := open(t, testserver.Redis(t))
	for _, id := range []string{"", "x", "a:b", "{}", "*", "a\r\nFLUSHALL", "\x00"} {
		err := store.UpdateState(t.Context(), id, time.Hour, func(session.State, clock.Clocks) (session.State, bool) {
			t.Errorf("decided about %q", id)
			return session.State{}, false
		})
		if err == nil {
			t.Errorf("%q was taken for a session id", id)
		}
	}
}

func TestANormalUpdateTakesTwoRoundTrips(t *testing.T) {
	t.Parallel()
	counter := &countHook{}
	store, err := redis.Open(t.Context(), redis.Config{URL: testserver.Redis(t), LimitKey: limitKey, Instrument: func(c goredis.UniversalClient) error {
		c.AddHook(counter)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	id := uuid.NewString()
	set(t, store, id, session.State{Cur: 2, Prev: 1}) // the server knows the scripts after this
	counter.calls = nil
	set(t, store, id, session.State{Cur: 3, Prev: 2})
	if got := len(counter.calls); got != 2 {
		t.Errorf("an update took %d calls (%q), want 2", got, counter.calls)
	}
	counter.calls = nil
	err = store.UpdateState(t.Context(), id, time.Hour, func(s session.State, _ clock.Clocks) (session.State, bool) { return s, false })
	if got := len(counter.calls); err != nil || got != 1 {
		t.Errorf("an update that writes nothing took %d calls (%q), %v; want 1", got, counter.calls, err)
	}
}

// countHook notes the commands of one goroutine.
type countHook struct{ calls []string }

func (h *countHook) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (h *countHook) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		h.calls = append(h.calls, cmd.Name())
		return next(ctx, cmd)
	}
}

func (h *countHook) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func TestTheEvictionPolicyIsReported(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t, "--maxmemory-policy", "allkeys-lru")
	if got := open(t, server.URL()).Describe(t.Context()).EvictionPolicy; got != "allkeys-lru" {
		t.Errorf("policy = %q, want allkeys-lru", got)
	}
}

// limitKey is that of the stores of the tests.
var limitKey = make([]byte, 32)

func open(tb testing.TB, url string) *redis.Store {
	tb.Helper()
	store, err := redis.Open(tb.Context(), redis.Config{URL: url, LimitKey: limitKey})
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	return store
}

// rawClient looks at what the store keeps.
func rawClient(tb testing.TB, url string) *goredis.Client {
	tb.Helper()
	options, err := goredis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	client := goredis.NewClient(options)
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

func set(tb testing.TB, store *redis.Store, id string, next session.State) {
	tb.Helper()
	err := store.UpdateState(tb.Context(), id, time.Hour, func(session.State, clock.Clocks) (session.State, bool) { return next, true })
	if err != nil {
		tb.Fatalf("update state: %v", err)
	}
}

func TestNowIsTheClockOfRedis(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	clock := func() time.Time {
		t.Helper()
		now, err := raw.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	before := clock()
	now, err := store.Now(t.Context())
	if after := clock(); err != nil || now.Before(before) || now.After(after) {
		t.Errorf("now = %s, %v; want from %s to %s", now, err, before, after)
	}
}
