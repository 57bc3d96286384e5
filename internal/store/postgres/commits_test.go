package postgres_test

import (
	"context"
	"strings"
	"sync/atomic"
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
	for _, table := range []string{"users", "clients", "sessions", "signing_keys", "audit_events"} {
		breaks = append(breaks, `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON `+table+`
			DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
	}
	return storetest.Breakable{
		Durable: store, Look: store,
		Break: func(tb testing.TB) { execute(tb, url, breaks...) },
		Heal:  func(tb testing.TB) { execute(tb, url, `DROP FUNCTION refuse CASCADE`) },
	}
}

// openCutting cuts the connection before each COMMIT, and before each statement that
// commits by itself.
func openCutting(tb testing.TB) storetest.Breakable {
	url := migrated(tb)
	cutting := &cutter{}
	store, err := postgres.Open(tb.Context(), postgres.Config{URL: url, MaxConns: 8, Tracer: cutting})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Error(err)
		}
	})
	return storetest.Breakable{
		Durable: store, Look: open(tb, url),
		Break: func(testing.TB) { cutting.on.Store(true) },
		Heal:  func(testing.TB) { cutting.on.Store(false) },
	}
}

// cutter is a [pgx.QueryTracer] that closes connections.
type cutter struct{ on atomic.Bool }

func (c *cutter) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	outside := conn.PgConn().TxStatus() == 'I'
	begins := strings.HasPrefix(data.SQL, "begin")
	if c.on.Load() && (data.SQL == "commit" || outside && !begins) {
		_ = conn.PgConn().Conn().Close() // what is sent next fails
	}
	return ctx
}

func (*cutter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
