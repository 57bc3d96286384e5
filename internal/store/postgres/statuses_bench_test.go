package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

// BenchmarkStatuses prints how long the reading takes that each replica does twice a
// second, and the start of a session, beside a read by primary key, where three hundred
// thousand sessions hold an index and a third of them were revoked within the hour.
func BenchmarkStatuses(b *testing.B) {
	url := migrated(b)
	store := open(b, url)
	id := storetest.NewSession(b, store)
	known, err := store.SessionByID(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	owner, err := store.UserByID(b.Context(), known.UserID)
	if err != nil {
		b.Fatal(err)
	}
	execute(b, url, `INSERT INTO sessions (family, id, user_id, client_id, created_at, absolute_expiry, checkpoint,
			last_seen_at, address, user_agent, status_index, revoked_at, revoke_reason)
		SELECT decode(md5(i::text), 'hex'), gen_random_uuid(), s.user_id, s.client_id, now(), now() + interval '180 days', 1,
			now(), '192.0.2.7', 'curl/8', 1000000 + i,
			CASE WHEN i % 3 = 0 THEN now() - i * interval '10 milliseconds' - interval '3 minutes' END, CASE WHEN i % 3 = 0 THEN 'logout' END
		FROM sessions s, generate_series(1, 300000) AS i`, `VACUUM ANALYZE sessions`)
	start := func() error {
		x := session.Session{ID: uuid.NewString(), Family: session.NewFamily().Hash(), UserID: known.UserID, ClientID: known.ClientID}
		_, err := store.StartSession(b.Context(), x, session.Terms{Lifetime: time.Hour, Idle: time.Hour, Reuse: time.Now().Add(time.Hour), Seen: owner.SessionsValidAfter}, audit.New(audit.SessionStarted, audit.ByUser("alice")))
		return err
	}
	for name, call := range map[string]func() error{
		"start":          start,
		"by primary key": func() error { _, err := store.SessionByID(b.Context(), id); return err },
		"the latest": func() error {
			_, err := store.Revoked(b.Context(), revocation.Page{Within: revocation.Window + revocation.Epoch, Rows: 10_000})
			return err
		},
		"everything": func() error {
			_, err := store.Revoked(b.Context(), revocation.Page{Within: revocation.Window + revocation.Epoch, Rows: 1_000_000})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
