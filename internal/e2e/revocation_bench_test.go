package e2e_test

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// BenchmarkRevocationReachesEveryVerifier prints how long after the 200 of a revocation the
// last of three verifiers, each at another of three replicas, accepts the token no more,
// over a thousand revocations. (expected: p50 at most 1 s, max at most 5 s)
func BenchmarkRevocationReachesEveryVerifier(b *testing.B) {
	const trials, atOnce = 1000, 20
	c := newCluster(b)
	var replicas []*authority
	var verifiers []*verifier.Verifier
	for range 3 {
		a := c.startReplica(b, "MINTMARK_LOG_LEVEL=error")
		replicas, verifiers = append(replicas, a), append(verifiers, verifierOf(b, a, verifier.WithLogger(slog.New(slog.DiscardHandler))))
	}
	replicas[0].register(b, testUser)
	took := make([]time.Duration, trials)
	for b.Loop() {
		var next atomic.Int64
		var group sync.WaitGroup
		for range atOnce {
			group.Go(func() {
				for i := next.Add(1) - 1; i < trials; i = next.Add(1) - 1 {
					took[i] = revokeEverywhere(b, replicas, verifiers)
				}
			})
		}
		group.Wait()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[trials/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[trials*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(float64(took[trials-1].Microseconds())/1000, "ms-max")
	b.ReportMetric(trials, "revocations")
}

// revokeEverywhere ends one session and returns how long after that its token was
// accepted by the last verifier.
func revokeEverywhere(b *testing.B, replicas []*authority, verifiers []*verifier.Verifier) time.Duration {
	p := replicas[0].login(b, testUser)
	for _, v := range verifiers {
		if !accepted(b, v, p.Access) {
			b.Error("a token that is good is refused")
		}
	}
	wait(b, rand.N(revocation.PollEvery)) // or each would begin with the end of a poll
	replicas[rand.IntN(len(replicas))].logout(b, p)
	begin := time.Now()
	for _, v := range verifiers {
		for accepted(b, v, p.Access) {
			wait(b, time.Millisecond)
		}
	}
	return time.Since(begin)
}

func wait(b *testing.B, d time.Duration) {
	b.Helper()
	select {
	case <-time.After(d):
	case <-b.Context().Done():
		b.Fatal("the benchmark has ended")
	}
}

func accepted(b *testing.B, v *verifier.Verifier, raw string) bool {
	_, err := v.Verify(b.Context(), raw)
	return err == nil
}
