package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/db"
)

func TestRacingUpsOnPostgresAreSafe(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := d.Up(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := d.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAMigrationDoesNotQueueBehindALock, with everybody behind it: where a table is
// written to, each step up or down either needs no more than its writers leave it, or
// gives up, has changed nothing and says what to do.
func TestAMigrationDoesNotQueueBehindALock(t *testing.T) {
	t.Parallel()
	latest := sqlite(t).latest(t)
	for version := 1; version <= latest; version++ {
		t.Run(fmt.Sprint("down from ", version), func(t *testing.T) {
			t.Parallel()
			givesUp(t, version, func(d target) error { return d.Down(t.Context(), 1) })
		})
		if version < latest {
			t.Run(fmt.Sprint("up from ", version), func(t *testing.T) {
				t.Parallel()
				givesUp(t, version, func(d target) error { return d.UpOne(t.Context()) })
			})
		}
	}
}

// givesUp takes a step from a version while all tables are written to.
func givesUp(t *testing.T, version int, step func(target) error) {
	t.Helper()
	d := postgres(t)
	for range version {
		d.upOne(t)
	}
	before := d.schema(t)
	release := d.write(t, d.tables(t)...)
	err := within(t, func() error { return step(d) })
	if err == nil {
		return
	}
	release()
	if !errors.Is(err, db.ErrSchemaDirty) || !strings.Contains(err.Error(), "lock timeout") {
		t.Fatalf("got %v, want a lock timeout and %v", err, db.ErrSchemaDirty)
	}
	if diff := cmp.Diff(before, d.schema(t)); diff != "" {
		t.Fatalf("something was changed:\n%s", diff)
	}
	d.obey(t, err)
	if err := within(t, func() error { return step(d) }); err != nil {
		t.Errorf("again, as it says: %v", err)
	}
}

// TestTheMigrationOfTheStatusListsGivesUp: that it needs the sessions for itself is what
// the limit is for.
func TestTheMigrationOfTheStatusListsGivesUp(t *testing.T) {
	t.Parallel()
	d := postgres(t).up(t)
	d.down(t, d.latest(t)-2)
	d.write(t, "sessions")
	if err := within(t, func() error { return d.Up(t.Context()) }); err == nil || !strings.Contains(err.Error(), "lock timeout") {
		t.Errorf("got %v, want a lock timeout", err)
	}
}

// write locks tables as a transaction does that has written to them, until release or
// the end of the test.
func (d target) write(t *testing.T, tables ...string) (release func()) {
	t.Helper()
	busy, err := d.sql.BeginTx(t.Context(), nil)
	if err == nil {
		_, err = busy.ExecContext(t.Context(), `LOCK TABLE `+strings.Join(tables, ", ")+` IN ROW EXCLUSIVE MODE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d.ending(t, busy)
}

func (d target) ending(t *testing.T, busy *sql.Tx) (release func()) {
	t.Helper()
	release = sync.OnceFunc(func() { _ = busy.Rollback() }) // the end of the test may have been quicker
	t.Cleanup(release)
	return release
}

// within does something that must end by itself.
func within(t *testing.T, do func() error) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(limit):
		t.Fatal("it does not end")
		return nil
	}
}

// holdTurn takes the lock between migrations, as one that runs elsewhere.
func (d target) holdTurn(t *testing.T) (release func()) {
	t.Helper()
	lock, err := database.GenerateAdvisoryLockId(d.lines(t, `SELECT current_database()`)[0], "public", "schema_migrations")
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.sql.BeginTx(t.Context(), nil)
	if err == nil {
		_, err = other.ExecContext(t.Context(), `SELECT pg_advisory_xact_lock(`+lock+`)`)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d.ending(t, other)
}

// TestAnOperationWaitsForItsTurnForABoundedTime, and then says why it did not begin.
func TestAnOperationWaitsForItsTurnForABoundedTime(t *testing.T) {
	t.Parallel()
	d := postgres(t).up(t)
	if got := d.Turn(); got != time.Minute {
		t.Errorf("it waits %v, want a minute", got)
	}
	d.WaitForTurn(100 * time.Millisecond)
	const says = "another migration has been running for more than 100ms; run this again"
	release := d.holdTurn(t)
	for name, operation := range map[string]func() error{
		"up":    func() error { return d.Up(t.Context()) },
		"down":  func() error { return d.Down(t.Context(), 1) },
		"force": func() error { return d.Force(t.Context(), 1) },
	} {
		if err := within(t, operation); !errors.Is(err, db.ErrUnavailable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %v: %s", name, err, db.ErrUnavailable, says)
		}
	}
	if err := d.Check(t.Context()); err != nil {
		t.Errorf("meanwhile: %v", err)
	}
	release()
	err := within(t, func() error { return d.LockAfter(t.Context(), func() { d.holdTurn(t) }) })
	if !errors.Is(err, db.ErrUnavailable) || !strings.Contains(err.Error(), says) {
		t.Errorf("where another was quicker: got %v, want %v: %s", err, db.ErrUnavailable, says)
	}
}

// TestTheTurnOfAMachineThatVanishedPasses while others still wait for it. A local process does not vanish.
func TestTheTurnOfAMachineThatVanishedPasses(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	const query = `SELECT inet_client_addr() IS NULL, current_setting('tcp_keepalives_idle')::int
		+ current_setting('tcp_keepalives_interval')::int * current_setting('tcp_keepalives_count')::int,
		current_setting('tcp_user_timeout')::int / 1000`
	var local bool
	var silent, unanswered int
	if err := d.Settings(t.Context(), query, &local, &silent, &unanswered); err != nil {
		t.Fatal(err)
	}
	if !local && (silent != 25 || unanswered != 25) {
		t.Errorf("a silent one is given up after %d s, one that takes nothing after %d s; want 25 s, less than %s", silent, unanswered, d.Turn())
	}
}

// TestAnOperationWaitsForOneThatEnds within its time.
func TestAnOperationWaitsForOneThatEnds(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	release := d.holdTurn(t)
	ended := make(chan error, 1)
	go func() { ended <- d.Up(t.Context()) }()
	d.waiting(t, ended)
	release()
	if err := within(t, func() error { return <-ended }); err != nil {
		t.Error(err)
	}
}

// waiting returns when one waits for a lock that another holds. It must not end before.
func (d target) waiting(t *testing.T, ended <-chan error) {
	t.Helper()
	d.waitingFor(t, "%", ended)
}

// waitingFor is waiting for a lock of some kind.
func (d target) waitingFor(t *testing.T, kind string, ended <-chan error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		select {
		case err := <-ended:
			t.Fatalf("it has ended: %v; want it to wait", err)
		case <-deadline:
			t.Fatal("nobody waits")
		case <-tick.C:
		}
		query := `SELECT count(*)::text FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database() AND locktype LIKE '` + kind + `'`
		if d.lines(t, query)[0] != "0" {
			return
		}
	}
}

// TestAnInterruptFinishesTheMigrationUnderWay, and begins no other.
func TestAnInterruptFinishesTheMigrationUnderWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		version int    // where it begins
		table   string // what the next migration has to wait for
		change  func(target, context.Context) error
		want    int
		done    bool
	}{
		{"up", 1, "signing_keys", func(d target, ctx context.Context) error { return d.Up(ctx) }, 2, false},
		{"up by the last", 5, "users", func(d target, ctx context.Context) error { return d.Up(ctx) }, 6, true},
		{"down", 4, "sessions", func(d target, ctx context.Context) error { return d.Down(ctx, 2) }, 3, false},
		{"down by the last", 4, "sessions", func(d target, ctx context.Context) error { return d.Down(ctx, 1) }, 3, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := postgres(t)
			for range c.version {
				d.upOne(t)
			}
			release := d.write(t, c.table)
			ctx, leave := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.change(d, ctx) }()
			d.waiting(t, ended)
			leave()
			release()
			err := within(t, func() error { return <-ended })
			if status := d.status(t); status.Version != c.want || status.Dirty {
				t.Errorf("%v; want version %d", status, c.want)
			}
			if done := err == nil; done != c.done || (!done && !errors.Is(err, context.Canceled)) {
				t.Errorf("got %v, want it done: %v", err, c.done)
			}
		})
	}
}

// TestAnInterruptedFailureSaysHowToRepairIt: there is nobody else to tell.
func TestAnInterruptedFailureSaysHowToRepairIt(t *testing.T) {
	t.Parallel()
	d := postgres(t).up(t)
	d.down(t, d.latest(t)-2)
	release := d.write(t, "sessions")
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Up(ctx) }()
	d.waiting(t, ended)
	leave()
	err := within(t, func() error { return <-ended })
	if !errors.Is(err, db.ErrSchemaDirty) {
		t.Fatalf("got %v, want %v", err, db.ErrSchemaDirty)
	}
	release()
	d.obey(t, err)
	d.up(t)
}

// TestAnOperationOnSQLiteWaitsForTheWriter, for five seconds, and then gives up and has changed nothing.
func TestAnOperationOnSQLiteWaitsForTheWriter(t *testing.T) {
	t.Parallel()
	d := sqlite(t).up(t)
	latest := d.latest(t)
	busy, err := d.sql.BeginTx(t.Context(), nil)
	if err == nil {
		_, err = busy.ExecContext(t.Context(), `UPDATE schema_compat SET oldest_binary = 1`)
	}
	if err != nil {
		t.Fatal(err)
	}
	release := d.ending(t, busy)
	begun := time.Now()
	err = within(t, func() error { return d.Down(t.Context(), 1) })
	if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "locked") || took < 4*time.Second {
		t.Errorf("got %v after %s, want it locked after five seconds", err, took)
	}
	release()
	if status := d.status(t); status.Version != latest || status.Dirty {
		t.Errorf("%v; want version %d", status, latest)
	}
	if err := within(t, func() error { return d.Down(t.Context(), 1) }); err != nil {
		t.Error(err)
	}
}

// TestAMigrationLocksTablesInTheOrderOfALogin, or each would wait for the other.
func TestAMigrationLocksTablesInTheOrderOfALogin(t *testing.T) {
	t.Parallel()
	const both = 4 // the migration that locks what a login locks
	for name, change := range map[string]func(target) error{
		"up":   func(d target) error { return d.UpOne(t.Context()) },
		"down": func(d target) error { return d.Down(t.Context(), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := postgres(t).up(t)
			d.down(t, d.latest(t)-both)
			if name == "up" {
				d.down(t, 1)
			}
			login, err := d.sql.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer login.Rollback() // nothing is left of it once it is committed
			if _, err := login.ExecContext(t.Context(), `SELECT id FROM clients FOR SHARE`); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- change(d) }()
			d.waiting(t, ended)
			if _, err := login.ExecContext(t.Context(), `SELECT id FROM sessions`); err != nil {
				t.Errorf("the login: %v", err)
			}
			if err := login.Commit(); err != nil {
				t.Error(err)
			}
			if err := within(t, func() error { return <-ended }); err != nil {
				t.Errorf("the migration: %v", err)
			}
		})
	}
}

// TestTheStatusIsOfOneMoment: between its version and its records no migration begins or ends.
func TestTheStatusIsOfOneMoment(t *testing.T) {
	t.Parallel()
	d := postgres(t).up(t)
	busy, err := d.sql.BeginTx(t.Context(), nil)
	if err == nil {
		_, err = busy.ExecContext(t.Context(), `LOCK TABLE schema_compat`)
	}
	if err != nil {
		t.Fatal(err)
	}
	release := d.ending(t, busy)
	ended := make(chan error, 1)
	go func() { ended <- d.Check(t.Context()) }()
	d.waiting(t, ended)
	begins, err := d.sql.BeginTx(t.Context(), nil)
	if err == nil {
		_, err = begins.ExecContext(t.Context(), `LOCK TABLE schema_migrations NOWAIT`) // as golang-migrate locks it to write a version
	}
	if err == nil || !strings.Contains(err.Error(), "could not obtain lock") {
		t.Errorf("got %v, want the version locked", err)
	}
	d.ending(t, begins)()
	release()
	if err := within(t, func() error { return <-ended }); err != nil {
		t.Error(err)
	}
}

// TestOneOfTwoTransactionsTakesALogin: the one that comes second waits for the first, and is
// refused once that is done, though neither could see the other's row.
func TestOneOfTwoTransactionsTakesALogin(t *testing.T) {
	t.Parallel()
	d := postgres(t).up(t)
	first, err := d.sql.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Rollback() // nothing is left of it once it is committed
	const insert = `INSERT INTO users (id, username, username_canonical, email, email_canonical, password_hash, created_at, sessions_valid_after)
		VALUES ($1, $2, $2, $3, $3, 'hash', now(), now())`
	if _, err := first.ExecContext(t.Context(), insert, id(1), "alice@example.com", "one@example.com"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.try(t, insert, id(2), "two", "alice@example.com") }()
	d.waitingFor(t, "advisory", ended)
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := within(t, func() error { return <-ended }); err == nil || !strings.Contains(err.Error(), "of another user") {
		t.Errorf("got %v, want it refused", err)
	}
}

// TestAMigrationNeverWaitsForALoginThatWaitsForIt: a login reads its tables before it writes to them.
func TestAMigrationNeverWaitsForALoginThatWaitsForIt(t *testing.T) {
	t.Parallel()
	latest := sqlite(t).latest(t)
	for version := 4; version <= latest; version++ { // the migrations before have tables to themselves from their first statement on
		t.Run(fmt.Sprint("down from ", version), func(t *testing.T) {
			t.Parallel()
			letsALoginEnd(t, version, func(d target) error { return d.Down(t.Context(), 1) })
		})
		if version < latest {
			t.Run(fmt.Sprint("up from ", version), func(t *testing.T) {
				t.Parallel()
				letsALoginEnd(t, version, func(d target) error { return d.UpOne(t.Context()) })
			})
		}
	}
}

// letsALoginEnd takes a step from a version between the reading and the writing of a login.
func letsALoginEnd(t *testing.T, version int, step func(target) error) {
	t.Helper()
	d := postgres(t)
	for range version {
		d.upOne(t)
	}
	login, err := d.sql.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer login.Rollback() // nothing is left of it once it is committed
	if _, err := login.ExecContext(t.Context(), `SELECT max(s.status_index) FROM users u, clients c, sessions s`); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- step(d) }()
	d.waiting(t, ended)
	if _, err := login.ExecContext(t.Context(), `UPDATE sessions SET checkpoint = checkpoint`); err != nil {
		t.Errorf("the login: %v", err)
	}
	if err := login.Commit(); err != nil {
		t.Error(err)
	}
	if err := within(t, func() error { return <-ended }); err != nil {
		t.Errorf("the migration: %v", err)
	}
}
