package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestSilenceIsNotSlowness: the network swallows all that is said, and hang-ups, too. Every call ends by its own
// deadline while its caller would wait, the sockets are closed by us, and calls on new connections succeed though the
// old ones never say another word.
func TestSilenceIsNotSlowness(t *testing.T) {
	t.Parallel()
	proxy := testserver.StartProxy(t, migrated(t))
	store := open(t, with(t, with(t, proxy.URL(), "pool_max_conns", "4"), "connect_timeout", "2"))
	id := storetest.NewSession(t, store)
	read := func() error { _, err := store.SessionByID(t.Context(), id); return err }
	const callers = 16
	all := func(do func()) {
		var group sync.WaitGroup
		for range callers {
			group.Go(do)
		}
		group.Wait()
	}
	all(func() {
		if err := read(); err != nil {
			t.Errorf("before: %v", err)
		}
	})
	if taken, most := store.Places(); taken != most {
		t.Fatalf("%d of %d connections, want all", taken, most)
	}
	proxy.Swallow()
	all(func() {
		begin := time.Now()
		err := read()
		t.Logf("a call of the silent network ended after %s", time.Since(begin))
		if !errors.Is(err, context.DeadlineExceeded) || t.Context().Err() != nil {
			t.Errorf("a call of the silent network gave %v, want that its own time is over", err)
		}
	})
	healed := time.Now()
	proxy.Heal()
	failed := 0
	for ; read() != nil; failed++ {
		if failed == 4 { // each took two seconds; pgx's own end of a connection takes fifteen
			t.Fatal("the places of silent connections are not free again")
		}
	}
	t.Logf("back %s after the network, after %d calls that failed", time.Since(healed), failed)
}
