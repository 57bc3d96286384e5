package storm_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// nemesis does harm, one fault at a time, and mends it before the next.
type nemesis struct {
	stage   *stage
	redis   *testserver.Server // the one Redis of a storm
	history *history
	choose  *rand.Rand
	counted *counted
	faults  []struck
}

func newNemesis(s *stage, h *history, seed uint64) *nemesis {
	return &nemesis{stage: s, history: h, choose: rand.New(rand.NewPCG(seed, 0)), counted: &counted{map[string]int{}}}
}

// struck is one fault and when it was.
type struck struct {
	name         string
	began, ended time.Duration
}

// fault is one kind of harm.
type fault struct {
	name   string
	strike func(testing.TB)
}

// deck is every fault once.
func (n *nemesis) deck() []fault {
	faults := []fault{
		{"kill -9 a replica", n.killReplica},
		{"kill -9 a replica", n.killReplica},
		{"kill -9 Redis, which keeps nothing", n.killRedis},
		{"flush Redis", n.flush},
		{"flush Redis", n.flush},
		{"restart Postgres", n.restartPostgres},
		{"kill -9 Postgres", n.killPostgres},
		{"hours pass for the checkpoints", n.passHours},
		{"the database's clock is wrong", n.jumpPostgres},
		{"the database's clock is wrong", n.jumpPostgres},
		{"Redis's clock is wrong", n.jumpRedis},
		{"Redis's clock is wrong", n.jumpRedis},
	}
	links := map[string]func(*replica) *testserver.Proxy{
		"Redis":    func(r *replica) *testserver.Proxy { return r.redis },
		"Postgres": func(r *replica) *testserver.Proxy { return r.postgres },
		"clients":  func(r *replica) *testserver.Proxy { return r.web },
	}
	for _, name := range []string{"Redis", "Postgres", "clients"} {
		faults = append(faults,
			fault{"cut a replica's link to " + name, n.onLink(links[name], (*testserver.Proxy).Cut)},
			fault{"stall a replica's link to " + name, n.onLink(links[name], (*testserver.Proxy).Stall)},
			fault{"delay a replica's link to " + name, n.onLink(links[name], func(p *testserver.Proxy) {
				p.Delay(n.between(20*time.Millisecond, 300*time.Millisecond))
			})})
	}
	for _, name := range []string{"Redis", "Postgres"} { // the silent cut: what was connected never says another word
		faults = append(faults, fault{"swallow what a replica and " + name + " say", n.onLink(links[name], (*testserver.Proxy).Swallow)})
	}
	n.choose.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	return faults
}

// rage strikes with every fault once, and on until the time is up.
func (n *nemesis) rage(t testing.TB, lasting time.Duration) {
	t.Helper()
	for {
		for _, f := range n.deck() {
			wait(n.between(100*time.Millisecond, 700*time.Millisecond))
			n.note(f.name, func() { f.strike(t) })
		}
		if n.history.now() >= lasting {
			return
		}
	}
}

// note writes down when a fault was.
func (n *nemesis) note(name string, strike func()) {
	began := n.history.now()
	strike()
	n.faults = append(n.faults, struck{name, began, n.history.now()})
}

func (n *nemesis) between(shortest, longest time.Duration) time.Duration {
	return shortest + time.Duration(n.choose.Int64N(int64(longest-shortest)))
}

func (n *nemesis) replica() *replica { return n.stage.replicas[n.choose.IntN(len(n.stage.replicas))] }

func (n *nemesis) killReplica(t testing.TB) {
	r := n.replica()
	n.counted.read(t, r)
	r.life.Load().kill()
	wait(n.between(0, 500*time.Millisecond))
	r.start(t)
}

func (n *nemesis) killRedis(testing.TB) {
	began := n.history.now()
	n.redis.Kill()
	wait(n.between(0, 500*time.Millisecond))
	n.redis.Start()
	n.history.lose(began)
}

func (n *nemesis) flush(t testing.TB) {
	began := n.history.now()
	flush(t, n.redis.URL())
	n.history.lose(began)
}

// jump is how far a clock is set wrong.
func (n *nemesis) jump() time.Duration {
	jumps := []time.Duration{40 * time.Second, 2 * time.Minute, time.Hour, 31 * 24 * time.Hour}
	d := jumps[n.choose.IntN(len(jumps))]
	if n.choose.IntN(2) == 0 {
		return -d
	}
	return d
}

// settle waits until every replica takes all clocks for right: nothing is promised for two that are wrong at once, and
// one that was set right is wrong to a replica until it has read it (docs/rotation.md).
func (n *nemesis) settle(t testing.TB) {
	t.Helper()
	for _, r := range n.stage.replicas {
		eventually(t, "a replica takes the clocks for right", r.clocksAgree)
	}
}

func (n *nemesis) jumpPostgres(t testing.TB) {
	n.settle(t)
	n.stage.postgres.SetClock(n.jump())
	wait(n.between(200*time.Millisecond, 4*time.Second))
	n.stage.postgres.SetClock(0)
}

// jumpRedis: what it keeps is forgotten when its clock goes ahead, and what it takes in while
// its clock is behind when that is right again.
func (n *nemesis) jumpRedis(t testing.TB) {
	n.settle(t)
	began := n.history.now()
	n.redis.SetClock(n.jump())
	wait(n.between(200*time.Millisecond, 4*time.Second))
	n.redis.SetClock(0)
	n.history.lose(began)
}

func flush(t testing.TB, url string) {
	t.Helper()
	client := redisClient(t, url)
	defer client.Close()
	if err := client.FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
}

func redisClient(t testing.TB, url string) *goredis.Client {
	t.Helper()
	options, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return goredis.NewClient(options)
}

func (n *nemesis) restartPostgres(testing.TB) {
	n.stage.postgres.Stop()
	wait(n.between(0, 500*time.Millisecond))
	n.stage.postgres.Start()
}

// killPostgres: the kernel holds what was committed, so nothing is lost.
func (n *nemesis) killPostgres(testing.TB) {
	n.stage.postgres.Kill()
	n.stage.postgres.Start()
}

// passHours makes every session's checkpoint due: the next refresh that succeeds
// has one written, which then bounds what a flush lets through. It locks rows in
// order of id, as the replicas do, so that they never wait for each other.
func (n *nemesis) passHours(t testing.TB) {
	n.stage.exec(t, `WITH locked AS MATERIALIZED (
			SELECT id FROM sessions ORDER BY id FOR NO KEY UPDATE
		) UPDATE sessions SET last_seen_at = last_seen_at - interval '3 hours' WHERE id IN (SELECT id FROM locked)`)
}

func (s *stage) exec(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatal(err)
	}
}

// onLink breaks one link of one replica, at times for longer than any call may take.
func (n *nemesis) onLink(link func(*replica) *testserver.Proxy, harm func(*testserver.Proxy)) func(testing.TB) {
	return func(testing.TB) {
		p := link(n.replica())
		harm(p)
		lasts := n.between(200*time.Millisecond, 1200*time.Millisecond)
		if n.choose.IntN(4) == 0 {
			lasts *= 3
		}
		wait(lasts)
		p.Heal()
	}
}

// String tells when which fault was.
func (s struck) String() string {
	return fmt.Sprintf("%9.3f–%9.3f s  %s", s.began.Seconds(), s.ended.Seconds(), s.name)
}
