package revocation_test

import (
	"math/rand/v2"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// BenchmarkListSize prints the size of the lists of a million live sessions, of which
// one in ten thousand was revoked within the hour. (expected: at most 1024 bytes each)
func BenchmarkListSize(b *testing.B) {
	const sessions, fill, oneIn = 1_000_000, 0.8, 10_000
	for b.Loop() {
		store := &rows{}
		inUse := int(sessions/fill)/session.StatusListSize + 1
		for range sessions / oneIn {
			store.revoke(rand.Int64N(int64(inUse) * session.StatusListSize))
		}
		lists := newLists(b, store)
		refresh(b, lists)
		total, largest := 0, 0
		for n := range inUse {
			size := len(fetch(b, lists, n).Token)
			total, largest = total+size, max(largest, size)
		}
		b.ReportMetric(float64(inUse), "lists")
		b.ReportMetric(float64(total), "bytes/all")
		b.ReportMetric(float64(largest), "bytes/largest-list")
	}
}

// BenchmarkRefresh prints what a poll costs a replica, and what the rare ones do: a
// mass revocation of a million sessions that is read, and signed into ten lists.
func BenchmarkRefresh(b *testing.B) {
	b.Run("nothing new", func(b *testing.B) {
		store := &rows{}
		for range 1000 {
			store.revoke(rand.Int64N(session.StatusListSize))
		}
		lists := newLists(b, store)
		for b.Loop() {
			refresh(b, lists)
		}
	})
	b.Run("one revoked", func(b *testing.B) {
		store := &rows{}
		lists := newLists(b, store)
		for i := int64(0); b.Loop(); i++ {
			store.revoke(i % session.StatusListSize)
			refresh(b, lists)
		}
	})
	b.Run("a million revoked", func(b *testing.B) {
		store := &rows{}
		for range 1_000_000 {
			store.revoke(rand.Int64N(10 * session.StatusListSize))
		}
		for b.Loop() {
			refresh(b, revocation.New(revocation.Config{Issuer: issuer, AccessTTL: ttl, Store: store, Signer: signer(b, "k1")}))
		}
	})
}
