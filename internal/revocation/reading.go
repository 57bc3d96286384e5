package revocation

import (
	"context"
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
)

const (
	// everything is how far back a reading goes: to all that may be in a list.
	everything = Window + Epoch
	// pageRows is how many sessions are read at a time. While no more were revoked within
	// the hour, every Refresh reads them all, however old a revocation is when its
	// transaction commits at last.
	pageRows = 10_000
	// clockSlack is how much sooner than by this process's clock a bit may go: clocks
	// don't run alike.
	clockSlack = 20 * time.Second
)

// bit is the set bit of one session; there may be millions.
type bit struct {
	at   int64         // when it was revoked by the database's clock, in microseconds since 1970
	keep time.Duration // until when it stays, since began, whatever the database's clock does
}

func (b bit) time() time.Time { return time.UnixMicro(b.at).UTC() }

// walk is how far the older ones were read, behind the first page, where they are too
// many for it: a page at each Refresh, round and round.
type walk struct {
	at    Revoked // read up to it; the zero Revoked begins anew
	whole bool    // it must get to the end before anything is said
}

// readRevoked reads the latest revoked sessions and a page of the older ones, or all of
// them when the latest tell that these were not read. It returns the database's clock.
func (l *Lists) readRevoked(ctx context.Context) (time.Time, error) {
	expected := l.takeExpected()
	first, full, news, err := l.readPage(ctx, Revoked{})
	if err != nil {
		l.expect(expected) // at the next reading, which comes by itself
		return time.Time{}, err
	}
	last := first.last()
	switch {
	case !full:
		l.walk = walk{}
		return first.Now, nil
	case news || !l.knows(expected) || l.setBack(first.Now):
		l.walk = walk{at: last, whole: true}
	case l.walk.at.At.IsZero():
		l.walk.at = last
	}
	for {
		page, full, _, err := l.readPage(ctx, l.walk.at)
		switch {
		case err != nil:
			return time.Time{}, err
		case !full:
			l.walk = walk{}
			return first.Now, nil
		}
		if l.walk.at = page.last(); !l.walk.whole {
			return first.Now, nil
		}
	}
}

func (l *Lists) takeExpected() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	expected := l.expected
	l.expected = nil
	return expected
}

// knows tells whether the bits of all these indexes are set.
func (l *Lists) knows(indexes []int64) bool {
	for _, index := range indexes {
		n, i := int(index/session.StatusListSize), index%session.StatusListSize
		if n >= len(l.revoked) {
			return false
		}
		if _, known := l.revoked[n][i]; !known {
			return false
		}
	}
	return true
}

// setBack tells that the database's clock is so far behind what it was that it is
// believed, and everything read by it: what was sent ahead for a moment must not keep
// revocations out.
func (l *Lists) setBack(databaseNow time.Time) bool {
	old := l.snapshot.Load()
	return old != nil && old.now.Sub(databaseNow) > Epoch
}

// timeAt is the time of the lists, which does not go back with the database's clock by
// less than an epoch: another server may have taken over.
func (l *Lists) timeAt(databaseNow time.Time) time.Time {
	if old := l.snapshot.Load(); old != nil && old.now.After(databaseNow) && !l.setBack(databaseNow) {
		return old.now
	}
	return databaseNow
}

// readPage reads the sessions that were revoked before one of them, and notes them. It
// tells whether there may be more, and whether the older half brought anything new.
func (l *Lists) readPage(ctx context.Context, before Revoked) (reading Reading, full, news bool, err error) {
	reading, err = l.Store.Revoked(ctx, Page{Within: everything, Before: before, Rows: pageRows})
	if err != nil {
		return Reading{}, false, false, err
	}
	l.makeRoom(reading)
	now := l.timeAt(reading.Now)
	for i, r := range reading.Revoked {
		if l.note(r, now) && i >= pageRows/2 {
			news = true
		}
	}
	return reading, len(reading.Revoked) == pageRows, news, nil
}

// makeRoom makes one list more than sessions have indexes in: another replica may have
// opened it since.
func (l *Lists) makeRoom(reading Reading) {
	highest := reading.Highest
	for _, r := range reading.Revoked {
		if possible(r.Index) {
			highest = max(highest, r.Index)
		}
	}
	for n := len(l.revoked); n <= int(highest/session.StatusListSize)+1; n++ {
		l.revoked = append(l.revoked, make(map[int64]bit))
	}
}

// possible tells whether a session can hold this index.
func possible(index int64) bool { return index >= 0 && index <= session.MaxStatusIndex }

// note sets the bit of a session and tells whether that was new.
func (l *Lists) note(r Revoked, now time.Time) bool {
	if !possible(r.Index) {
		return false
	}
	n, i := int(r.Index/session.StatusListSize), r.Index%session.StatusListSize
	if _, known := l.revoked[n][i]; known || !r.At.After(leftBefore(n, epochOf(n, now))) {
		return false
	}
	l.revoked[n][i] = bit{at: r.At.UnixMicro(), keep: time.Since(l.began) + r.At.Sub(now) + Window - clockSlack}
	l.changed[n] = true
	return true
}

// forget clears the bits that leave a list when an epoch of it begins: by the database's
// clock, and by this process's too, as the first may be ahead for a moment.
func (l *Lists) forget(n int, epoch int64) {
	now := time.Since(l.began)
	for i, b := range l.revoked[n] {
		if !b.time().After(leftBefore(n, epoch)) && now > b.keep {
			delete(l.revoked[n], i)
		}
	}
}

// leftBefore is the time up to which revoked sessions have left a list in an epoch.
func leftBefore(n int, epoch int64) time.Time { return beginOf(n, epoch).Add(-Window) }
