package verifier_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// BenchmarkVerify measures Verify and the bare RSA operation in turns, so that both see the same machine, and reports
// Verify's time and their ratio.
func BenchmarkVerify(b *testing.B) {
	v := newIssuer(firstKey()).verifier(b)
	raw := good(firstKey(), "first", time.Now())
	bare := rawRSAVerification(b, raw)
	var ours, theirs time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := v.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		bare()
		ours += middle.Sub(start)
		theirs += time.Since(middle)
	}
	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ns/op")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio-to-raw-rsa")
}

// BenchmarkRawRSA is the floor: SHA-256 of the signing input and the RSA verification.
func BenchmarkRawRSA(b *testing.B) {
	bare := rawRSAVerification(b, good(firstKey(), "first", time.Now()))
	for b.Loop() {
		bare()
	}
}

func rawRSAVerification(tb testing.TB, raw string) func() {
	tb.Helper()
	dot := strings.LastIndexByte(raw, '.')
	signed := []byte(raw[:dot])
	signature, err := base64.RawURLEncoding.DecodeString(raw[dot+1:])
	if err != nil {
		tb.Fatal(err)
	}
	public := &firstKey().PublicKey
	return func() {
		digest := sha256.Sum256(signed)
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
			tb.Fatal(err)
		}
	}
}

// Not parallel: AllocsPerRun counts for the whole process.
func TestVerifyAllocatesLittle(t *testing.T) {
	v := newIssuer(firstKey()).verifier(t)
	raw := good(firstKey(), "first", time.Now())
	mustVerify(t, v, raw)
	got := testing.AllocsPerRun(100, func() { v.Verify(t.Context(), raw) })
	bare := testing.AllocsPerRun(100, rawRSAVerification(t, raw))
	t.Logf("%v allocations, of which RSA makes %v", got, bare)
	if got > 30 {
		t.Errorf("%v allocations, want at most 30", got)
	}
}
