package e2e_test

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// BenchmarkLoginUnknownVersusWrongPassword prints by how much a login of an
// unknown user takes longer than one with a wrong password, and whether the
// difference could be seen. (expected: less than 5 % either way, |t| below 4.5)
func BenchmarkLoginUnknownVersusWrongPassword(b *testing.B) {
	a := startEmbedded(b, "MINTMARK_LOG_LEVEL=error")
	a.register(b, testUser)
	timed := func(name string) float64 {
		begun := time.Now()
		a.tryLogin(b, name, "not the password at all")
		return time.Since(begun).Seconds()
	}
	for b.Loop() {
		var unknown, wrong []float64
		for i := range 2000 {
			if i%2 == 0 { // neither is always the first
				unknown, wrong = append(unknown, timed("nobody")), append(wrong, timed(testUser))
			} else {
				wrong, unknown = append(wrong, timed(testUser)), append(unknown, timed("nobody"))
			}
		}
		b.ReportMetric(welch(unknown, wrong), "t")
		b.ReportMetric(100*(median(unknown)/median(wrong)-1), "%-longer-by-median")
	}
}

// BenchmarkLongPassword prints the time of a login with the longest body as a
// share of one with a wrong password. (expected: far below 1, as nothing is hashed)
func BenchmarkLongPassword(b *testing.B) {
	a := startEmbedded(b, "MINTMARK_LOG_LEVEL=error", "MINTMARK_PASSWORD_MEMORY_KIB=19456", "MINTMARK_PASSWORD_TIME=2")
	a.register(b, testUser)
	long := strings.Repeat("x", 60<<10)
	for b.Loop() {
		wrong := fastest(func() { a.tryLogin(b, testUser, "not the password at all") })
		b.ReportMetric(fastest(func() { a.tryLogin(b, testUser, long) }).Seconds()/wrong.Seconds(), "long/wrong-password")
	}
}

// BenchmarkHostileTokens prints how long the verifier needs to refuse tokens made
// to keep it busy. (expected: below 20 ms each)
func BenchmarkHostileTokens(b *testing.B) {
	m := newMint(b)
	v, err := verifier.New(m.url, m.url, verifier.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		b.Fatal(err)
	}
	hostile := map[string]string{
		"4000-levels":    sign(b, m.key, mintHeader, m.claims("", `,"x":`+strings.Repeat("[", 4000)+strings.Repeat("]", 4000))),
		"million-levels": sign(b, m.key, mintHeader, m.claims("", `,"x":`+strings.Repeat("[", 1_000_000))),
		"wide":           sign(b, m.key, mintHeader, m.claims("", `,"x":{`+strings.Repeat(`"a":1,`, 1900)+`"b":1}`)),
		"16-MiB":         sign(b, m.key, mintHeader, m.claims("", `,"x":"`+strings.Repeat("x", 16<<20)+`"`)),
		"dots":           strings.Repeat(".", 1_000_000),
	}
	for b.Loop() {
		for name, token := range hostile {
			took := fastest(func() {
				if _, err := v.Verify(b.Context(), token); err == nil {
					b.Fatalf("%s was accepted", name)
				}
			})
			b.ReportMetric(float64(took.Microseconds()), name+"-µs")
		}
	}
}

// BenchmarkSlowConnections prints the 99th percentile of refreshes while 2000
// connections send next to nothing, as a multiple of that without them.
// (expected: less than 2)
func BenchmarkSlowConnections(b *testing.B) {
	a := startEmbedded(b, "MINTMARK_LOG_LEVEL=error")
	a.register(b, testUser)
	refresh := a.login(b, testUser).Refresh
	client := loadClient(1)
	p99 := func() float64 {
		took := make([]float64, 500)
		for i := range took {
			begun := time.Now()
			refresh = trade(b, client, a.URL, refresh)
			took[i] = time.Since(begun).Seconds()
		}
		slices.Sort(took)
		return took[len(took)*99/100]
	}
	for b.Loop() {
		alone := p99()
		for i := range 2000 {
			conn, err := dial(a)
			if err == nil {
				_, err = io.WriteString(conn, fmt.Sprintf("POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nX-%d: ", i))
			}
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
		}
		b.ReportMetric(p99()/alone, "p99/p99-alone")
	}
}

func median(sample []float64) float64 {
	sorted := slices.Sorted(slices.Values(sample))
	return sorted[len(sorted)/2]
}

// welch is Welch's t of two samples.
func welch(x, y []float64) float64 {
	meanX, errX := meanAndError(x)
	meanY, errY := meanAndError(y)
	return (meanX - meanY) / math.Sqrt(errX+errY)
}

// meanAndError gives the mean of a sample and the variance of that mean.
func meanAndError(sample []float64) (mean, variance float64) {
	n := float64(len(sample))
	for _, v := range sample {
		mean += v / n
	}
	for _, v := range sample {
		variance += (v - mean) * (v - mean) / (n - 1) / n
	}
	return mean, variance
}
