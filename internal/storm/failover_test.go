package storm_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// ensemble is a primary, a replica and three Sentinels on a network that can be broken.
type ensemble struct {
	network   network
	servers   [2]*testserver.Server
	redis     [2]*goredis.Client // work whatever becomes of the network
	addrs     [2]string          // of the Redis servers, as everybody else knows them
	sentinels [3]string          // their addresses
	ordered   time.Duration      // when the last promotion that a test ordered was over
	epoch     string             // of the configuration that it left; "": of the first
}

// network is what a test breaks between the Redis servers and everybody else.
type network interface {
	// tear cuts a server off from the Sentinels and the other server, but not from the authority.
	tear(t testing.TB, server int)
	// silence lets nothing through to a server and nothing out, with everybody still connected.
	silence(t testing.TB, server int)
	// heal ends what the others did to a server.
	heal(t testing.TB, server int)
}

// follow makes the second server the replica of the first.
func (e *ensemble) follow(t testing.TB) {
	t.Helper()
	host, port, _ := net.SplitHostPort(e.addrs[0])
	e.tell(t, 1, "REPLICAOF", host, port)
	eventually(t, "the replica is in line", func() bool { return strings.Contains(e.ask(t, 0, "replication"), "state=online") })
}

// startSentinel starts one that watches the first server.
func (e *ensemble) startSentinel(t testing.TB, lines ...string) *testserver.Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(e.addrs[0])
	return testserver.StartSentinel(t, append([]string{
		"sentinel monitor main " + host + " " + port + " 2",
		"sentinel down-after-milliseconds main 5000", // a busy machine must not look like a primary that is down
		"sentinel failover-timeout main 3000",
	}, lines...)...)
}

func (e *ensemble) awaitSentinels(t testing.TB) {
	t.Helper()
	for i := range e.sentinels {
		eventually(t, "the Sentinels know each other", func() bool {
			known := e.watched(t, i)
			return known["num-slaves"] == "1" && known["num-other-sentinels"] == "2"
		})
	}
}

// url names the ensemble for the authority.
func (e *ensemble) url() string {
	return "redis+sentinel://" + strings.Join(e.sentinels[:], ",") + "/main"
}

func (e *ensemble) tell(t testing.TB, i int, words ...any) {
	t.Helper()
	if err := e.redis[i].Do(context.Background(), words...).Err(); err != nil {
		t.Fatalf("%v: %v", words, err)
	}
}

func (e *ensemble) ask(t testing.TB, i int, section string) string {
	t.Helper()
	said, err := e.redis[i].Info(context.Background(), section).Result()
	if err != nil {
		t.Fatalf("info %s: %v", section, err)
	}
	return said
}

// watched is what a Sentinel knows of the primary.
func (e *ensemble) watched(t testing.TB, i int) map[string]string {
	t.Helper()
	c := goredis.NewSentinelClient(&goredis.Options{Addr: e.sentinels[i]})
	defer c.Close()
	known, err := c.Master(context.Background(), "main").Result()
	if err != nil {
		t.Fatalf("ask Sentinel: %v", err)
	}
	return known
}

// primary is the server that all Sentinels name. A promotion since the last that was
// ordered is nobody's: a machine so busy that its primary seemed to be down. What
// it may have lost is noted.
func (e *ensemble) primary(t testing.TB, h *history) (i int) {
	t.Helper()
	eventually(t, "the Sentinels agree on a primary", func() bool {
		for i = range e.redis {
			if e.isElected(t, i) {
				return true
			}
		}
		return false
	})
	if epoch := e.watched(t, 0)["config-epoch"]; e.epoch != epoch {
		t.Logf("since %s there was a promotion that nobody ordered", e.ordered)
		h.strike(tear, e.ordered)
		e.settle(t, h, 1-i, e.ordered)
	}
	return i
}

// settle mends the cut after a promotion, and notes what it may have lost since it began.
func (e *ensemble) settle(t testing.TB, h *history, old int, began time.Duration) {
	t.Helper()
	e.mend(t, old)
	e.epoch, e.ordered = e.watched(t, 0)["config-epoch"], h.now()
	h.lose(began)
}

func (e *ensemble) isPrimary(t testing.TB, i int) bool {
	t.Helper()
	return strings.Contains(e.ask(t, i, "replication"), "role:master")
}

// isElected reports whether all Sentinels say that a server is the primary.
func (e *ensemble) isElected(t testing.TB, i int) bool {
	t.Helper()
	for s := range e.sentinels {
		known := e.watched(t, s)
		if net.JoinHostPort(known["ip"], known["port"]) != e.addrs[i] {
			return false
		}
	}
	return true
}

// rotatedAfter counts the sessions that a server saw rotate after that moment.
func (e *ensemble) rotatedAfter(t testing.TB, i int, moment time.Time) (sessions int) {
	t.Helper()
	keys, err := e.redis[i].Keys(context.Background(), "s:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		state, _ := e.redis[i].Get(context.Background(), key).Result() // gone by now: as good as none
		if rotated, ok := rotatedAt(state); ok && rotated.After(moment) {
			sessions++
		}
	}
	return sessions
}

// rotatedAt reads the third word of a state, as the store writes it: the true time, whichever
// clock is wrong.
func rotatedAt(state string) (time.Time, bool) {
	words := strings.Fields(state)
	if len(words) < 4 {
		return time.Time{}, false
	}
	milliseconds, err := strconv.ParseInt(words[2], 10, 64)
	return time.UnixMilli(milliseconds), err == nil
}

// tearApart cuts a primary off from the Sentinels and its replica, but not from the
// authority, until the replica has taken its place. It tells how many sessions had
// been refreshed on the wrong side.
func (e *ensemble) tearApart(t testing.TB, h *history, primary int) (lost int) {
	t.Helper()
	began := h.now()
	h.split()
	e.network.tear(t, primary)
	cut := time.Now() // the servers' clock, too: they run on this machine
	e.awaitPromotion(t, h, 1-primary)
	lost = e.rotatedAfter(t, primary, cut)
	h.awaitGrants(t, 50)
	e.settle(t, h, primary, began)
	return lost
}

// silence lets nothing through to a primary and nothing out, with everybody still
// connected, until the replica has taken its place.
func (e *ensemble) silence(t testing.TB, h *history, primary int) {
	t.Helper()
	began := h.now()
	h.split() // what is on its way reaches the old primary at last
	e.network.silence(t, primary)
	promoted := e.awaitPromotion(t, h, 1-primary)
	h.awaitGrants(t, 50)
	first := h.firstGrant(promoted)
	t.Logf("first refresh after a promotion: %s (goal 5 s; %s after the primary fell silent)", milliseconds(first-promoted), milliseconds(first-began))
	e.settle(t, h, primary, began)
}

// awaitPromotion returns when all know the new primary, and tells when it became one.
func (e *ensemble) awaitPromotion(t testing.TB, h *history, i int) (promoted time.Duration) {
	t.Helper()
	eventually(t, "the replica is promoted", func() bool { return e.isPrimary(t, i) })
	promoted = h.now()
	eventually(t, "the Sentinels know of the promotion", func() bool { return e.isElected(t, i) })
	return promoted
}

// firstGrant is when the first refresh was granted since then.
func (h *history) firstGrant(since time.Duration) time.Duration {
	first := h.now()
	for _, l := range h.all() {
		l.mu.Lock()
		for _, c := range l.calls {
			if c.verb == refresh && c.outcome == granted && c.ended >= since {
				first = min(first, c.ended)
			}
		}
		l.mu.Unlock()
	}
	return first
}

// mend ends the cut and waits until the old primary follows the new one.
func (e *ensemble) mend(t testing.TB, old int) {
	t.Helper()
	e.network.heal(t, old)
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
	failOver(t, startProxied(t, testserver.StartRedis))
}

// TestAPromotionToARedisOfAnotherTimeLogsNobodyOut: one of the two is ahead by more than the grace, so
// every promotion sets the clock of Redis forward or back. By its clock alone, clients that had
// just lost an answer would be too late when they ask again.
func TestAPromotionToARedisOfAnotherTimeLogsNobodyOut(t *testing.T) {
	t.Parallel()
	e := startProxied(t, testserver.StartRedisWithClock)
	e.servers[1].SetClock(3 * grace / 2)
	failOver(t, e)
}

// failOver has clients refresh over one promotion after the other.
func failOver(t *testing.T, e *ensemble) {
	lasting, seed := long(t), seedOf(t)
	t.Logf("MINTMARK_TEST_STORM_SEED=%d", seed)
	s := newStage(t, e.url())
	s.addReplica(t)
	s.addReplica(t)
	newCaller(t).register(t, "http://"+s.replicas[0].web.Addr())

	h := newHistory(s.mint)
	e.epoch = e.watched(t, 0)["config-epoch"]
	n := newNemesis(s, h, seed)
	p := startPlayers(t, s, h, seed, nil)
	lost := 0
	var f forgetful
	for {
		h.awaitGrants(t, 100)
		f.lose(t, s)
		n.note("promotion, the old primary torn off", func() { lost += e.tearApart(t, h, e.primary(t, h)) })
		f.askAgain(t, s)
		h.awaitGrants(t, 100)
		f.lose(t, s)
		n.note("promotion, the old primary silent", func() { e.silence(t, h, e.primary(t, h)) })
		f.askAgain(t, s)
		if h.now() >= lasting {
			break
		}
	}
	h.awaitGrants(t, 100)
	p.stop()
	n.killAll(t)
	p.takeStock(t)
	e.primary(t, h) // notes what nobody ordered

	n.judge(t)
	f.judge(t)
	t.Logf("sessions refreshed on an old primary, which took that with it: %d (goal: more than 0)", lost)
	if lost == 0 {
		t.Error("no promotion lost a refresh: this run proved nothing")
	}
}

// inside is where the Sentinels and the two Redis servers connect from; the
// authority connects from 127.0.0.1. So the network can be cut between them.
const inside = "127.0.0.2"

// proxies are the network of an ensemble on loopback: everybody knows the Redis
// servers by their proxies.
type proxies [2]*testserver.Proxy

func (p *proxies) tear(_ testing.TB, server int)    { p[server].CutFrom(inside) }
func (p *proxies) silence(_ testing.TB, server int) { p[server].Stall() }
func (p *proxies) heal(_ testing.TB, server int)    { p[server].Heal() }

func startProxied(t testing.TB, start func(testing.TB, ...string) *testserver.Server) *ensemble {
	t.Helper()
	links := &proxies{}
	e := &ensemble{network: links}
	for i := range e.redis {
		server := start(t, "--repl-diskless-sync-delay", "0", "--bind-source-addr", inside)
		e.servers[i] = server
		e.redis[i] = redisClient(t, server.URL())
		t.Cleanup(func() { e.redis[i].Close() })
		links[i] = testserver.StartProxy(t, server.URL())
		e.addrs[i] = links[i].Addr()
		host, port, _ := net.SplitHostPort(e.addrs[i])
		e.tell(t, i, "CONFIG", "SET", "replica-announce-ip", host, "replica-announce-port", port)
	}
	e.follow(t)
	for i := range e.sentinels {
		e.sentinels[i] = e.startSentinel(t, "sentinel announce-ip 127.0.0.1", "bind-source-addr "+inside).Addr()
	}
	e.awaitSentinels(t)
	return e
}
