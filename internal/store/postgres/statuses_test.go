package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

// TestASessionRevokedInTheLastMomentKeepsItsIndex: its bit is about to be set. Nor does
// a login wait until that is done.
func TestASessionRevokedInTheLastMomentKeepsItsIndex(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	store := open(t, url)
	dead, err := store.SessionByID(t.Context(), storetest.NewSession(t, store))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := store.UserByID(t.Context(), dead.UserID)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, url, `UPDATE sessions SET absolute_expiry = now() - interval '100 hours'`)
	revoking, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer revoking.Close(context.WithoutCancel(t.Context()))
	for _, statement := range []string{`BEGIN`, `UPDATE sessions SET revoked_at = clock_timestamp(), revoke_reason = 'operator'`} {
		if _, err := revoking.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	x := session.Session{ID: uuid.NewString(), Family: session.NewFamily().Hash(), UserID: dead.UserID, ClientID: dead.ClientID}
	store.DrawFrom(func(int64) []int64 { return []int64{*dead.StatusIndex, *dead.StatusIndex + 1} })
	x, err = store.StartSession(t.Context(), x, session.Terms{Lifetime: time.Hour, Seen: owner.SessionsValidAfter}, audit.New(audit.SessionStarted, audit.ByUser("alice")))
	if err != nil {
		t.Fatal(err)
	}
	if *x.StatusIndex != *dead.StatusIndex+1 {
		t.Errorf("the new session has index %d, that of the revoked one is %d", *x.StatusIndex, *dead.StatusIndex)
	}
}
