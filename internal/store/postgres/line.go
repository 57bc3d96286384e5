package postgres

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mintmark-auth/mintmark/internal/dial"
)

// hangUpWithin is how long pgx may take to end a connection in good order, once a call on it was given up: it asks the
// server to stop working, and waits for the server to hang up. A server that is silent does neither, and pgx would wait
// for 15 s, in which no other connection may take the place of this one.
const hangUpWithin = 500 * time.Millisecond

// line is one connection as the network sees it: its own socket, and that of the request to stop working.
type line struct {
	dialer *net.Dialer
	up     context.Context // all sockets are closed when it ends
	cut    context.CancelFunc
}

// lineKey is where a connection keeps its line.
const lineKey = "line"

// overLines has the pool give up a silent connection's place at once.
func (s *Store) overLines(settings *pgxpool.Config) {
	dialer := dial.Dialer(settings.ConnConfig.ConnectTimeout)
	settings.ConnConfig.DialFunc = dialer.DialContext
	settings.BeforeConnect = func(_ context.Context, own *pgx.ConnConfig) error {
		l := &line{dialer: dialer}
		l.up, l.cut = context.WithCancel(context.Background())
		own.DialFunc = l.dial
		if s.pooled.Load() {
			throughPooler(own)
		}
		own.AfterConnect = func(_ context.Context, conn *pgconn.PgConn) error {
			conn.CustomData()[lineKey] = l
			return nil
		}
		return nil
	}
	settings.BeforeClose = func(conn *pgx.Conn) {
		if l, ok := conn.PgConn().CustomData()[lineKey].(*line); ok && conn.IsClosed() {
			l.hangUp(conn.PgConn().CleanupDone())
		}
	}
}

// dial makes one more socket of the line.
func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.up, cancel)()
	conn, err := l.dialer.DialContext(ctx, network, address)
	if err == nil {
		context.AfterFunc(l.up, func() { _ = conn.Close() }) // whoever uses it hears of that
	}
	return conn, err
}

// hangUp closes the sockets as soon as pgx is done with them, or has had its time.
func (l *line) hangUp(done <-chan struct{}) {
	patience := time.NewTimer(hangUpWithin)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
	}
	l.cut()
}
