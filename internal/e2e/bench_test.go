package e2e_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/crypto/argon2"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// A measurement alternates short phases of the raw cryptography and of the
// authority on the same cores, so that a machine whose speed drifts slows both.
const (
	phases      = 5
	phaseLength = 1500 * time.Millisecond
)

// BenchmarkRefresh prints how many refreshes a second the authority serves over
// HTTP, load generator included, as a share of the raw RSA-2048 signatures a
// second of the same cores. (expected: at least 0.5)
func BenchmarkRefresh(b *testing.B) {
	b.Run("embedded", func(b *testing.B) {
		a := startEmbedded(b, "MINTMARK_LOG_LEVEL=error")
		benchmarkRefresh(b, a)
	})
	b.Run("postgres and redis", func(b *testing.B) {
		a := newCluster(b).startReplica(b, "MINTMARK_LOG_LEVEL=error")
		benchmarkRefresh(b, a)
	})
}

func benchmarkRefresh(b *testing.B, a *authority) {
	a.register(b, testUser)
	workers := 4 * runtime.GOMAXPROCS(0)
	tokens := make([]string, workers)
	for i := range tokens {
		tokens[i] = a.login(b, testUser).Refresh
	}
	client := loadClient(workers)
	sign := rawSignature(b)
	for b.Loop() {
		var raw, refreshed float64
		for range phases {
			raw += perSecond(runtime.GOMAXPROCS(0), func(int) { sign() })
			refreshed += perSecond(workers, func(worker int) {
				tokens[worker] = trade(b, client, a.URL, tokens[worker])
			})
		}
		b.ReportMetric(refreshed/raw, "refreshes/raw-RSA-signatures")
		b.ReportMetric(refreshed/phases, "refreshes/s")
		b.ReportMetric(raw/phases, "signatures/s")
	}
}

// BenchmarkLogin prints logins a second as a share of raw argon2id hashes a
// second with the same parameters. (expected: at least 0.8)
func BenchmarkLogin(b *testing.B) {
	a := startEmbedded(b, "MINTMARK_LOG_LEVEL=error", "MINTMARK_PASSWORD_MEMORY_KIB=19456", "MINTMARK_PASSWORD_TIME=2")
	a.register(b, testUser)
	workers := 2 * runtime.GOMAXPROCS(0)
	client := loadClient(workers)
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, testUser, testPassword)
	for b.Loop() {
		var raw, loggedIn float64
		for range phases {
			raw += perSecond(runtime.GOMAXPROCS(0), func(int) {
				argon2.IDKey([]byte(testPassword), []byte("sixteen bytes..."), 2, 19456, 1, 32)
			})
			loggedIn += perSecond(workers, func(int) {
				post(b, client, a.URL+"/api/authentication/login", "application/json", body)
			})
		}
		b.ReportMetric(loggedIn/raw, "logins/raw-argon2id")
		b.ReportMetric(loggedIn/phases, "logins/s")
	}
}

// BenchmarkRedisBytesPerSession prints what a session takes in Redis after one
// refresh and after fifty. (expected: at most 250, and the same)
func BenchmarkRedisBytesPerSession(b *testing.B) {
	redis := testserver.StartRedis(b)
	c := newCluster(b)
	c.Redis = redis.URL()
	a := c.startReplica(b)
	a.register(b, testUser)
	for b.Loop() {
		flush(b, redis.URL())
		token := a.login(b, testUser).Refresh
		client := loadClient(1)
		var after [2]float64
		for i, refreshes := range []int{1, 49} {
			for range refreshes {
				token = trade(b, client, a.URL, token)
			}
			after[i] = redisBytes(b, redis.URL())
		}
		b.ReportMetric(after[0], "bytes/session-after-1")
		b.ReportMetric(after[1], "bytes/session-after-50")
	}
}

// BenchmarkBackAfterFault prints how long after a dependency is back the
// authority refreshes again. (expected: at most 5 s)
func BenchmarkBackAfterFault(b *testing.B) {
	for _, name := range []string{"postgres", "redis"} {
		b.Run(name, func(b *testing.B) {
			servers := newOwnServers(b)
			proxy := map[string]*testserver.Proxy{"postgres": servers.postgresProxy, "redis": servers.redisProxy}[name]
			a := servers.startReplica(b, "MINTMARK_LOG_LEVEL=error")
			a.register(b, testUser)
			p := a.login(b, testUser)
			for b.Loop() {
				proxy.Cut()
				for range 50 {
					_, _ = a.refresh(b, p) // meets the fault
				}
				proxy.Heal()
				healed := time.Now()
				eventually(b, func() bool {
					next, got := a.refresh(b, p)
					p = orSame(next, p)
					return got.Status == http.StatusOK
				})
				b.ReportMetric(time.Since(healed).Seconds(), "s-until-back")
			}
		})
	}
}

// perSecond runs do from a number of workers for one phase.
func perSecond(workers int, do func(worker int)) float64 {
	var done atomic.Int64
	begun := time.Now()
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for time.Since(begun) < phaseLength {
				do(worker)
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(begun).Seconds()
}

func rawSignature(b *testing.B) func() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	message := bytes.Repeat([]byte("x"), 500)
	return func() {
		digest := sha256.Sum256(message)
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err != nil {
			b.Error(err)
		}
	}
}

func loadClient(workers int) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
}

// trade gives a refresh token for its successor.
func trade(b *testing.B, client *http.Client, origin, token string) string {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"first-party"}, "refresh_token": {token}}
	body := post(b, client, origin+"/oauth/token", "application/x-www-form-urlencoded", form.Encode())
	var granted struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(body, &granted); err != nil {
		b.Error(err)
	}
	return granted.RefreshToken
}

func post(b *testing.B, client *http.Client, target, contentType, body string) []byte {
	res, err := client.Post(target, contentType, strings.NewReader(body))
	if err != nil {
		b.Error(err)
		return nil
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		b.Errorf("%s: %d %v", target, res.StatusCode, err)
	}
	return read
}

// redisBytes is what the one session in that Redis takes.
func redisBytes(b *testing.B, redisURL string) float64 {
	options, err := goredis.ParseURL(redisURL)
	if err != nil {
		b.Fatal(err)
	}
	c := goredis.NewClient(options)
	defer c.Close()
	keys, err := c.Keys(b.Context(), "*").Result()
	if err != nil || len(keys) != 1 {
		b.Fatalf("keys %v, %v; want one", keys, err)
	}
	size, err := c.MemoryUsage(b.Context(), keys[0]).Result()
	if err != nil {
		b.Fatal(err)
	}
	return float64(size)
}
