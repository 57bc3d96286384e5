package postgres_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

// TestAFailedCommitIsNeverSuccess has the server refuse commits, and the connection
// break before they reach it.
func TestAFailedCommitIsNeverSuccess(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) { t.Parallel(); storetest.Commits(t, openRefusing) })
	t.Run("cut", func(t *testing.T) { t.Parallel(); storetest.Commits(t, openCutting) })
}

// openRefusing has a trigger fail that Postgres runs when a change is to be committed.
func openRefusing(tb testing.TB) storetest.Breakable {
	url := migrated(tb)
	store := open(tb, url)
	breaks := []string{`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$`}
	for _, table := range []string{"users", "clients", "sessions", "signing_keys", "audit_events", "events"} {
		breaks = append(breaks, `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON `+table+`
			DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
	}
	return storetest.Breakable{
		Durable: store, Look: store,
		Break: func(tb testing.TB) { execute(tb, url, breaks...) },
		Heal:  func(tb testing.TB) { execute(tb, url, `DROP FUNCTION refuse CASCADE`) },
	}
}

// openCut opens a store whose connections a cutter sees.
func openCut(tb testing.TB) (cutting *cutter, cut, whole *postgres.Store) {
	tb.Helper()
	url := migrated(tb)
	cutting = &cutter{}
	store, err := postgres.Open(tb.Context(), postgres.Config{URL: with(tb, url, "pool_max_conns", "8"), Tracer: cutting})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Error(err)
		}
	})
	return cutting, store, open(tb, url)
}

// openCutting cuts the connection before each COMMIT, and before each write that commits
// by itself.
func openCutting(tb testing.TB) storetest.Breakable {
	cutting, store, whole := openCut(tb)
	return storetest.Breakable{
		Durable: store, Look: whole,
		Break: func(testing.TB) { cutting.set(0, true) },
		Heal: func(tb testing.TB) {
			if begun, cut := cutting.transactions(); begun > 0 && cut == 0 {
				tb.Errorf("%d transactions were begun, and no COMMIT was cut", begun)
			}
			cutting.set(0, false)
		},
	}
}

func TestAFailedStatementIsNeverSuccess(t *testing.T) {
	t.Parallel()
	storetest.Faults(t, func(tb testing.TB) storetest.Faulty {
		cutting, store, whole := openCut(tb)
		return storetest.Faulty{
			Durable: store, Look: whole,
			Fail: func(n int) { cutting.set(n, false) },
			Heal: func() (sent int, failed bool) { return cutting.set(0, false) },
		}
	})
}

// cutter is a [pgx.QueryTracer] and [pgx.BatchTracer] that closes connections.
type cutter struct {
	mu      sync.Mutex
	from    int  // under mu: the first statement before which it does; 0: none
	commits bool // under mu: before all that commits
	sent    int  // under mu: statements since the last set
	cut     bool // under mu: since the last set
	begun   int  // under mu: transactions since the last set
	ended   int  // under mu: COMMITs that were cut since the last set
}

func (c *cutter) set(from int, commits bool) (sent int, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent, cut = c.sent, c.cut
	c.from, c.commits, c.sent, c.cut, c.begun, c.ended = from, commits, 0, false, 0, 0
	return sent, cut
}

func (c *cutter) transactions() (begun, cut int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun, c.ended
}

// TraceQueryStart implements [pgx.QueryTracer].
func (c *cutter) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if data.SQL != "rollback" {
		c.see(conn, data.SQL)
	}
	return ctx
}

// TraceBatchStart implements [pgx.BatchTracer].
func (c *cutter) TraceBatchStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.see(conn, "batch")
	return ctx
}

func (c *cutter) see(conn *pgx.Conn, sql string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	verb, _, _ := strings.Cut(strings.TrimSpace(sql), " ")
	alone := conn.PgConn().TxStatus() == 'I' && slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "WITH"}, verb)
	if verb == "begin" {
		c.begun++
	}
	if c.from > 0 && c.sent >= c.from || c.commits && (verb == "commit" || alone) {
		if verb == "commit" {
			c.ended++
		}
		c.cut = true
		_ = conn.PgConn().Conn().Close() // what is sent next fails
	}
}

func (*cutter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (*cutter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*cutter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
