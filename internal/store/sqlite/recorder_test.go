package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"modernc.org/sqlite"

	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

// statement is what was sent to SQLite, and its arguments.
type statement struct {
	text string
	args []any
}

// recorder is a driver that notes the statements on their way to SQLite's own, and has
// them fail.
type recorder struct {
	sqlite.Driver

	mu     sync.Mutex
	heard  []statement // under mu
	fault  fault       // under mu
	from   int         // under mu: the first statement that fails; 0: none does
	sent   int         // under mu: since from was set, of those that the fault can meet
	failed bool        // under mu
}

// fault is the way in which statements fail.
type fault int

const (
	refused    fault = iota // the statement is not run
	brokenOff               // the rows break off
	unreadable              // the rows hold something else
)

// spares reports whether the call has no rows that could fail in that way.
func (f fault) spares(call storetest.Call) bool {
	if call.Name == "Now" { // the clock is this process's
		return true
	}
	return f != refused && slices.Contains(readNothing, call.Name) || f == unreadable && slices.Contains(findNothing, call.Name)
}

var (
	readNothing = []string{
		"AppendEvents", "DeleteUser", "DisableClient", "DisableUser", "EnableClient", "EnableUser", "ReplaceHash", "RevokeAll", "SaveCheckpoints", "SetPassword",
	}
	findNothing = []string{"Users", "Sessions of everybody", "Sessions of a user", "Events of a request", "MoveEvents", "SigningKeys"}
)

var errInjected = errors.New("injected")

func (r *recorder) fail(how fault, from int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault, r.from, r.sent, r.failed = how, from, 0, false
}

func (r *recorder) heal() (sent int, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.from = 0
	return r.sent, r.failed
}

// meets reports whether a statement fails in that way.
func (r *recorder) meets(how fault) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.from == 0 || r.fault != how {
		return false
	}
	r.sent++
	return r.sent >= r.from
}

func (r *recorder) hasFailed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
}

// refuse is called before each statement.
func (r *recorder) refuse() error {
	if !r.meets(refused) {
		return nil
	}
	r.hasFailed()
	return errInjected
}

// rows is called with the rows of each query.
func (r *recorder) rows(rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, err
	}
	return faultyRows{rows, r, r.meets(brokenOff), r.meets(unreadable)}, nil
}

type faultyRows struct {
	driver.Rows
	recorder                *recorder
	breakOff, areUnreadable bool
}

// Next implements [driver.Rows].
func (f faultyRows) Next(row []driver.Value) error {
	if f.breakOff {
		f.recorder.hasFailed()
		return errInjected
	}
	err := f.Rows.Next(row)
	if err == nil && f.areUnreadable {
		f.recorder.hasFailed()
		for i := range row {
			row[i] = struct{}{}
		}
	}
	return err
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
	if err := c.recorder.refuse(); err != nil {
		return nil, err
	}
	return c.sqliteConn.ExecContext(ctx, query, args)
}

func (c recordedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.recorder.note(query, args)
	if err := c.recorder.refuse(); err != nil {
		return nil, err
	}
	return c.recorder.rows(c.sqliteConn.QueryContext(ctx, query, args))
}

func (c recordedConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if err := c.recorder.refuse(); err != nil {
		return nil, err
	}
	return c.sqliteConn.BeginTx(ctx, options)
}

func (c recordedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.recorder.refuse(); err != nil {
		return nil, err
	}
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
	if err := s.recorder.refuse(); err != nil {
		return nil, err
	}
	return s.sqliteStmt.ExecContext(ctx, args)
}

func (s recordedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.recorder.note(s.query, args)
	if err := s.recorder.refuse(); err != nil {
		return nil, err
	}
	return s.recorder.rows(s.sqliteStmt.QueryContext(ctx, args))
}
