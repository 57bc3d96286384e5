package app

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

func TestReadyFromTheFirstSnapshotUntilTheKeysAreStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		if err := h.isReady(); !errors.Is(err, errNotReady) {
			t.Errorf("before it serves: %v", err)
		}
		stop := h.run(t)
		if err := h.isReady(); err != nil {
			t.Errorf("once requests are welcome: %v", err)
		}
		wantReady := func(when string, status int, public, operations string) {
			t.Helper()
			if got, body := h.public.get(t, "/readyz"); got != status || body != public {
				t.Errorf("%s, in public: %d %q, want %d %q", when, got, body, status, public)
			}
			if got, body := h.operations.get(t, "/readyz"); got != status || body != operations {
				t.Errorf("%s, to operators: %d %q, want %d %q", when, got, body, status, operations)
			}
		}
		time.Sleep(2 * keyring.MaxAge)
		wantReady("after a while", 200, "ready\n", "ready\n")
		if err := h.store.Close(); err != nil { // the database is lost
			t.Fatal(err)
		}
		time.Sleep(keyring.MaxAge - keyring.PollEvery)
		wantReady("while the last snapshot is good", 200, "ready\n", "ready\n")
		time.Sleep(keyring.PollEvery + time.Second)
		wantReady("with stale keys", 503, "not ready\n", "not ready: "+keyring.ErrStale.Error()+"\n")
		if status, _ := h.public.get(t, "/.well-known/jwks.json"); status != 200 {
			t.Errorf("JWKS with stale keys: %d", status)
		}
		_ = stop() // which can't write into a database that is lost
	})
}

// TestReadyIsRedFromTheFirstMomentOfAShutdown: a balancer that still reaches it must send
// requests elsewhere.
func TestReadyIsRedFromTheFirstMomentOfAShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		var closings atomic.Int64 // both servers shut down at once
		for _, p := range []*pipes{h.public, h.operations} {
			p.onClose = func() {
				closings.Add(1)
				if err := h.isReady(); !errors.Is(err, errNotReady) {
					t.Errorf("while a listener closes: %v, want %v", err, errNotReady)
				}
			}
		}
		stop := h.run(t)
		if err := stop(); err != nil || closings.Load() == 0 {
			t.Errorf("%v, with %d listeners closed", err, closings.Load())
		}
	})
}
