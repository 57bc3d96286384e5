package storm_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/internal/testserver/server"
)

const slots = 16384

// redisCluster is three masters on loopback without replicas.
type redisCluster struct {
	clients [3]*goredis.Client
	addrs   [3]string
	ids     [3]string
}

func startCluster(t testing.TB) *redisCluster {
	t.Helper()
	c := &redisCluster{}
	var buses [3]int
	for i := range c.clients {
		var err error
		if buses[i], err = server.FreePort(); err != nil { // the default is one that another process may have
			t.Fatal(err)
		}
		node := testserver.StartRedis(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(buses[i]),
			"--cluster-node-timeout", "60000") // a busy node must not look like one that is down
		c.addrs[i], c.clients[i] = node.Addr(), redisClient(t, node.URL())
		t.Cleanup(func() { c.clients[i].Close() })
		c.tell(t, i, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		c.tell(t, i, "CLUSTER", "ADDSLOTSRANGE", i*slots/3, (i+1)*slots/3-1)
		c.ids[i] = fmt.Sprint(c.tell(t, i, "CLUSTER", "MYID"))
	}
	for i := range c.clients {
		for j, addr := range c.addrs {
			host, port, _ := net.SplitHostPort(addr)
			c.tell(t, i, "CLUSTER", "MEET", host, port, buses[j])
		}
	}
	for i := range c.clients {
		eventually(t, "the cluster is whole", func() bool {
			said := fmt.Sprint(c.tell(t, i, "CLUSTER", "INFO"))
			return strings.Contains(said, "cluster_state:ok") && strings.Contains(said, "cluster_known_nodes:3")
		})
	}
	return c
}

func (c *redisCluster) tell(t testing.TB, node int, words ...any) any {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	said, err := c.clients[node].Do(ctx, words...).Result()
	if err != nil {
		t.Fatalf("%v: %v", words, err)
	}
	return said
}

func (c *redisCluster) url() string { return "redis+cluster://" + strings.Join(c.addrs[:], ",") }

// ownerOf is the master that serves a slot.
func (c *redisCluster) ownerOf(t testing.TB, slot int64) int {
	t.Helper()
	for node := range c.clients {
		said := fmt.Sprint(c.tell(t, node, "CLUSTER", "COUNTKEYSINSLOT", slot))
		if said != "0" {
			return node
		}
	}
	t.Fatalf("no master holds a key in slot %d", slot)
	return 0
}

// answered counts how often all masters gave an error of that kind.
func (c *redisCluster) answered(t testing.TB, kind string) (times int) {
	t.Helper()
	for node := range c.clients {
		for line := range strings.Lines(fmt.Sprint(c.tell(t, node, "INFO", "errorstats"))) {
			if _, count, ok := strings.Cut(line, "errorstat_"+kind+":count="); ok {
				n, _ := strconv.Atoi(strings.TrimSpace(count))
				times += n
			}
		}
	}
	return times
}

// move hands a slot over key by key, as an operator's tool does: half way the old
// master answers ASK, in the end MOVED. meanwhile is called half way.
func (c *redisCluster) move(t testing.TB, slot int64, from, to int, meanwhile func()) {
	t.Helper()
	c.tell(t, to, "CLUSTER", "SETSLOT", slot, "IMPORTING", c.ids[from])
	c.tell(t, from, "CLUSTER", "SETSLOT", slot, "MIGRATING", c.ids[to])
	host, port, _ := net.SplitHostPort(c.addrs[to])
	keys := c.tell(t, from, "CLUSTER", "GETKEYSINSLOT", slot, 1000).([]any)
	c.tell(t, from, append([]any{"MIGRATE", host, port, "", 0, 10_000, "KEYS"}, keys...)...)
	meanwhile()
	for _, node := range []int{to, from, 3 - from - to} {
		c.tell(t, node, "CLUSTER", "SETSLOT", slot, "NODE", c.ids[to])
	}
}

// slotOf is where the state of a session is kept.
func (c *redisCluster) slotOf(t testing.TB, s *stage, l *lineage) int64 {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	family := l.family.Hash()
	var id string
	if err := conn.QueryRow(t.Context(), `SELECT id FROM sessions WHERE family = $1`, family[:]).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return c.tell(t, 0, "CLUSTER", "KEYSLOT", "s:"+id).(int64)
}

// TestMovingASlotLogsNobodyOut: its session refreshes all the while.
func TestMovingASlotLogsNobodyOut(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t)
	s := newStage(t, cluster.url())
	s.addReplica(t)
	s.addReplica(t)
	c := newCaller(t)
	origin := "http://" + s.replicas[0].web.Addr()
	c.register(t, origin)

	h := newHistory(s.mint)
	p := &players{stage: s, history: h, seed: seedOf(t), done: make(chan struct{})}
	var sessions []*lineage
	for i := range 8 {
		l := h.open(persist(func() answer { return c.login(origin, patient) }).token, safe)
		if l == nil {
			t.Fatal(h.odd)
		}
		sessions = append(sessions, l)
		p.play(t, i, func(c caller, r *rand.Rand) { p.insist(c, r, l) }, 5*time.Millisecond)
	}
	h.awaitGrants(t, 200)
	for _, l := range sessions {
		l.awaitGrants(t, 1) // before that no master holds its state
		slot := cluster.slotOf(t, s, l)
		from := cluster.ownerOf(t, slot)
		cluster.move(t, slot, from, (from+1)%3, func() { l.awaitGrants(t, 5) })
		l.awaitGrants(t, 5)
	}
	p.stop()
	p.takeStock(t)

	n := newNemesis(s, h, 0)
	n.judge(t)
	asks, moves := cluster.answered(t, "ASK"), cluster.answered(t, "MOVED")
	t.Logf("%d slots moved; masters answered ASK %d times, MOVED %d times", len(sessions), asks, moves)
	if asks == 0 || moves == 0 {
		t.Error("nobody met the move: this run proved nothing")
	}
}
