package verifier_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// BenchmarkVerify measures a token that was never seen before, the bare RSA operation and other libraries in turns, so that
// all see the same machine: each as a ratio to RSA with SHA-256, and its allocations.
func BenchmarkVerify(b *testing.B) {
	raw := good(firstKey(), "first", time.Now())
	keys := map[string]*rsa.PublicKey{"first": &firstKey().PublicKey}
	v := newIssuer(firstKey()).verifier(b, verifier.WithCacheSize(0))
	bare := rawRSAVerification(b, raw)
	contenders := append([]library{
		{"raw-rsa", func(string) error { bare(); return nil }},
		{"mintmark", func(raw string) error { _, err := v.Verify(b.Context(), raw); return err }},
		goOIDC(b, &firstKey().PublicKey),
	}, libraries(b, time.Now, keys)...)
	const turns = 4
	spent := make([][]time.Duration, len(contenders)) // by turns
	for first := 0; b.Loop(); first++ {
		for n := range contenders {
			i := (first + n) % len(contenders)
			verify := contenders[i].verify
			if err := verify(raw); err != nil { // not measured: it finds the caches as the one before left them
				b.Fatal(contenders[i].name, err)
			}
			start := time.Now()
			for range turns {
				_ = verify(raw)
			}
			spent[i] = append(spent[i], time.Since(start))
		}
	}
	b.ReportMetric(median(spent[1])/turns, "ns/op")
	for i, c := range contenders[1:] {
		b.ReportMetric(median(spent[i+1])/median(spent[0]), c.name+"-to-raw-rsa")
		b.ReportMetric(testing.AllocsPerRun(20, func() { _ = c.verify(raw) }), c.name+"-allocs")
	}
}

// median is in nanoseconds; other processes on the machine disturb it less than the mean.
func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2])
}

func goOIDC(b *testing.B, key *rsa.PublicKey) library {
	b.Helper()
	keys := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key}}
	v := oidc.NewVerifier(issuerURL, keys, &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{"RS256"}})
	return library{"go-oidc", func(raw string) error { _, err := v.Verify(b.Context(), raw); return err }}
}

// BenchmarkVerifyCached measures a token that was seen before, of some 900 bytes, with a status list, and in parallel.
func BenchmarkVerifyCached(b *testing.B) {
	i := newIssuer(firstKey())
	s := serveList(i)
	plain := sign(firstKey(), goodHeader, claims(time.Now(), set{"roles": strings.Repeat("r", 120)}))
	for name, raw := range map[string]string{"plain": plain, "listed": s.listed(1)} {
		v := i.verifier(b)
		if _, err := v.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s/%d-bytes", name, len(raw)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), raw); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := v.Verify(b.Context(), raw); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkFloodOfUnknownKids sends 10,000 tokens a second under invented kids for 30 s, while good tokens are verified from
// their signature on: how often the keys were fetched, and what the good ones cost compared with before.
func BenchmarkFloodOfUnknownKids(b *testing.B) {
	i := newIssuer(firstKey())
	server := httptest.NewUnstartedServer(i)
	i.address = "http://" + server.Listener.Addr().String()
	server.Start()
	defer server.Close()
	v, err := verifier.New(i.address, audience, verifier.WithCacheSize(0))
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	payload := claims(time.Now(), set{"iss": i.address, "exp": time.Now().Add(time.Hour).Unix()})
	raw, tail := sign(firstKey(), goodHeader, payload), "."+b64(payload)+"."+b64(make([]byte, 256))
	verify := func(raw string) error { _, err := v.Verify(b.Context(), raw); return err }
	measure := func(d time.Duration) (nanoseconds float64) {
		n, start := 0, time.Now()
		for ; time.Since(start) < d; n++ {
			if err := verify(raw); err != nil {
				b.Fatal(err)
			}
		}
		return float64(time.Since(start).Nanoseconds()) / float64(n)
	}
	for b.Loop() {
		if err := verify(raw); err != nil {
			b.Fatal(err)
		}
		quiet := measure(2 * time.Second)
		sent := 0
		var flood sync.WaitGroup
		flood.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for start := time.Now(); time.Since(start) < 30*time.Second; <-tick.C {
				for behind := int(time.Since(start)/time.Millisecond)*10 - sent; behind > 0; behind-- {
					if verify(b64(header(set{"kid": fmt.Sprint("invented-", sent)}))+tail) == nil {
						b.Error("accepted")
					}
					sent++
				}
			}
		})
		flooded := measure(30 * time.Second)
		flood.Wait()
		b.ReportMetric(float64(sent)/30, "kids/s")
		b.ReportMetric(float64(i.jwks.Load()), "fetches")
		b.ReportMetric(flooded/quiet, "good-token-to-quiet")
	}
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
	i := newIssuer(firstKey())
	s := serveList(i)
	plain, listed := good(firstKey(), "first", time.Now()), s.listed(1)
	fresh, remembering := i.ready(t, verifier.WithCacheSize(0)), i.ready(t)
	follow(t, fresh, s.uri)
	follow(t, remembering, s.uri)
	bare := testing.AllocsPerRun(100, rawRSAVerification(t, plain))
	for _, raw := range []string{plain, listed} {
		mustVerify(t, fresh, raw)
		mustVerify(t, remembering, raw)
		got := testing.AllocsPerRun(100, func() { fresh.Verify(t.Context(), raw) })
		t.Logf("%v allocations, of which RSA makes %v", got, bare)
		if got > 30 {
			t.Errorf("%v allocations, want at most 30", got)
		}
		if got := testing.AllocsPerRun(100, func() { remembering.Verify(t.Context(), raw) }); got > 0 {
			t.Errorf("%v allocations for a token that was seen before, want none", got)
		}
	}
}
