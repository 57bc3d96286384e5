package testserver

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/testserver/server"
)

// StartPgBouncer starts a PgBouncer in transaction mode for this test alone, before the server of a database, and gives
// what makes a URL of that server one that leads through it.
func StartPgBouncer(tb testing.TB, database string) (through func(url string) string) {
	tb.Helper()
	there, err := url.Parse(database)
	if err != nil {
		tb.Fatal(err)
	}
	target := fmt.Sprintf("host=%s port=%s user=%s", there.Hostname(), cmp.Or(there.Port(), "5432"), there.User.Username())
	if password, ok := there.User.Password(); ok {
		target += " password='" + strings.ReplaceAll(password, "'", "''") + "'"
	}
	pooler := own(tb, func(f *server.Folder) (*server.Server, error) {
		return server.StartPgBouncer(f, target)
	})
	return func(text string) string {
		u, err := url.Parse(text)
		if err != nil {
			tb.Fatal(err)
		}
		u.Host = pooler.Addr()
		return u.String()
	}
}
