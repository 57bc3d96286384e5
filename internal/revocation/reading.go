package revocation

import (
	"context"
	"time"
)

const (
	// everything is how far back a reading goes: to all that may be in a list.
	everything = Window + Epoch
	// pageRows is how many sessions are read at a time. While no more were revoked within
	// the hour, every Refresh reads them all, however old a revocation is when its
	// transaction commits at last.
	pageRows = 10_000
)

// readRevoked reads the latest revoked sessions and a page of the older ones, or all of
// them when the latest tell that these were not read. It returns the database's clock.
func (l *Lists) readRevoked(ctx context.Context) (time.Time, error) {
	expected := l.takeExpected()
	databaseNow, more, err := l.readPage(ctx, Revoked{}, expected)
	if err != nil {
		l.expect(expected) // at the next reading, which comes by itself
		return time.Time{}, err
	}
	for more {
		if _, more, err = l.readPage(ctx, l.walk.at, nil); err != nil {
			return time.Time{}, err
		}
	}
	return databaseNow, nil
}

// readPage reads the sessions that were revoked before one of them. It returns the
// database's clock, and whether the reading goes on, behind walk.at.
func (l *Lists) readPage(ctx context.Context, before Revoked, expected []int64) (databaseNow time.Time, more bool, err error) {
	asked := Page{Within: everything, Before: before, Rows: pageRows}
	reading, err := l.Store.Revoked(ctx, asked)
	if err != nil {
		return time.Time{}, false, err
	}
	more = l.merge(page{
		Page: asked, Reading: reading, expected: expected,
		time: l.timeAt(reading.Now), uptime: time.Since(l.began), setBack: l.setBack(reading.Now),
	})
	return reading.Now, more, nil
}

func (l *Lists) takeExpected() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	expected := l.expected
	l.expected = nil
	return expected
}

// setBack reports that the database's clock has gone back so far that the lists follow it: a
// clock that was ahead for a moment must not keep out revocations.
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
