package postgres_test

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
)

// fill makes the database large enough that it matters how rows are found.
func fill(tb testing.TB, url string) {
	tb.Helper()
	execute(tb, url,
		`INSERT INTO clients (id, name, kind, grant_types, rotation, allow_skip, created_at)
			SELECT 'client' || i, 'a client', 'public', '{}', 'always', false, now() FROM generate_series(1, 10000) AS i`,
		`INSERT INTO users (id, username, username_canonical, email, email_canonical, password_hash, created_at, sessions_valid_after)
			SELECT (lpad(to_hex(i), 8, '0') || '-0000-7000-8000-000000000000')::uuid, 'u' || i, 'u' || i, 'e' || i, 'e' || i, 'hash', now(), now()
			FROM generate_series(1, 10000) AS i`,
		`INSERT INTO sessions (family, id, user_id, client_id, created_at, absolute_expiry, checkpoint, last_seen_at,
				address, user_agent, status_index, revoked_at, revoke_reason)
			SELECT decode(md5(i::text), 'hex'), (lpad(to_hex(i), 8, '0') || '-0000-7000-8000-000000000000')::uuid,
				(lpad(to_hex(1 + i % 2000), 8, '0') || '-0000-7000-8000-000000000000')::uuid, 'client' || (1 + i % 50), now(), now() + interval '180 days', 1, now(),
				'192.0.2.7', 'curl/8', CASE WHEN i % 2 = 0 THEN 1000 + i END,
				CASE WHEN i % 3 = 0 THEN now() - i * interval '1 minute' END, CASE WHEN i % 3 = 0 THEN 'logout' END
			FROM generate_series(1, 10000) AS i`,
		`INSERT INTO audit_events (id, at, kind, actor, user_id, session_id, request_id)
			SELECT gen_random_uuid(), now() - i * interval '1 minute', 'session.started', 'user',
				CASE WHEN i % 4 > 0 THEN 'user' || i % 500 END, CASE WHEN i % 4 > 1 THEN 'session' || i % 900 END,
				CASE WHEN i % 4 > 2 THEN 'request' || i END FROM generate_series(1, 10000) AS i`,
		`INSERT INTO events (id, at, kind, actor, user_id, session_id, request_id, other)
			SELECT (lpad(to_hex(i), 8, '0') || '-0000-7000-8000-000000000000')::uuid, now() - i * interval '1 minute', 'session.started', 'self',
				CASE WHEN i % 4 > 0 THEN (lpad(to_hex(i % 500), 8, '0') || '-0000-7000-8000-000000000000')::uuid END,
				CASE WHEN i % 4 > 1 THEN (lpad(to_hex(i % 900), 8, '0') || '-0000-7000-8000-000000000000')::uuid END,
				CASE WHEN i % 4 > 2 THEN gen_random_uuid() END,
				CASE WHEN i % 9 = 0 THEN jsonb_build_object('request_id', 'request' || i) END FROM generate_series(1, 10000) AS i`,
		`ANALYZE`)
}

// recorder is a [pgx.QueryTracer] and [pgx.BatchTracer] that notes the statements.
type recorder struct {
	mu    sync.Mutex
	heard []pgx.TraceQueryStartData // under mu
}

func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, data)
	return ctx
}

// TraceBatchStart implements [pgx.BatchTracer].
func (r *recorder) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	for _, s := range data.Batch.QueuedQueries {
		r.TraceQueryStart(ctx, conn, pgx.TraceQueryStartData{SQL: s.SQL, Args: s.Arguments})
	}
	return ctx
}

func (*recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (*recorder) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*recorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// take gives what was heard since the last time, each text once.
func (r *recorder) take() []pgx.TraceQueryStartData {
	r.mu.Lock()
	defer r.mu.Unlock()
	var heard []pgx.TraceQueryStartData
	for _, s := range r.heard {
		if !slices.ContainsFunc(heard, func(known pgx.TraceQueryStartData) bool { return known.SQL == s.SQL }) {
			heard = append(heard, s)
		}
	}
	r.heard = nil
	return heard
}

// usedBy are the indexes that each call must use: none where it reads no large table by
// one. Which others it uses, and how, is for Postgres to choose, which differs from
// version to version.
var usedBy = map[string]string{
	"CreateUser":                   "",
	"ReplaceHash":                  "users_pkey",
	"SetPassword":                  "users_pkey sessions_live_by_user sessions_pkey",
	"DisableUser":                  "users_pkey sessions_live_by_user sessions_pkey",
	"EnableUser":                   "users_pkey",
	"DeleteUser":                   "users_pkey sessions_live_by_user sessions_pkey",
	"UserByUsername":               "users_username_unique",
	"UserByEmail":                  "users_email_unique",
	"UserByLogin":                  "users_username_unique users_email_unique",
	"UserBySkeleton":               "users_skeleton_unique",
	"UsersWithoutSkeleton":         "users_without_skeleton",
	"SetSkeleton":                  "users_skeleton_unique users_pkey",
	"UserByID":                     "users_pkey",
	"Users":                        "users_pkey",
	"Clients":                      "",
	"ClientByID":                   "",
	"ClientsChanged":               "clients_by_change",
	"AwaitClients":                 "",
	"EnableClient":                 "",
	"DisableClient":                "sessions_live_by_client sessions_pkey",
	"StartSession":                 "users_pkey sessions_status_index_unique",
	"StartSession at a dead index": "users_pkey sessions_status_index_unique sessions_pkey",
	"AssignStatusIndex":            "sessions_id_unique sessions_status_index_unique",
	"StandingByFamily":             "sessions_pkey users_pkey",
	"StandingByID":                 "sessions_id_unique users_pkey",
	"SessionByID":                  "sessions_id_unique",
	"SaveCheckpoints":              "sessions_id_unique sessions_pkey",
	"RevokeSession":                "sessions_id_unique",
	"RevokeOther":                  "sessions_id_unique users_pkey",
	"RevokeOthers":                 "users_pkey sessions_live_by_user sessions_pkey",
	"RevokeAll":                    "users_pkey sessions_live_by_user sessions_pkey",
	"Sessions of everybody":        "sessions_id_unique",
	"Sessions that live":           "sessions_id_unique",
	"UnendedSessions":              "sessions_live_by_user",
	"Sessions of a user":           "sessions_live_by_user",
	"Sessions of a user, all":      "sessions_live_by_user sessions_ended_by_user",
	"Revoked first":                "sessions_status_index_unique sessions_revoked_lately",
	"Revoked next":                 "sessions_status_index_unique sessions_revoked_lately",
	"Events of all":                "events_pkey audit_events_by_time",
	"Events of a kind":             "events_pkey audit_events_by_time",
	"Events of a user":             "events_by_user audit_events_by_user",
	"Events of a session":          "events_by_session events_pkey audit_events_by_session",
	"Events of a request":          "events_pkey events_by_other audit_events_by_request",
	"RemoveEvents":                 "events_pkey",
	"RemoveSessions":               "sessions_id_unique",
	"MoveEvents":                   "audit_events_pkey",
	"SigningKeys":                  "",
	"ChangeSigningKeys":            "",
	"AwaitSigningKeys":             "",
	"Now":                          "",
	"AppendEvents":                 "",
}

// TestEveryIndexIsUsed explains what the store sends, call by call, in a database of
// 10⁴ rows each: no large table is read whole, and no index of theirs is there for nothing.
func TestEveryIndexIsUsed(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	fill(t, url)
	recorder := &recorder{}
	store, err := postgres.Open(t.Context(), postgres.Config{URL: url, Tracer: recorder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var all []string
	unmet := maps.Clone(usedBy)
	for _, call := range storetest.Calls(t, store) {
		if _, known := unmet[call.Name]; !known {
			t.Errorf("say which indexes %s uses", call.Name)
		}
		delete(unmet, call.Name)
		do := call.Prepare(t, store)
		recorder.take()
		if err := do(t.Context()); err != nil {
			t.Errorf("%s: %v", call.Name, err)
		}
		var used []string
		for _, s := range recorder.take() {
			used = append(used, explain(t, conn, s)...)
		}
		for _, index := range strings.Fields(usedBy[call.Name]) {
			if !slices.Contains(used, index) {
				t.Errorf("%s uses %s, not %s", call.Name, used, index)
			}
		}
		all = append(all, used...)
	}
	if len(unmet) > 0 {
		t.Errorf("no call has the name of any of %v", unmet)
	}
	rows, _ := conn.Query(t.Context(), `SELECT indexname FROM pg_indexes WHERE tablename IN ('users', 'clients', 'sessions', 'audit_events', 'events')`)
	indexes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(indexes) < 12 {
		t.Fatalf("indexes %s, %v", indexes, err)
	}
	for _, index := range indexes {
		if !slices.Contains(all, index) {
			t.Errorf("no call uses the index %s", index)
		}
	}
}

// explain gives the indexes that a statement uses; it may read no large table whole.
func explain(t *testing.T, conn *pgx.Conn, s pgx.TraceQueryStartData) (indexes []string) {
	t.Helper()
	verb, _, _ := strings.Cut(strings.TrimSpace(s.SQL), " ")
	if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, verb) {
		return nil // BEGIN and its like
	}
	rows, _ := conn.Query(t.Context(), `EXPLAIN (COSTS OFF) `+s.SQL, s.Args...) // its error comes with the rows
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("explain %s: %v", s.SQL, err)
	}
	for _, line := range lines {
		if found := scansWhole.FindString(line); found != "" {
			t.Errorf("%s of\n%s", found, s.SQL)
		}
		if found := usesIndex.FindStringSubmatch(line); found != nil {
			indexes = append(indexes, found[1]+found[2])
		}
	}
	return indexes
}

var (
	scansWhole = regexp.MustCompile(`Seq Scan on (users|sessions|audit_events|events)\b`)
	usesIndex  = regexp.MustCompile(`Index (?:Only )?Scan (?:Backward )?using (\w+)|Bitmap Index Scan on (\w+)`)
)
