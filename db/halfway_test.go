package db_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mintmark-auth/mintmark/db"
)

// position is what a database says of its schema, as a value that can be compared.
type position struct {
	version int
	dirty   bool
	records string
}

func of(s db.Status) position {
	return position{s.Version, s.Dirty, fmt.Sprintf("%#v", s.Records)}
}

type finding struct {
	outcome string
	whole   int
}

const newest = 6 // of the migrations there are, of which a binary knows the first few

// upTo are the records of a schema that is whole at a version.
func upTo(version int) []int {
	var records []int // as long as there is no migration there is no table of records
	for v := 1; v <= version; v++ {
		records = append(records, v)
	}
	return records
}

// left are all positions that migrations leave, whether they end or are killed, with what is
// to be found there by a binary that knows the migrations up to latest.
func left(latest int) map[position]finding {
	all := map[position]finding{}
	for from := range newest + 1 {
		all[of(db.Status{Version: from, Records: upTo(from)})] = finding{"ended", from}
		for _, to := range []int{from - 1, from + 1} {
			if to < 0 || to > newest {
				continue
			}
			begun, committed := finding{"undone", from}, finding{"done", to}
			if max(from, to) > latest {
				begun.outcome = "others"
			}
			if to > latest {
				committed.outcome = "others"
			}
			all[of(db.Status{Version: to, Dirty: true, Records: upTo(from)})] = begun
			all[of(db.Status{Version: to, Dirty: true, Records: upTo(to)})] = committed
		}
	}
	return all
}

// everyStatus calls do with every version, dirty or not, and every set of records.
func everyStatus(latest int, do func(db.Status)) {
	for version := range newest + 1 {
		for _, dirty := range []bool{false, true} {
			do(db.Status{Version: version, Latest: latest, Dirty: dirty})
			for set := range 1 << newest {
				records := []int{}
				for v := range newest {
					if set&(1<<v) != 0 {
						records = append(records, v+1)
					}
				}
				do(db.Status{Version: version, Latest: latest, Dirty: dirty, Records: records})
			}
		}
	}
}

// TestTheRecordsProveWhatAKilledMigrationLeft, and nothing else is taken for proof.
func TestTheRecordsProveWhatAKilledMigrationLeft(t *testing.T) {
	t.Parallel()
	for latest := 1; latest <= newest; latest++ {
		known, seen := left(latest), 0
		everyStatus(latest, func(s db.Status) {
			last := 0
			if len(s.Records) > 0 {
				last = s.Records[len(s.Records)-1]
			}
			want, possible := known[of(s)]
			switch {
			case possible:
				seen++
			case s.Dirty:
				want = finding{"unproven", last}
			case s.Version == last: // somebody forced it, and answers for it
				want = finding{"ended", last}
			default:
				want = finding{"misnoted", last}
			}
			outcome, whole := s.Judge()
			if got := (finding{outcome, whole}); got != want {
				t.Errorf("%+v: %v, want %v", s, got, want)
			}
		})
		if seen != len(known) {
			t.Errorf("%d of %d positions were visited", seen, len(known))
		}
	}
}

// TestASchemaServesWhereItsRecordsProveIt, whether or not the last migration has ended.
func TestASchemaServesWhereItsRecordsProveIt(t *testing.T) {
	t.Parallel()
	for latest := 1; latest <= newest; latest++ {
		everyStatus(latest, func(s db.Status) {
			for oldest := 1; oldest <= newest; oldest++ {
				s.OldestBinary = oldest
				outcome, whole := s.Judge()
				proven := outcome != "unproven" && outcome != "misnoted"
				err := s.Verdict()
				if serves := proven && whole >= latest && oldest <= latest; serves != (err == nil) {
					t.Errorf("%+v: %v", s, err)
				}
				if !proven && !errors.Is(err, db.ErrSchemaDirty) {
					t.Errorf("%+v: %v, want %v", s, err, db.ErrSchemaDirty)
				}
			}
			outcome, _ := s.Judge()
			if silent := outcome == "ended" || outcome == "misnoted"; silent != (s.Unended() == "") {
				t.Errorf("%+v: %q", s, s.Unended())
			}
		})
	}
}
