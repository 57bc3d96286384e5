package e2e_test

import (
	"net/http"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// ownServers is a cluster over a Postgres and a Redis that nobody else uses, each
// behind a proxy that can cut it off.
type ownServers struct {
	*cluster
	redis                     *testserver.Server
	postgresProxy, redisProxy *testserver.Proxy
}

func newOwnServers(t testing.TB) *ownServers {
	t.Helper()
	c := newCluster(t)
	redis := testserver.StartRedis(t)
	s := &ownServers{cluster: c, redis: redis}
	s.redisProxy = testserver.StartProxy(t, redis.URL())
	s.postgresProxy = testserver.StartProxy(t, c.Postgres)
	c.Redis, c.Postgres = s.redisProxy.URL(), s.postgresProxy.URL()
	return s
}

// flush empties a Redis.
func flush(t testing.TB, url string) {
	t.Helper()
	options, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(options)
	defer c.Close()
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// race refreshes one pair from many goroutines over all replicas at once and
// returns the answers.
func race(t *testing.T, replicas []*authority, p pair, times int) ([]answer, map[string]int) {
	t.Helper()
	var mu sync.Mutex
	var answers []answer
	successors := make(map[string]int)
	var wg sync.WaitGroup
	for i := range times {
		wg.Go(func() {
			got, body := replicas[i%len(replicas)].refreshGrant(t, p.Refresh)
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, got)
			if got.Status == http.StatusOK {
				successors[body["refresh_token"].(string)]++
			}
		})
	}
	wg.Wait()
	return answers, successors
}

func TestFiftyParallelRefreshesGiveOneSuccessor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	replicas := []*authority{c.startReplica(t), c.startReplica(t)}
	replicas[0].register(t, testUser)
	p := replicas[0].login(t, testUser)
	for round := range 5 {
		answers, successors := race(t, replicas, p, 50)
		for _, a := range answers {
			if a.Status != http.StatusOK {
				t.Errorf("round %d: %d %s, want 200", round, a.Status, a.Body)
			}
		}
		if len(successors) != 1 {
			t.Fatalf("round %d: %d distinct successors, want 1", round, len(successors))
		}
		for next := range successors {
			p.Refresh = next
		}
	}
}

func TestFlushLogsNobodyOutAndRevivesNothing(t *testing.T) {
	t.Parallel()
	servers := newOwnServers(t)
	a := servers.startReplica(t)
	a.register(t, testUser)
	honest, replayed := a.login(t, testUser), a.login(t, testUser)
	honest, _ = a.refresh(t, honest)
	second, _ := a.refresh(t, replayed)
	third, _ := a.refresh(t, second)
	if _, got := a.refresh(t, replayed); got.Status != http.StatusBadRequest {
		t.Fatalf("replay: %d, want 400", got.Status)
	}

	flush(t, servers.redis.URL())

	if _, got := a.refresh(t, honest); got.Status != http.StatusOK {
		t.Errorf("honest client after a flush: %d %s, want 200", got.Status, got.Body)
	}
	for name, p := range map[string]pair{"newest": third, "used": second, "first": replayed} {
		if _, got := a.refresh(t, p); got.Status != http.StatusBadRequest {
			t.Errorf("%s token of the replayed session after a flush: %d, want 400", name, got.Status)
		}
	}
}
