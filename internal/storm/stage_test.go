package storm_test

import (
	"context"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/internal/testserver/server"
)

const (
	issuer   = "http://localhost:1"
	username = "alice"
	password = "violet tram seven umbrellas"
	// grace is the longest that can be set: a loaded machine must not make an
	// orderly client late.
	grace = 60 * time.Second
)

// stage is what the storm happens to: replicas in processes of their own over one
// Postgres and one Redis that nobody else uses.
type stage struct {
	postgres *testserver.Server
	redisURL string
	roots    secret.Roots
	mint     *session.Mint
	replicas []*replica
}

// newStage makes the stores; redisURL may name any topology.
func newStage(t testing.TB, redisURL string) *stage {
	t.Helper()
	return newStageOn(t, testserver.StartPostgres(t), redisURL)
}

func newStageOn(t testing.TB, postgres *testserver.Server, redisURL string) *stage {
	t.Helper()
	s := &stage{postgres: postgres, redisURL: redisURL, roots: secret.GenerateRoots()}
	s.mint = session.NewMint(issuer, s.roots)
	migrate(t, s.postgres.URL())
	return s
}

func migrate(t testing.TB, url string) {
	t.Helper()
	database, err := db.Postgres(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := database.Up(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// replica is one authority on ports that stay its own, with a proxy in front and
// one before each of its stores, where there is a network to break.
type replica struct {
	settings []string
	public   string // where it listens itself
	ops      string
	web      *testserver.Proxy
	redis    *testserver.Proxy // nil where the topology has proxies of its own
	postgres *testserver.Proxy
	life     atomic.Pointer[process]
}

// addReplica starts one more replica; more settings win over those of the stage.
func (s *stage) addReplica(t testing.TB, more ...string) *replica {
	t.Helper()
	r := &replica{postgres: testserver.StartProxy(t, s.postgres.URL())}
	redisURL := s.redisURL
	if single(redisURL) {
		r.redis = testserver.StartProxy(t, redisURL)
		redisURL = r.redis.URL()
	}
	ops := freeAddr(t)
	r.public, r.ops = freeAddr(t), "http://"+ops
	r.web = testserver.StartProxy(t, r.public)
	r.settings = []string{
		"MINTMARK_HTTP_ADDR=" + r.public, "MINTMARK_OPS_ADDR=" + ops, "MINTMARK_ISSUER=" + issuer,
		"MINTMARK_DATABASE_URL=" + r.postgres.URL(), "MINTMARK_REDIS_URL=" + redisURL,
		"MINTMARK_ROOT_SECRET=" + s.roots.Encode().Reveal(),
		"MINTMARK_SESSIONS_PER_CLIENT=10000", "MINTMARK_RATE_LOGIN=off", "MINTMARK_RATE_TOKEN=off", "MINTMARK_RATE_REGISTER=off",
		"MINTMARK_PASSWORD_MEMORY_KIB=8192", "MINTMARK_PASSWORD_TIME=1", "MINTMARK_PASSWORD_MAX_CONCURRENT=64",
		"MINTMARK_REGISTRATION=open",
		"MINTMARK_REFRESH_GRACE=" + grace.String(), "MINTMARK_LOG_FORMAT=json", "MINTMARK_LOG_LEVEL=error",
	}
	r.settings = append(r.settings, more...) // of two values the last one counts
	r.start(t)
	s.replicas = append(s.replicas, r)
	return r
}

// single tells a Redis from Sentinels and a Cluster.
func single(redisURL string) bool { return len(redisURL) > 8 && redisURL[:8] == "redis://" }

func freeAddr(t testing.TB) string {
	t.Helper()
	port, err := server.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// start runs the replica, again after a kill.
func (r *replica) start(t testing.TB) {
	t.Helper()
	r.life.Store(spawn(t, r.settings...))
}

// complain prints what the replicas said last, where a test failed.
func (s *stage) complain(t testing.TB) {
	t.Helper()
	for i, r := range s.replicas {
		t.Logf("replica %d said last:\n%s", i, r.life.Load().said)
	}
}
