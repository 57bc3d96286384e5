package revocation

import (
	"slices"
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
)

// clockSlack is how much sooner than by this process's clock a bit may go: clocks
// don't run alike.
const clockSlack = 20 * time.Second

// record is what was read of the revoked sessions, and how far the reading has come.
// Nothing here reads a store or a clock.
type record struct {
	revoked []map[int64]bit  // by index in the list, by list
	unread  []map[int64]bool // those of them that no reading has shown yet, likewise
	changed map[int]bool     // the lists that were not signed since
	walk    walk
}

// bit is the set bit of one session; there may be millions.
type bit struct {
	at   int64         // when it was revoked by the database's clock, in microseconds since 1970
	keep time.Duration // until when it stays, since began, whatever other clocks do
}

func (b bit) time() time.Time { return time.UnixMicro(b.at).UTC() }

// walk is how far the older ones were read, behind the first page, where they are too
// many for it: a page at each Refresh, round and round.
type walk struct {
	at    Revoked // read up to it; the zero Revoked starts over
	whole bool    // it must get to the end before anything is said
}

// newRecord returns the record of a process that has read nothing yet.
func newRecord() record {
	return record{changed: make(map[int]bool), walk: walk{whole: true}}
}

// page is a page of rows, and what is known as it is read.
type page struct {
	Page                   // as it was asked for
	Reading                // as it came
	time     time.Time     // of the lists
	uptime   time.Duration // of this process, by its own clock
	setBack  bool          // that or the database's clock went back, so that rows come where others were read
	expected []int64       // indexes of sessions that are known to be revoked
}

// merge notes the rows of a page, and reports whether another page is to be read, behind
// walk.at. After the first page, which has the latest rows, that is one of the older
// ones; or all of them, when the older half of the first page is new, a row that was
// expected is still unknown, or the database's clock was set back.
func (r *record) merge(p page) (more bool) {
	news := r.noteAll(p)
	isFirst, isFull := p.Before.At.IsZero(), len(p.Revoked) == p.Rows
	switch {
	case !isFull: // behind it there is nothing
		r.walk = walk{}
		return false
	case !isFirst:
		r.walk.at = p.last()
		return r.walk.whole
	case news || p.setBack || !r.knows(p.expected):
		r.walk = walk{at: p.last(), whole: true}
	case r.walk.at.At.IsZero():
		r.walk.at = p.last()
	}
	return true
}

// noteAll reports whether the older half of the page brought anything new.
func (r *record) noteAll(p page) (news bool) {
	r.makeRoom(p.Highest)
	for i, row := range p.Revoked {
		if r.note(row, p) && i >= p.Rows/2 {
			news = true
		}
	}
	return news
}

// makeRoom makes one list more than sessions have indexes in: another replica may have
// opened it since.
func (r *record) makeRoom(highest int64) {
	for n := len(r.revoked); n <= int(highest/session.StatusListSize)+1; n++ {
		r.revoked, r.unread = append(r.revoked, make(map[int64]bit)), append(r.unread, make(map[int64]bool))
	}
}

// possible reports whether a session can hold this index.
func possible(index int64) bool { return index >= 0 && index <= session.MaxStatusIndex }

// note sets the bit of a session that was read, and reports whether that was new.
func (r *record) note(row Revoked, p page) bool {
	if !possible(row.Index) {
		return false
	}
	r.makeRoom(row.Index)
	n, i := place(row.Index)
	if r.unread[n][i] {
		delete(r.unread[n], i)
		r.changed[n] = true
	}
	return r.add(row, n, i, p)
}

// admit sets the bit of a session that was heard of. It reports false where it must wait for a
// reading, because the version of its list has no room for it.
func (r *record) admit(row Revoked, p page) bool {
	if !possible(row.Index) {
		return true
	}
	r.makeRoom(row.Index)
	n, i := place(row.Index)
	if _, known := r.revoked[n][i]; !known && len(r.unread[n]) >= maxUnread {
		return false
	}
	if r.add(row, n, i, p) {
		r.unread[n][i] = true
	}
	return true
}

// place is the list of a status index, and the index in it.
func place(index int64) (n int, i int64) {
	return int(index / session.StatusListSize), index % session.StatusListSize
}

func (r *record) add(row Revoked, n int, i int64, p page) bool {
	if _, known := r.revoked[n][i]; known || p.hasLeft(row, n) {
		return false
	}
	r.revoked[n][i] = bit{at: row.At.UnixMicro(), keep: p.uptime + max(0, Window-clockSlack-p.age(row))}
	r.changed[n] = true
	return true
}

// hasLeft reports whether the session has left list n: by the time of the lists, and by the
// clock that its time comes from, which may be another.
func (p page) hasLeft(row Revoked, n int) bool {
	return !row.At.After(leftBefore(n, epochOf(n, p.time))) && p.Now.Sub(row.At) >= Window-clockSlack
}

// age is how long ago the session was revoked: by whichever clock it is less, and nothing
// where that is ahead of both.
func (p page) age(row Revoked) time.Duration {
	byLists, byDatabase := p.time.Sub(row.At), p.Now.Sub(row.At)
	switch {
	case byLists < 0:
		return max(0, byDatabase)
	case byDatabase < 0:
		return byLists
	}
	return min(byLists, byDatabase)
}

// set returns the indexes whose bits are set in list n, when the latest of these sessions
// was revoked that is not ahead of now, and when the earliest one that is; zero for none.
func (r *record) set(n int, now time.Time) (indexes []int64, latest, comes time.Time) {
	indexes = make([]int64, 0, len(r.revoked[n]))
	for i, b := range r.revoked[n] {
		indexes = append(indexes, i)
		switch at := b.time(); {
		case !isAhead(at, now):
			if at.After(latest) {
				latest = at
			}
		case comes.IsZero() || at.Before(comes):
			comes = at
		}
	}
	slices.Sort(indexes)
	return indexes, latest, comes
}

// knows reports whether the bits of all these indexes are set.
func (r *record) knows(indexes []int64) bool {
	for _, index := range indexes {
		n, i := place(index)
		if n >= len(r.revoked) {
			return false
		}
		if _, known := r.revoked[n][i]; !known {
			return false
		}
	}
	return true
}

// forget clears the bits that leave a list when an epoch of it begins: by the time of the
// lists, and by this process's clock too, as the first may be ahead for a moment.
func (r *record) forget(n int, epoch int64, uptime time.Duration) {
	for i, b := range r.revoked[n] {
		if !b.time().After(leftBefore(n, epoch)) && uptime > b.keep {
			delete(r.revoked[n], i)
			delete(r.unread[n], i)
		}
	}
}

// leftBefore is the time up to which revoked sessions have left a list in an epoch.
func leftBefore(n int, epoch int64) time.Time { return beginOf(n, epoch).Add(-Window) }
