package redis

import (
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestEveryFormOfClientIsBoundedAlike holds the limits that [Open] and the runbook
// speak of: a call ends within two seconds, dialing and tries included.
func TestEveryFormOfClientIsBoundedAlike(t *testing.T) {
	t.Parallel()
	got := tune(&goredis.UniversalOptions{Addrs: []string{"h:1"}, DB: 3})
	want := &goredis.UniversalOptions{
		Addrs: []string{"h:1"}, DB: 3,
		Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true,
		DialTimeout: time.Second, DialerRetries: 1, ReadTimeout: time.Second, WriteTimeout: time.Second, MaxRetries: 2,
		PoolSize: 16 * max(2, runtime.GOMAXPROCS(0)), PoolTimeout: 2 * time.Second, ConnMaxIdleTime: 5 * time.Minute,
		ReadBufferSize: 4096, WriteBufferSize: 4096,
	}
	if diff := cmp.Diff(got, want, cmpopts.IgnoreUnexported(goredis.UniversalOptions{})); diff != "" {
		t.Errorf("options (-got +want):\n%s", diff)
	}
}

func TestCallsAreBounded(t *testing.T) {
	t.Parallel()
	store, err := Open(t.Context(), Config{URL: testserver.Redis(t), LimitKey: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if store.roundTrip != 2*time.Second || store.updateTime != 10*time.Second {
		t.Errorf("a call may take %s, an update %s; want 2 s and 10 s", store.roundTrip, store.updateTime)
	}
}
