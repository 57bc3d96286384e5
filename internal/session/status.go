package session

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// StatusListSize is how many sessions one status list has room for.
const StatusListSize = 1 << 17

// MaxStatusIndex is the highest index there is; the stores refuse a higher one.
const MaxStatusIndex = 1<<31 - 1

// How long a session has been over before another may have its index. By then no access
// token of it lives, its bit has left the lists, and every list that shows the bit has
// expired (package revocation checks its windows against this). mintmark notices late
// that a session is idle, by the lag of its checkpoint.
const (
	StatusReuseAfter     = 3 * time.Hour
	StatusReuseAfterIdle = StatusReuseAfter + IdleLag
)

// IdleLag is how late mintmark notices that a session is idle, because LastSeenAt is
// written late.
const IdleLag = checkpointEvery + checkpointJitter

// statusDraws is how many indexes are tried in the lists in use before another list
// is opened. With sixteen, lists fill to about four fifths.
const statusDraws = 16

// DrawStatusIndexes draws indexes at random that a session may get, given the highest
// one in use. The last is in a list that is not in use yet, the others are in those
// that are. The session gets the first that is free, or whose holder has been over for
// long enough; it begins a new list only if all the others drawn are taken.
func DrawStatusIndexes(highest int64) []int64 {
	room := (min(highest, MaxStatusIndex)/StatusListSize + 1) * StatusListSize
	indexes := make([]int64, statusDraws, statusDraws+1)
	for i := range indexes {
		indexes[i] = draw(room)
	}
	if room > MaxStatusIndex {
		return indexes
	}
	return append(indexes, room+draw(StatusListSize))
}

// draw is a number below n, which is small against 2⁶³.
func draw(n int64) int64 {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return int64(binary.BigEndian.Uint64(b[:])>>1) % n
}
