package storm_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestAPromotionOfPostgresForksNothingAndRevivesNothing: the primary is killed under load, its standby promoted, and the
// old one comes back without taking writes; then the new one takes none for a while, with everybody connected. All
// replicas know both servers. What was committed is at the standby, too: a standby that lags loses what it lacks.
func TestAPromotionOfPostgresForksNothingAndRevivesNothing(t *testing.T) {
	t.Parallel()
	lasting, seed := long(t), seedOf(t)
	t.Logf("MINTMARK_TEST_STORM_SEED=%d", seed)
	s := newStage(t, testserver.StartRedis(t).URL())
	old := s.postgres
	standby := testserver.StartStandby(t, old)
	s.exec(t, `ALTER SYSTEM SET synchronous_standby_names = '*'`)
	s.exec(t, `SELECT pg_reload_conf()`)
	for range 2 {
		s.addReplica(t, "MINTMARK_DATABASE_URL="+anyOf(t, testserver.StartProxy(t, old.URL()), testserver.StartProxy(t, standby.URL())))
	}
	web := "http://" + s.replicas[0].web.Addr()
	newCaller(t).register(t, web)

	h := newHistory(s.mint)
	n := newNemesis(s, h, seed)
	p := startPlayers(t, s, h, seed, nil)
	h.awaitGrants(t, 200)
	n.note("Postgres promoted, the old primary comes back", func() {
		old.Kill()
		s.postgres = standby
		s.exec(t, `SELECT pg_promote()`)
		t.Logf("logins work again %s after the promotion", awaitLogin(t, web))
		old.Demote()
		old.Start()
	})
	for {
		h.awaitGrants(t, 200)
		n.note("Postgres takes no writes", func() {
			s.takeWrites(t, "off")
			eventually(t, "logins are refused", func() bool { return newCaller(t).login(web, patient).outcome != granted })
			wait(n.between(time.Second, 3*time.Second))
			s.takeWrites(t, "on")
			t.Logf("logins work again %s after Postgres takes writes again", awaitLogin(t, web))
		})
		if h.now() >= lasting {
			break
		}
	}
	h.awaitGrants(t, 200)
	p.stop()
	n.killAll(t)
	p.takeStock(t)
	n.judge(t)
}

// anyOf is the URL of two servers behind proxies.
func anyOf(t testing.TB, one, other *testserver.Proxy) string {
	t.Helper()
	u, err := url.Parse(one.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Host = strings.Join([]string{one.Addr(), other.Addr()}, ",")
	return u.String()
}

// awaitLogin returns when a login succeeds, and how long that took.
func awaitLogin(t testing.TB, origin string) time.Duration {
	t.Helper()
	began := time.Now()
	eventually(t, "logins work again", func() bool { return newCaller(t).login(origin, patient).outcome == granted })
	return time.Since(began).Round(time.Millisecond)
}

// takeWrites has Postgres take writes or not, with all connections as they are.
func (s *stage) takeWrites(t testing.TB, on string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	readOnly := map[string]string{"on": "off", "off": "on"}[on]
	for _, statement := range []string{`ALTER SYSTEM SET default_transaction_read_only = ` + readOnly, `SELECT pg_reload_conf()`} {
		if _, err := conn.Exec(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
