package storm_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestTheStormForksNothingAndLogsNobodyOut is S1, S3, S4 and S6 over three
// replicas, with faults of every kind.
func TestTheStormForksNothingAndLogsNobodyOut(t *testing.T) {
	t.Parallel()
	lasting, seed := long(t), seedOf(t)
	t.Logf("MINTMARK_TEST_STORM_SEED=%d", seed)
	redis := testserver.StartRedisWithClock(t)
	s := newStageOn(t, testserver.StartPostgresWithClock(t), redis.URL())
	for range 3 {
		s.addReplica(t)
	}
	newCaller(t).register(t, "http://"+s.replicas[0].web.Addr())

	h := newHistory(s.mint)
	n := newNemesis(s, h, seed)
	n.redis = redis
	w := startWitness(t, s, h)
	p := startPlayers(t, s, h, seed, w)
	n.rage(t, lasting)
	p.stop()
	n.killAll(t)
	n.flush(t)
	p.takeStock(t)

	n.judge(t)
	w.judge(t)
}

// judge holds the history against the invariants and prints the figures.
func (n *nemesis) judge(t testing.TB) {
	t.Helper()
	f := assess(t, n.history)
	for _, r := range n.stage.replicas {
		n.counted.read(t, r)
	}
	f.print(t)
	t.Logf("verdicts that the replicas counted: %s", n.counted)
	n.print(t)
	if t.Failed() {
		n.stage.complain(t)
	}
}

func seedOf(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv("MINTMARK_TEST_STORM_SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("MINTMARK_TEST_STORM_SEED is %q: write a whole number", text)
	}
	return seed
}

// killAll kills all replicas at once, so that no refresh is in flight any more,
// and starts them again.
func (n *nemesis) killAll(t testing.TB) {
	t.Helper()
	for _, r := range n.stage.replicas {
		n.counted.read(t, r)
		r.life.Load().kill()
	}
	for _, r := range n.stage.replicas {
		r.start(t)
	}
}

// takeStock presents the newest token of every session once more: those of safe
// sessions must be granted; what the others get, the history's check decides.
func (p *players) takeStock(t testing.TB) {
	t.Helper()
	c := newCaller(t)
	for i, l := range p.history.all() {
		to := p.stage.replicas[i%len(p.stage.replicas)]
		if l.isOver() {
			token, generation := l.copied(0)
			made := call{verb: refresh, who: thief, presented: generation, began: p.history.now()}
			l.record(made, c.refresh("http://"+to.web.Addr(), token, patient))
			continue
		}
		eventually(t, "the owner gets an answer when the storm is over", func() bool {
			made, started := p.refreshOwn(c, to, l, patient)
			return started && made.outcome != unknown
		})
	}
}

func (n *nemesis) print(t testing.TB) {
	t.Helper()
	back := backAfter(n.history.all(), n.faults)
	for _, name := range slices.Sorted(maps.Keys(back)) {
		waits := back[name]
		t.Logf("granted again after: %-40s p50 %s, p99 %s (%d sessions)", name, milliseconds(percentile(waits, .5)), milliseconds(percentile(waits, .99)), len(waits))
	}
	if testing.Verbose() && len(n.faults) < 100 {
		for _, f := range n.faults {
			t.Log(f)
		}
	}
}
