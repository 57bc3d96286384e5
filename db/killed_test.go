package db_test

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	modernc "modernc.org/sqlite"

	"github.com/mintmark-auth/mintmark/db"
)

// What a child of the tests is told in its environment.
const (
	dyingAt     = "TEST_DYING_AT"     // the file or the URL of its database
	dyingIn     = "TEST_DYING_IN"     // the moment
	dyingOnWay  = "TEST_DYING_ON_WAY" // up or down
	childrenDie = 2                   // at their second migration
)

// die migrates a database and is killed on the way: this process is a child of the tests.
func die(place string) {
	kill := func() error {
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err != nil {
			return err
		}
		select {} // until it takes effect
	}
	modernc.MustRegisterFunction("die", &modernc.FunctionImpl{
		Scalar: func(*modernc.FunctionContext, []driver.Value) (driver.Value, error) { return nil, kill() },
	})
	d, err := db.SQLite(place), error(nil)
	if strings.Contains(place, "://") {
		d, err = db.Postgres(place)
	}
	if err == nil {
		d.DieAt(db.Moment(os.Getenv(dyingIn)), childrenDie, kill)
		err = way(d, os.Getenv(dyingOnWay))
	}
	fmt.Fprintln(os.Stderr, "it lives on:", err)
	os.Exit(1)
}

// way goes all the way up or down.
func way(d *db.Database, direction string) error {
	if direction == "up" {
		return d.Up(context.Background())
	}
	return d.Down(context.Background(), 6)
}

// TestAMigrationThatWasKilledIsGoneOnWith, whichever it was, and whether or not it was committed.
func TestAMigrationThatWasKilledIsGoneOnWith(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		latest := d.latest(t)
		for n := 1; n <= latest; n++ {
			for _, moment := range []db.Moment{db.Within, db.Committed} {
				d.dies(t, "up", moment, n)
				d.assertGoesOn(t, n-1, n, moment)
				d.dies(t, "down", moment, n)
				d.assertGoesOn(t, latest-n+1, latest-n, moment)
				d.down(t, latest)
			}
		}
	})
}

// dies goes a way until it dies of its nth migration.
func (d target) dies(t *testing.T, direction string, moment db.Moment, n int) {
	t.Helper()
	dying := d.again(t)
	dying.DieAt(moment, n, func() error { return errors.New("it died") })
	if err := way(dying, direction); err == nil {
		t.Fatalf("%s, %s, %d: it lives on", direction, moment, n)
	}
}

// TestAKilledProcessIsGoneOnAfter: nothing of it is left to clean up.
func TestAKilledProcessIsGoneOnAfter(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		latest := d.latest(t)
		for _, moment := range db.Moments {
			d.child(t, "up", moment)
			d.assertGoesOn(t, childrenDie-1, childrenDie, moment)
			d.child(t, "down", moment)
			d.assertGoesOn(t, latest-childrenDie+1, latest-childrenDie, moment)
			d.down(t, latest)
		}
	})
}

// TestUpWaitsForTheMigrationOfAKilledProcess: its backend works on, and holds the lock between
// migrations until it is done. What it did is neither done again nor taken back.
func TestUpWaitsForTheMigrationOfAKilledProcess(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	for range childrenDie - 1 {
		d.upOne(t)
	}
	release := d.write(t, "signing_keys") // which the next migration needs for itself
	child := d.spawn(t, "up", "")         // it does not die by itself
	died := make(chan error, 1)
	go func() { died <- child.Wait() }()
	d.waiting(t, died)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := within(t, func() error { return <-died }); err == nil {
		t.Error("it was not killed")
	}

	ended := make(chan error, 1)
	go func() { ended <- d.Up(t.Context()) }()
	d.waitingFor(t, "advisory", ended)
	if got := d.status(t); !got.Dirty || len(got.Records) != childrenDie-1 {
		t.Errorf("%v while the backend works", got)
	}
	release()
	if err := within(t, func() error { return <-ended }); err != nil {
		t.Error(err)
	}
	d.assertLatest(t)
}

// child runs a process until it is killed.
func (d target) child(t *testing.T, direction string, moment db.Moment) {
	t.Helper()
	child := d.spawn(t, direction, moment)
	if err := within(t, child.Wait); err == nil || child.ProcessState.Exited() {
		t.Fatalf("%s, %s: %v, and it was not killed: %s", direction, moment, err, child.Stderr)
	}
}

// spawn starts a process that goes a way and is killed at a moment.
func (d target) spawn(t *testing.T, direction string, moment db.Moment) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), dyingAt+"="+d.place(t), dyingIn+"="+string(moment), dyingOnWay+"="+direction)
	child.Stderr = new(bytes.Buffer)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child
}

// place is the URL or the file of the database.
func (d target) place(t *testing.T) string {
	t.Helper()
	if d.isSQLite(t) {
		return d.lines(t, `SELECT file FROM pragma_database_list WHERE name = 'main'`)[0]
	}
	return d.url
}

// again is the same place for another caller.
func (d target) again(t *testing.T) *db.Database {
	t.Helper()
	if d.isSQLite(t) {
		return db.SQLite(d.place(t))
	}
	return postgresAt(t, d.place(t))
}

// assertGoesOn wants Up to go on after a migration that was killed at a moment, and to say so;
// before that, the schema serves if it is the latest.
func (d target) assertGoesOn(t *testing.T, from, to int, moment db.Moment) {
	t.Helper()
	at := fmt.Sprintf("from %d to %d, %s:", from, to, moment)
	whole, says := from, fmt.Sprintf("a migration to version %d was begun and has not ended; by its records the schema is whole at version %d", to, from)
	if moment == db.Committed {
		whole, says = to, fmt.Sprintf("a migration to version %d is done, and was not noted as done", to)
	}
	if got := d.status(t); !got.Dirty || got.Version != to || len(got.Records) != whole || !strings.HasPrefix(got.Unended(), says) {
		t.Errorf("%s %v\nwant: %s", at, got, says)
	}
	if err := d.Check(t.Context()); (err == nil) != (whole == d.latest(t)) {
		t.Errorf("%s whole at version %d of %d: %v", at, whole, d.latest(t), err)
	}
	var told []string
	d.Tell = func(line string) { told = append(told, line) }
	d.up(t)
	if want := []string{fmt.Sprintf("%s; going on from version %d", says, whole)}; !cmp.Equal(told, want) {
		t.Errorf("%s told %q, want %q", at, told, want)
	}
	d.assertLatest(t)
}

// assertLatest wants the schema that there is where nothing was killed.
func (d target) assertLatest(t *testing.T) {
	t.Helper()
	if got, latest := d.status(t), d.latest(t); got.Dirty || got.Version != latest {
		t.Errorf("%v", got)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "schema", d.dialect(t), fmt.Sprintf("%04d.txt", d.latest(t))))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(d.schema(t), "\n")); diff != "" {
		t.Errorf("the schema (-want +got):\n%s", diff)
	}
}
