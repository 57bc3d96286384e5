package db

import (
	"context"
	"database/sql"
	"io"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
)

// UpOne applies the next migration and no other.
func (d *Database) UpOne(ctx context.Context) error {
	return d.run(ctx, d.resume, func(m *migrate.Migrate) error { return m.Steps(1) })
}

// WaitForTurn sets how long operations wait for one that runs elsewhere.
func (d *Database) WaitForTurn(turn time.Duration) { d.turn = turn }

// LockAfter opens a driver and asks it for the lock between migrations, when between
// has run. It returns as Lock does.
func (d *Database) LockAfter(ctx context.Context, between func()) error {
	pool, err := d.connect(ctx, changing)
	if err != nil {
		return err
	}
	driver, err := d.driver(pool)
	if err != nil {
		return err
	}
	defer driver.Close()
	between()
	return driver.Lock()
}

// Settings reads settings of Postgres as they are while an operation changes something.
func (d *Database) Settings(ctx context.Context, query string, into ...any) error {
	pool, err := d.connect(ctx, changing)
	if err != nil {
		return err
	}
	defer pool.Close()
	return pool.QueryRowContext(ctx, query).Scan(into...)
}

// Turn is how long operations wait for one that runs elsewhere.
func (d *Database) Turn() time.Duration { return d.turn }

// Ping asks for an answer with no limit but the connection's own.
func (d *Database) Ping() error {
	pool, err := d.open(reading)
	if err != nil {
		return err
	}
	defer pool.Close()
	return pool.Ping()
}

// Judge is what is decided about the last migration.
func (s Status) Judge() (name string, whole int) {
	verdict, whole := s.judge()
	return [...]string{ended: "ended", misnoted: "misnoted", undone: "undone", done: "done", others: "others", unproven: "unproven"}[verdict], whole
}

// A Moment of a migration is one at which it may be killed.
type Moment string

// The moments.
const (
	Begun     Moment = "begun"     // it is noted as begun
	Within    Moment = "within"    // all of its statements are done, and not committed
	Committed Moment = "committed" // and not noted as done
)

// Moments are all there are.
var Moments = []Moment{Begun, Within, Committed}

// DieAt has operations call die at a moment of their nth migration. If die returns, the
// operation has no say in the database any more.
func (d *Database) DieAt(moment Moment, n int, die func() error) {
	open := d.driver
	d.driver = func(pool *sql.DB) (database.Driver, error) {
		driver, err := open(pool)
		return &mortal{Driver: driver, moment: moment, left: n, die: die, dialect: d.dialect}, err
	}
}

type mortal struct {
	database.Driver
	moment  Moment
	left    int // migrations until it dies
	die     func() error
	dialect string
}

func (m *mortal) SetVersion(version int, dirty bool) error {
	if m.left == 1 && m.moment == Committed && !dirty {
		return m.die()
	}
	err := m.Driver.SetVersion(version, dirty)
	if m.left == 1 && m.moment == Begun && dirty {
		return m.die()
	}
	if !dirty {
		m.left--
	}
	return err
}

func (m *mortal) Run(migration io.Reader) error {
	if m.left != 1 || m.moment != Within {
		return m.Driver.Run(migration)
	}
	last := `SELECT die();` // which a process that is to die at once defines
	if m.dialect == "postgres" {
		last = `SELECT pg_terminate_backend(pg_backend_pid());`
	}
	_ = m.Driver.Run(io.MultiReader(migration, strings.NewReader(last)))
	return m.die()
}
