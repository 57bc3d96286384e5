package e2e_test

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// BenchmarkRevocationReachesEverybody prints how long after the 200 of a revocation the
// last of three verifiers, each at another of three replicas, accepts the token no more.
// One round is ten revocations; -benchtime 100x makes a thousand. (expected: p50 at
// most 1 s, max at most 5 s)
func BenchmarkRevocationReachesEverybody(b *testing.B) {
	const perRound, look = 10, time.Millisecond
	c := newCluster(b)
	var replicas []*authority
	var verifiers []*verifier.Verifier
	for range 3 {
		a := c.startReplica(b, "MINTMARK_LOG_LEVEL=error")
		replicas, verifiers = append(replicas, a), append(verifiers, verifierOf(b, a, verifier.WithLogger(slog.New(slog.DiscardHandler))))
	}
	replicas[0].register(b, testUser)
	var took []time.Duration
	for b.Loop() {
		for range perRound {
			p := replicas[0].login(b, testUser)
			for _, v := range verifiers {
				if _, err := v.Verify(b.Context(), p.Access); err != nil {
					b.Fatal(err)
				}
			}
			<-time.After(rand.N(revocation.PollEvery)) // or each would begin with the end of a poll
			replicas[rand.IntN(len(replicas))].logout(b, p)
			begin := time.Now()
			for _, v := range verifiers {
				for accepted(b, v, p.Access) {
					<-time.After(look)
				}
			}
			took = append(took, time.Since(begin))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-max")
	b.ReportMetric(float64(len(took)), "revocations")
}

func accepted(b *testing.B, v *verifier.Verifier, raw string) bool {
	_, err := v.Verify(b.Context(), raw)
	return err == nil
}
