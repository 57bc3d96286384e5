package sqlite_test

import (
	"database/sql"
	"net/url"
	"strconv"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

func TestALoginTakesNoMoreSpaceThanTheReadmeSays(t *testing.T) {
	t.Parallel()
	file := migrated(t)
	execute := byHand(t, file)
	storetest.Growth(t, open(t, file), func(tb testing.TB) int64 {
		execute(`VACUUM`)
		handle, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath())
		if err != nil {
			tb.Fatal(err)
		}
		defer handle.Close() // read only
		size, err := strconv.ParseInt(column(tb, handle, `SELECT sum(pgsize) FROM dbstat WHERE name IN (
			SELECT name FROM sqlite_master WHERE tbl_name IN ('sessions', 'events', 'audit_events'))`)[0], 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		return size
	})
}
