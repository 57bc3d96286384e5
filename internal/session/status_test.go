package session_test

import (
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/session"
)

func TestStatusIndexesAreDrawnFromTheListsInUseAndOneMore(t *testing.T) {
	t.Parallel()
	for highest, lists := range map[int64]int64{
		0: 1, 17: 1, session.StatusListSize - 1: 1, session.StatusListSize: 2, 5*session.StatusListSize + 3: 6,
	} {
		room := lists * session.StatusListSize
		seen := make(map[int64]bool)
		for range 100 {
			drawn := session.DrawStatusIndexes(highest)
			last := drawn[len(drawn)-1]
			if last < room || last >= room+session.StatusListSize {
				t.Fatalf("highest %d: the last is %d, want one of the list behind %d", highest, last, room)
			}
			for _, index := range drawn[:len(drawn)-1] {
				if index < 0 || index >= room {
					t.Fatalf("highest %d: %d, want one below %d", highest, index, room)
				}
				seen[index] = true
			}
		}
		if len(seen) < 1000 { // of 1600; in the smallest room some ten come twice
			t.Errorf("highest %d: only %d indexes in 1600", highest, len(seen))
		}
	}
}

func TestAnIdleLifetimeThatIsNotKnownFreesNothing(t *testing.T) {
	t.Parallel()
	if got := (session.Terms{}).IdleFor(); got < 10*365*24*time.Hour {
		t.Errorf("free after %s", got)
	}
	if got := (session.Terms{Idle: time.Hour}).IdleFor(); got != time.Hour+session.StatusReuseAfterIdle {
		t.Errorf("free after %s", got)
	}
}

func TestNoStatusIndexIsAboveTheHighest(t *testing.T) {
	t.Parallel()
	for _, highest := range []int64{session.MaxStatusIndex - session.StatusListSize, session.MaxStatusIndex, 1 << 62} {
		for _, index := range session.DrawStatusIndexes(highest) {
			if index < 0 || index > session.MaxStatusIndex {
				t.Errorf("highest %d: drew %d", highest, index)
			}
		}
	}
}
