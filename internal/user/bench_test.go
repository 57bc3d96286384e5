package user_test

import (
	"math"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/user"
)

// BenchmarkRefusal compares, by turns, refusing a wrong password whose hash has cheaper parameters with refusing an
// unknown user. It reports Welch's t, which below 4.5 tells no difference, and what each refusal takes.
func BenchmarkRefusal(b *testing.B) {
	hasher := newHasher(b, user.Params{MemoryKiB: 4 << 10, Time: 2, Threads: 1})
	cheaper := hash(b, newHasher(b, user.Params{MemoryKiB: 2 << 10, Time: 1, Threads: 1}), "violet")
	var known, unknown sample
	for b.Loop() {
		known.add(refusal(b, hasher, cheaper))
		unknown.add(refusal(b, hasher, ""))
	}
	b.ReportMetric(known.t(unknown), "t")
	b.ReportMetric(known.mean/1e6, "ms-known")
	b.ReportMetric(unknown.mean/1e6, "ms-unknown")
}

func refusal(b *testing.B, hasher *user.Hasher, stored string) float64 {
	b.Helper()
	before := time.Now()
	if ok, _, err := hasher.Verify(b.Context(), stored, "purple"); ok || err != nil {
		b.Fatalf("%v, %v, want a refusal", ok, err)
	}
	return float64(time.Since(before))
}

// sample is the mean and the squared deviations of measurements (Welford).
type sample struct{ n, mean, squares float64 }

func (s *sample) add(x float64) {
	s.n++
	d := x - s.mean
	s.mean += d / s.n
	s.squares += d * (x - s.mean)
}

func (s sample) t(other sample) float64 {
	variance := func(s sample) float64 { return s.squares / max(s.n-1, 1) / s.n }
	return math.Abs(s.mean-other.mean) / math.Sqrt(variance(s)+variance(other))
}
