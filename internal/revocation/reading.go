package revocation

import (
	"context"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
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
// them when the latest tell that these were not read. It returns the clocks.
func (l *Lists) readRevoked(ctx context.Context) (clock.Clocks, error) {
	expected := l.takeExpected()
	clocks, more, err := l.readPage(ctx, Revoked{}, expected)
	if err != nil {
		l.expect(expected) // at the next reading, which comes by itself
		return clock.Clocks{}, err
	}
	for more {
		if _, more, err = l.readPage(ctx, l.walk.at, nil); err != nil {
			return clock.Clocks{}, err
		}
	}
	return clocks, nil
}

// readPage reads the sessions that were revoked before one of them. It returns the
// clocks, and whether the reading goes on, behind walk.at.
func (l *Lists) readPage(ctx context.Context, before Revoked, expected []int64) (clocks clock.Clocks, more bool, err error) {
	asked := Page{Within: everything + l.databaseAhead, Before: before, Rows: pageRows}
	reading, err := l.Store.Revoked(ctx, asked)
	if err != nil {
		return clock.Clocks{}, false, err
	}
	clocks = l.Clocks(reading.Now)
	now := l.timeAt(clocks.Median())
	if ahead := max(0, reading.Now.Sub(now)); ahead > l.databaseAhead+clock.Tolerance {
		l.databaseAhead = ahead // the page begins too late
		return l.readPage(ctx, before, expected)
	} else if ahead < l.databaseAhead {
		l.databaseAhead = ahead
	}
	l.work.Lock()
	defer l.work.Unlock()
	more = l.merge(page{
		Page: asked, Reading: reading, expected: expected,
		time: now, uptime: time.Since(l.began), setBack: l.setBack(clocks.Median()) || l.databaseSaid.Sub(reading.Now) > clock.Tolerance,
	})
	l.databaseSaid = reading.Now
	if reading.Keys != l.keysRead {
		l.keysRead = reading.Keys
		l.KeysChanged()
	}
	return clocks, more, nil
}

func (l *Lists) takeExpected() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	expected := l.expected
	l.expected = nil
	return expected
}

// setBack reports that the median of the clocks has gone back so far that the lists follow it:
// clocks that were ahead for a moment must not keep out revocations.
func (l *Lists) setBack(median time.Time) bool {
	old := l.snapshot.Load()
	return old != nil && old.now.Sub(median) > Epoch
}

// timeAt is the time of the lists, which does not go back with the median of the clocks by
// less than an epoch: another server may have taken over.
func (l *Lists) timeAt(median time.Time) time.Time {
	if old := l.snapshot.Load(); old != nil && old.now.After(median) && !l.setBack(median) {
		return old.now
	}
	return median
}
