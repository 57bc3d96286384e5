package revocation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// noon is the time of the lists in these tests.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func row(index int64, ago time.Duration) Revoked { return Revoked{Index: index, At: noon.Add(-ago)} }

// arrived is the naive record: all rows that ever came, in the order in which they did.
type arrived []Revoked

// bits are what is set after these rows, by index: of rows that share one, the first.
func (a arrived) bits() map[int64]time.Time {
	set := make(map[int64]time.Time)
	for _, r := range a {
		_, known := set[r.Index]
		left := beginOf(int(r.Index/session.StatusListSize), epochOf(int(r.Index/session.StatusListSize), noon)).Add(-Window)
		if !known && r.Index >= 0 && r.Index <= session.MaxStatusIndex && r.At.After(left) {
			set[r.Index] = r.At
		}
	}
	return set
}

func (r *record) bits() map[int64]time.Time {
	set := make(map[int64]time.Time)
	for n, list := range r.revoked {
		for i, b := range list {
			set[int64(n)*session.StatusListSize+i] = b.time()
		}
	}
	return set
}

// TestARecordIsTheSetOfAllRows, in whatever order, however often and in whatever pages
// they come: all sequences of four rows, of one moment, of one index, of another list,
// of no possible index and of the edge of the window.
func TestARecordIsTheSetOfAllRows(t *testing.T) {
	t.Parallel()
	edge := leftBefore(0, epochOf(0, noon))
	rows := []Revoked{
		row(0, 0), row(0, time.Minute), row(7, time.Minute), row(session.StatusListSize, time.Second),
		row(-1, 0), row(session.MaxStatusIndex+1, 0), {Index: 8, At: edge}, {Index: 9, At: edge.Add(time.Microsecond)},
	}
	for code := range 8 * 8 * 8 * 8 {
		sequence := []Revoked{rows[code%8], rows[code/8%8], rows[code/64%8], rows[code/512]}
		wantSet(t, sequence)
		wantSet(t, sequence[:1], sequence[1:3], nil, sequence[3:])
		wantSet(t, sequence[:2], sequence[2:3], sequence[3:])
	}
}

// wantSet merges the pages, and compares each time.
func wantSet(t *testing.T, pages ...[]Revoked) {
	t.Helper()
	r, all := newRecord(), arrived(nil)
	for _, rows := range pages {
		before := all.bits()
		all = append(all, rows...)
		want := all.bits()
		clear(r.changed)
		r.merge(page{Page: Page{Rows: 9}, Reading: Reading{Now: noon, Revoked: rows}, time: noon})
		if got := r.bits(); !maps.Equal(got, want) {
			t.Fatalf("pages %v: %v, want %v", pages, got, want)
		}
		changed := make(map[int]bool)
		for index := range want {
			if _, known := before[index]; !known {
				changed[int(index/session.StatusListSize)] = true
			}
		}
		if !maps.Equal(r.changed, changed) {
			t.Fatalf("pages %v: lists %v are changed, want %v", pages, r.changed, changed)
		}
	}
}

// course is a course of things: rows that can be seen from some reading on, the length of
// the pages, and a page at which the database is down.
type course struct {
	rows     []Revoked
	seen     []int // the reading from which on each can be seen
	length   int
	down     int  // the page, counted through all readings; or -1
	expected bool // whether a row is expected as soon as it can be seen

	record
	pending []int64 // what the next reading is to find
	pages   int
	first   bool // no reading has got to the end
	began   int  // the first reading that got anywhere
}

// newCourse gives each of five rows one of two moments, and of two readings.
func newCourse(code, length, down int) *course {
	c := &course{record: newRecord(), length: length, down: down, first: true}
	for i := range int64(5) {
		c.rows = append(c.rows, row(i, time.Duration(code%2)*time.Minute))
		c.seen = append(c.seen, code/2%2)
		code /= 4
	}
	return c
}

// latestFirst is the order of the pages.
func latestFirst(a, b Revoked) int {
	return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Index, a.Index))
}

// visible are the rows that can be seen, in order.
func (c *course) visible(reading int) (rows []Revoked) {
	for i, r := range c.rows {
		if c.seen[i] <= reading {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, latestFirst)
	return rows
}

// read reads page after page, and reports whether it got to the end.
func (c *course) read(reading int) bool {
	before := Revoked{}
	for more := true; more; before = c.walk.at {
		if c.pages++; c.pages-1 == c.down {
			return false
		}
		rows := slices.DeleteFunc(c.visible(reading), func(r Revoked) bool { return !before.At.IsZero() && latestFirst(r, before) <= 0 })
		more = c.merge(page{
			Page: Page{Before: before, Rows: c.length}, Reading: Reading{Revoked: rows[:min(len(rows), c.length)]}, time: noon, expected: c.pending,
		})
		c.pending = nil
	}
	return true
}

// owed are the rows that a reading may not miss, if it gets to the end: where rows are
// expected, none that can be seen; else none that is later than all that was known, and
// none that could be seen when the very first reading began.
func (c *course) owed(reading int) []Revoked {
	if c.walk.at.At.IsZero() && c.walk.whole {
		c.began = reading
	}
	known, visible := c.bits(), c.visible(reading)
	switch {
	case c.expected:
		return visible
	case c.first:
		return c.visible(c.began)
	}
	latest := slices.IndexFunc(visible, func(r Revoked) bool { _, ok := known[r.Index]; return ok })
	return visible[:max(latest, 0)]
}

// problem plays the course and says what is wrong with it, or "".
func (c *course) problem() string {
	for reading := range 10 {
		for i, from := range c.seen {
			if from == reading && c.expected {
				c.pending = append(c.pending, c.rows[i].Index)
			}
		}
		owed, before := c.owed(reading), c.pages
		if !c.read(reading) {
			continue
		}
		c.first = false
		known := c.bits()
		for _, r := range owed {
			if _, ok := known[r.Index]; !ok {
				return fmt.Sprintf("reading %d missed %d", reading, r.Index)
			}
		}
		switch pages := c.pages - before; {
		case reading > 7 && len(known) < len(c.rows):
			return fmt.Sprintf("after reading %d only %v are known", reading, known)
		case reading > 7 && pages > 2:
			return fmt.Sprintf("reading %d took %d pages, though all was known", reading, pages)
		}
	}
	return ""
}

// TestAReadingMissesNothingThatItOwes plays every course of five rows of two moments, any
// of which may be seen late, in pages of one and of two, and of an outage at any of the
// first pages.
func TestAReadingMissesNothingThatItOwes(t *testing.T) {
	t.Parallel()
	courses := 0
	for code := range 4 * 4 * 4 * 4 * 4 {
		for down := -1; down < 6; down++ {
			for kind := range 4 {
				courses++
				c := newCourse(code, 1+kind%2, down)
				c.expected = kind/2 == 1
				if problem := c.problem(); problem != "" {
					t.Fatalf("rows %v seen from %v in pages of %d, down at %d, expected %v: %s", c.rows, c.seen, c.length, down, c.expected, problem)
				}
			}
		}
	}
	t.Logf("%d courses", courses)
}
