package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// fleet is the replicas that answer at the moment, as a balancer knows them.
type fleet struct {
	mu       sync.Mutex
	replicas []*process // guarded by mu
}

// replace puts one replica in the place of another, or adds it to none.
func (f *fleet) replace(old, next *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, r := range f.replicas {
		if r == old {
			f.replicas[i] = next
			return
		}
	}
	f.replicas = append(f.replicas, next)
}

func (f *fleet) pick(n int) *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.replicas[n%len(f.replicas)]
}

// refresher is a client that refreshes its session over and over.
type refresher struct {
	pair    pair
	granted atomic.Int64
	ended   atomic.Pointer[string] // why it gave up: it was logged out
}

// run refreshes until the test is over. What did not come through is tried again with the
// same pair at the next replica, as a client does.
func (r *refresher) run(t *testing.T, f *fleet, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		body := fmt.Sprintf(`{"accessToken":%q,"refreshToken":%q}`, r.pair.Access, r.pair.Refresh)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.pick(n).URL+"/api/authentication/refresh-token", strings.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		var e envelope
		err = json.NewDecoder(resp.Body).Decode(&e)
		_ = resp.Body.Close()
		switch {
		case err == nil && resp.StatusCode == http.StatusOK:
			r.pair = pair{e.Data.AccessToken, e.Data.RefreshToken}
			r.granted.Add(1)
		case err == nil && resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusTooManyRequests:
			why := fmt.Sprintf("%d %s", resp.StatusCode, e.Message)
			r.ended.Store(&why)
			return
		}
	}
}

// TestAnUpgradeUnderLoadLogsNobodyOut: the schema is migrated and one replica after the
// other is replaced by today's, while clients refresh at whichever answers.
func TestAnUpgradeUnderLoadLogsNobodyOut(t *testing.T) {
	t.Parallel()
	g := onPostgres(t)
	program := binaryBefore(t, schemaStatus(t, g.schema).Latest)
	command(t, g, program, 0, "migrate", "up")
	old := []*process{spawnProgram(t, program, g.settings...), spawnProgram(t, program, g.settings...)}
	f := &fleet{replicas: []*process{old[0], old[1]}}
	old[0].register(t, testUser)
	clients := make([]*refresher, 6)
	stop, done := make(chan struct{}), sync.WaitGroup{}
	for i := range clients {
		clients[i] = &refresher{pair: old[i%2].login(t, testUser)}
	}
	for _, c := range clients {
		done.Go(func() { c.run(t, f, stop) })
	}
	allRefresh := func(when string) {
		t.Helper()
		seen := make([]int64, len(clients))
		for i, c := range clients {
			seen[i] = c.granted.Load()
		}
		eventually(t, func() bool {
			for i, c := range clients {
				if why := c.ended.Load(); why != nil {
					t.Fatalf("%s: a client is logged out: %s", when, *why)
				}
				if c.granted.Load() < seen[i]+4 { // twice at each replica
					return false
				}
			}
			return true
		})
	}
	allRefresh("before")
	moveTo(t, g.schema, schemaStatus(t, g.schema).Latest)
	allRefresh("after the migration")
	for _, one := range old {
		next := spawn(t, g.settings...)
		f.replace(nil, next)
		allRefresh("beside a replica of today")
		f.replace(one, next)
		if err := one.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := one.wait(t); err != nil {
			t.Errorf("an old replica ended: %v", err)
		}
		allRefresh("after an old replica left")
	}
	close(stop)
	done.Wait()
}
