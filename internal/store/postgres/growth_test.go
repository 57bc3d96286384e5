package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

func TestALoginTakesNoMoreSpaceThanTheReadmeSays(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	storetest.Growth(t, open(t, url), func(tb testing.TB) (size int64) {
		execute(tb, url, `VACUUM ANALYZE sessions`, `VACUUM ANALYZE events`)
		conn, err := pgx.Connect(tb.Context(), url)
		if err != nil {
			tb.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(tb.Context()))
		err = conn.QueryRow(tb.Context(), `SELECT sum(pg_total_relation_size(t)) FROM unnest(ARRAY['sessions', 'events', 'audit_events']::regclass[]) t`).Scan(&size)
		if err != nil {
			tb.Fatal(err)
		}
		return size
	})
}
