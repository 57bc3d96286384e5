package storm_test

import (
	"context"
	"net"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// inside is where the Sentinels and the two Redis servers connect from; the
// authority connects from 127.0.0.1. So the network can be cut between them.
const inside = "127.0.0.2"

// ensemble is a primary, a replica and three Sentinels. Everybody knows the Redis
// servers by their proxies.
type ensemble struct {
	servers   [2]*testserver.Server
	links     [2]*testserver.Proxy
	sentinels [3]*testserver.Server
}

func startEnsemble(t testing.TB) *ensemble {
	t.Helper()
	e := &ensemble{}
	for i := range e.servers {
		e.servers[i] = testserver.StartRedis(t, "--repl-diskless-sync-delay", "0", "--bind-source-addr", inside)
		e.links[i] = testserver.StartProxy(t, e.servers[i].URL())
		_, port, _ := net.SplitHostPort(e.links[i].Addr())
		e.tell(t, i, "CONFIG", "SET", "replica-announce-ip", "127.0.0.1", "replica-announce-port", port)
	}
	_, port, _ := net.SplitHostPort(e.links[0].Addr())
	e.tell(t, 1, "REPLICAOF", "127.0.0.1", port)
	eventually(t, "the replica is in line", func() bool { return strings.Contains(e.ask(t, 0, "replication"), "state=online") })
	for i := range e.sentinels {
		e.sentinels[i] = testserver.StartSentinel(t,
			"sentinel monitor main 127.0.0.1 "+port+" 2",
			"sentinel down-after-milliseconds main 1000",
			"sentinel failover-timeout main 3000",
			"sentinel announce-ip 127.0.0.1",
			"bind-source-addr "+inside)
	}
	for i := range e.sentinels {
		eventually(t, "the Sentinels know each other", func() bool {
			known := e.watched(t, i)
			return known["num-slaves"] == "1" && known["num-other-sentinels"] == "2"
		})
	}
	return e
}

// url names the ensemble for the authority.
func (e *ensemble) url() string {
	var addrs []string
	for _, s := range e.sentinels {
		addrs = append(addrs, s.Addr())
	}
	return "redis+sentinel://" + strings.Join(addrs, ",") + "/main"
}

func (e *ensemble) tell(t testing.TB, i int, words ...any) {
	t.Helper()
	c := redisClient(t, e.servers[i].URL())
	defer c.Close()
	if err := c.Do(context.Background(), words...).Err(); err != nil {
		t.Fatalf("%v: %v", words, err)
	}
}

func (e *ensemble) ask(t testing.TB, i int, section string) string {
	t.Helper()
	c := redisClient(t, e.servers[i].URL())
	defer c.Close()
	said, err := c.Info(context.Background(), section).Result()
	if err != nil {
		t.Fatalf("info %s: %v", section, err)
	}
	return said
}

// watched is what a Sentinel knows of the primary.
func (e *ensemble) watched(t testing.TB, i int) map[string]string {
	t.Helper()
	c := goredis.NewSentinelClient(&goredis.Options{Addr: e.sentinels[i].Addr()})
	defer c.Close()
	known, err := c.Master(context.Background(), "main").Result()
	if err != nil {
		t.Fatalf("ask Sentinel: %v", err)
	}
	return known
}

// isPrimary reports whether a server says, and most Sentinels agree, that it is the primary.
func (e *ensemble) isPrimary(t testing.TB, i int) bool {
	t.Helper()
	if !strings.Contains(e.ask(t, i, "replication"), "role:master") {
		return false
	}
	_, port, _ := net.SplitHostPort(e.links[i].Addr())
	agree := 0
	for s := range e.sentinels {
		if e.watched(t, s)["port"] == port {
			agree++
		}
	}
	return agree == len(e.sentinels)
}

// states is every rotation state that a server holds.
func (e *ensemble) states(t testing.TB, i int) map[string]string {
	t.Helper()
	c := redisClient(t, e.servers[i].URL())
	defer c.Close()
	found := make(map[string]string)
	keys, err := c.Keys(context.Background(), "s:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		found[key], _ = c.Get(context.Background(), key).Result() // gone by now: as good as none
	}
	return found
}

// tearApart cuts a primary off from the Sentinels and its replica, but not from the
// authority, until the replica has taken its place. It tells how many sessions had
// been refreshed on the wrong side.
func (e *ensemble) tearApart(t testing.TB, h *history, primary int) (lost int) {
	t.Helper()
	began := h.now()
	h.split()
	e.links[primary].CutFrom(inside)
	e.awaitPromotion(t, 1-primary)
	taken := e.states(t, 1-primary)
	for key, state := range e.states(t, primary) {
		if taken[key] != state {
			lost++
		}
	}
	h.awaitGrants(t, 50)
	e.mend(t, primary)
	h.lose(began)
	return lost
}

// silence lets nothing through to a primary and nothing out, with everybody still
// connected, until the replica has taken its place.
func (e *ensemble) silence(t testing.TB, h *history, primary int) {
	t.Helper()
	began := h.now()
	h.split() // what is on its way reaches the old primary at last
	e.links[primary].Stall()
	e.awaitPromotion(t, 1-primary)
	h.awaitGrants(t, 50)
	e.mend(t, primary)
	h.lose(began)
}

func (e *ensemble) awaitPromotion(t testing.TB, i int) {
	t.Helper()
	eventually(t, "the replica is promoted", func() bool { return e.isPrimary(t, i) })
}

// mend ends the cut and waits until the old primary follows the new one.
func (e *ensemble) mend(t testing.TB, old int) {
	t.Helper()
	e.links[old].Heal()
	eventually(t, "the old primary follows the new one", func() bool {
		said := e.ask(t, old, "replication")
		return strings.Contains(said, "role:slave") && strings.Contains(said, "master_link_status:up")
	})
}

// TestAPromotionLogsNobodyOutAndRevivesNothing: first the old primary is cut off
// with its clients still attached, so that what it is told is lost; then the new
// one falls silent, and everybody has to find the other.
func TestAPromotionLogsNobodyOutAndRevivesNothing(t *testing.T) {
	t.Parallel()
	lasting, seed := long(t), seedOf(t)
	t.Logf("MINTMARK_TEST_STORM_SEED=%d", seed)
	e := startEnsemble(t)
	s := newStage(t, e.url())
	s.addReplica(t)
	s.addReplica(t)
	newCaller(t).register(t, "http://"+s.replicas[0].web.Addr())

	h := newHistory(s.mint)
	n := newNemesis(s, h, seed)
	p := startPlayers(t, s, h, seed)
	lost := 0
	for {
		h.awaitGrants(t, 100)
		n.note("promotion, the old primary torn off", func() { lost += e.tearApart(t, h, 0) })
		h.awaitGrants(t, 100)
		n.note("promotion, the old primary silent", func() { e.silence(t, h, 1) })
		if h.now() >= lasting {
			break
		}
	}
	h.awaitGrants(t, 100)
	p.stop()
	n.killAll(t)
	p.takeStock(t)

	n.judge(t)
	t.Logf("refreshes that an old primary took with it: %d", lost)
	if lost == 0 {
		t.Error("no promotion lost a refresh: this run proved nothing")
	}
}
