package storetest

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/client"
)

// manyClients is how many [BenchmarkDirectory] has.
const manyClients = 100_000

// BenchmarkDirectory measures a directory of very many clients: what each takes of
// memory, and how a refresh compares with reading all of them.
func BenchmarkDirectory(b *testing.B, store Clocked) {
	fillClients(b, store, 0, manyClients/100)
	store.Execute(b, `ANALYZE`) // else Postgres seeks the newest change as in a table of one row
	fillClients(b, store, manyClients/100, manyClients)
	before := heap()
	began := time.Now()
	directory := client.NewDirectory(store)
	refreshDirectory(b, directory)
	whole := time.Since(began)
	each := float64(heap()-before) / manyClients
	for _, n := range []int{0, 1, 1000} {
		b.Run(fmt.Sprint(n, " changes"), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				store.Execute(b, fmt.Sprintf(`UPDATE clients SET name = 'Another' WHERE id > 'client%d' AND id <= 'client%d'`, manyClients, manyClients+n))
				b.StartTimer()
				refreshDirectory(b, directory)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(whole), "of-a-reload")
			b.ReportMetric(each, "B/client")
		})
	}
	b.Logf("%d clients: all read in %s", manyClients, whole.Round(time.Millisecond))
	runtime.KeepAlive(directory)
}

// fillClients adds clients, whose ids are of one length.
func fillClients(tb testing.TB, store Clocked, from, to int) {
	tb.Helper()
	store.Execute(tb, fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO clients (id, name, kind, grant_types, rotation, allow_skip, created_at)
		SELECT 'client' || (%d + i), 'The client ' || i, kind, grant_types, rotation, allow_skip, created_at
		FROM clients, n WHERE id = 'first-party'`, from+1, to, manyClients))
}

func refreshDirectory(tb testing.TB, directory *client.Directory) {
	tb.Helper()
	if err := directory.Refresh(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
