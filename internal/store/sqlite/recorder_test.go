package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"modernc.org/sqlite"
)

// statement is what was sent to SQLite, and its arguments.
type statement struct {
	text string
	args []any
}

// recorder is a driver that notes the statements on their way to SQLite's own.
type recorder struct {
	sqlite.Driver

	mu    sync.Mutex
	heard []statement // under mu
}

// startRecorder gives a recorder, and the name under which the handles find it.
func startRecorder(tb testing.TB) (*recorder, string) {
	tb.Helper()
	r, name := &recorder{}, "recorder "+uuid.NewString()
	sql.Register(name, r)
	return r, name
}

// take gives what was heard since the last time, each text once.
func (r *recorder) take() []statement {
	r.mu.Lock()
	defer r.mu.Unlock()
	var heard []statement
	for _, s := range r.heard {
		if !slices.ContainsFunc(heard, func(known statement) bool { return known.text == s.text }) {
			heard = append(heard, s)
		}
	}
	r.heard = nil
	return heard
}

func (r *recorder) note(text string, args []driver.NamedValue) {
	s := statement{text: text}
	for _, arg := range args {
		s.args = append(s.args, arg.Value)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, s)
}

// Open implements [driver.Driver].
func (r *recorder) Open(dsn string) (driver.Conn, error) {
	conn, err := r.Driver.Open(dsn)
	if err != nil {
		return nil, err
	}
	return recordedConn{conn.(sqliteConn), r}, nil
}

// sqliteConn is what database/sql asks of a connection to SQLite.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
}

type recordedConn struct {
	sqliteConn
	recorder *recorder
}

func (c recordedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.recorder.note(query, args)
	return c.sqliteConn.ExecContext(ctx, query, args)
}

func (c recordedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.recorder.note(query, args)
	return c.sqliteConn.QueryContext(ctx, query, args)
}

func (c recordedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	prepared, err := c.sqliteConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return recordedStmt{prepared.(sqliteStmt), query, c.recorder}, nil
}

// sqliteStmt is what database/sql asks of a prepared statement.
type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type recordedStmt struct {
	sqliteStmt
	query    string
	recorder *recorder
}

func (s recordedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.recorder.note(s.query, args)
	return s.sqliteStmt.ExecContext(ctx, args)
}

func (s recordedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.recorder.note(s.query, args)
	return s.sqliteStmt.QueryContext(ctx, args)
}
