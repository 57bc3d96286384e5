package db

import (
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
)

// outcome is what became of the last migration.
type outcome int

const (
	ended    outcome = iota // it is done, and noted as done
	misnoted                // it is noted as done, and the records say otherwise
	undone                  // it has not ended, and has left nothing
	done                    // it is done, and not noted as done
	others                  // undone or done, and only a newer binary knows it
	unproven                // it has not ended, and the records don't say what it left
)

// judge decides what became of the last migration, and at which version the schema is whole.
//
// A migration to a version, up from the one before or down from the one after, is noted as
// dirty before it begins and as clean once it is done. In between, it changes the tables and
// its record in one transaction. So if it was killed, the records tell which of the three
// neighbouring versions is there, whole.
func (s Status) judge() (outcome, int) {
	whole, proven := s.whole()
	switch apart := s.Version - whole; {
	case !s.Dirty && apart == 0:
		return ended, whole
	case !s.Dirty:
		return misnoted, whole
	case !proven || apart < -1 || apart > 1:
		return unproven, whole
	case max(s.Version, whole) > s.Latest:
		return others, whole
	case apart == 0:
		return done, whole
	default:
		return undone, whole
	}
}

// whole returns the last version on record, and whether the records are such as migrations
// leave: of all versions up to that one, or no table of records.
func (s Status) whole() (last int, proven bool) {
	proven = s.Records == nil || len(s.Records) > 0
	for i, version := range s.Records {
		last, proven = version, proven && version == i+1
	}
	return last, proven
}

// found says in a few words what became of a migration that has not ended.
func (s Status) found() string {
	whole, _ := s.whole()
	if s.Version == whole {
		return fmt.Sprintf("a migration to version %d is done, and was not noted as done", s.Version)
	}
	return fmt.Sprintf("a migration to version %d was begun and has not ended; by its records the schema is whole at version %d", s.Version, whole)
}

// Unended says that a migration has not ended, and what to do about it; "" if all have.
func (s Status) Unended() string {
	switch outcome, whole := s.judge(); outcome {
	case undone, done:
		return fmt.Sprintf("%s; run `mintmark migrate up`, which goes on from there, or `mintmark migrate force %d`, which stays there", s.found(), whole)
	case others:
		return s.found() + "; run `mintmark migrate up` of the newer mintmark, which goes on from there"
	case unproven:
		return fmt.Sprintf("a migration to version %d was begun and has not ended, and the records, which are of versions %v, don't prove what it left; see what is there, then run `mintmark migrate force %d` and `mintmark migrate up`",
			s.Version, s.Records, whole)
	default:
		return ""
	}
}

// Complete reports that Up has nothing to do: a newer schema that serves this binary is left alone.
func (s Status) Complete() bool {
	outcome, _ := s.judge()
	return s.Verdict() == nil && (outcome == ended || outcome == others)
}

// StateOf says in a word or two where a migration stands.
func (s Status) StateOf(m Migration) string {
	outcome, whole := s.judge()
	switch {
	case outcome == undone && m.Version == max(s.Version, whole):
		return "broke off" // on the way up if it is the version, else on the way down
	case outcome == done && m.Version == s.Version:
		return "done, not noted"
	case m.Applied:
		return "applied"
	default:
		return "missing"
	}
}

// halfway is the error of an operation that needs all migrations to have ended.
func (s Status) halfway() error { return fmt.Errorf("%w: %s", ErrSchemaDirty, s.Unended()) }

// resuming is a driver that goes on after a migration that has not ended. golang-migrate asks
// for the version under its lock, so whoever began that migration no longer runs.
type resuming struct {
	database.Driver
	status func() (Status, error)
	tell   func(string)
}

// Version returns the version to go on from.
func (r resuming) Version() (version int, dirty bool, err error) {
	status, err := r.status()
	if err != nil {
		return 0, false, err
	}
	switch outcome, whole := status.judge(); outcome {
	case undone, done:
		if err := r.SetVersion(written(whole), false); err != nil {
			return 0, false, err
		}
		r.tell(fmt.Sprintf("%s; going on from version %d", status.found(), whole))
		return written(whole), false, nil
	case others:
		return 0, false, migrate.ErrNoChange
	case misnoted:
		return 0, false, status.Verdict()
	default: // golang-migrate refuses what is dirty
		return written(status.Version), status.Dirty, nil
	}
}

// written is how golang-migrate writes a version.
func written(version int) int {
	if version == 0 {
		return database.NilVersion
	}
	return version
}
