package storetest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// pagesHaveEachOnce, the latest first, also where all were revoked in one moment.
func pagesHaveEachOnce(t *testing.T, store Durable, age Ageing) {
	alice, bob := createUser(t, store, "alice"), createUser(t, store, "bob")
	for i := range 5 {
		startSession(t, store, alice.ID)
		s := startSession(t, store, bob.ID)
		if err := drop(store.RevokeSession(t.Context(), s.ID, session.ReasonLogout, aboutSession(audit.SessionRevoked, s.ID))); err != nil {
			t.Fatal(err)
		}
		age(t, s.ID, time.Duration(i)*near)
	}
	if err := store.RevokeAll(t.Context(), alice.ID, session.ReasonOperator, audit.New(audit.SessionRevoked, audit.ByOperator("root"))); err != nil {
		t.Fatal(err)
	}
	alices := listSessions(t, store, session.Query{UserID: alice.ID, Limit: 9})
	moment := alices[0].RevokedAt
	for _, s := range alices {
		if s.RevokedAt.Before(moment) {
			moment = s.RevokedAt
		}
	}
	for _, s := range alices {
		age(t, s.ID, s.RevokedAt.Sub(moment))
	}
	for rows := 1; rows <= 11; rows++ {
		pages := readPages(t, store, rows)
		inOrder := slices.IsSortedFunc(pages, func(a, b revocation.Revoked) int {
			return cmp.Or(b.At.Compare(a.At), int(b.Index-a.Index))
		})
		together := slices.IndexFunc(pages, func(r revocation.Revoked) bool { return r.At.Equal(moment) })
		if len(pages) != 10 || !inOrder || together < 0 || together > 5 || !pages[together+4].At.Equal(moment) {
			t.Fatalf("in pages of %d: %v, want ten in order, five of one moment", rows, pages)
		}
		slices.SortFunc(pages, func(a, b revocation.Revoked) int { return int(a.Index - b.Index) })
		if diff := gocmp.Diff(pages, read(t, store, time.Hour).Revoked); diff != "" {
			t.Errorf("in pages of %d (-got +want at once):\n%s", rows, diff)
		}
	}
}

// readPages reads everything, so many rows at a time.
func readPages(t *testing.T, store Durable, rows int) (all []revocation.Revoked) {
	t.Helper()
	page := revocation.Page{Within: time.Hour, Rows: rows}
	for range 20 {
		reading, err := store.Revoked(t.Context(), page)
		if err != nil || len(reading.Revoked) > rows {
			t.Fatalf("a page of %d: %v, %v", rows, reading.Revoked, err)
		}
		if all = append(all, reading.Revoked...); len(reading.Revoked) < rows {
			return all
		}
		page.Before = all[len(all)-1]
	}
	t.Fatalf("pages of %d don't end: %v", rows, all)
	return nil
}
