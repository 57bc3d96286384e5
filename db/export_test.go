package db

import (
	"context"
	"time"

	"github.com/golang-migrate/migrate/v4"
)

// UpOne applies the next migration and no other.
func (d *Database) UpOne(ctx context.Context) error {
	return d.run(ctx, func(m *migrate.Migrate) error { return m.Steps(1) })
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
