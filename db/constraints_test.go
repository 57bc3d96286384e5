package db_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// refusal is a row that a constraint refuses.
type refusal struct {
	table    string
	change   row
	postgres string // the constraint's name there
	sqlite   string // how SQLite tells of it
}

const (
	maxUint32 = 1<<32 - 1
	maxInt31  = 1<<31 - 1
)

// live and gone users, whose names depend on whether they are deleted.
func tombstone(column string) refusal {
	change := row{"deleted_at": at(1), "username": nil, "username_canonical": nil, "email": nil, "email_canonical": nil, "password_hash": nil}
	change[column] = "left behind"
	return refusal{"users", change, "users_tombstone", "users_tombstone"}
}

func nameless(column string) refusal {
	return refusal{"users", row{column: nil}, "users_tombstone", "users_tombstone"}
}

// refusals are at the very bound where a constraint has one.
var refusals = []refusal{
	{"schema_compat", row{"oldest_binary": 0}, "schema_compat_check", "oldest_binary BETWEEN"},
	{"schema_compat", row{"oldest_binary": 1003}, "schema_compat_check", "oldest_binary BETWEEN"},
	{"schema_compat", row{"version": 1001}, "schema_compat_pkey", "schema_compat.version"},

	{"users", row{"id": id(1)}, "users_pkey", "users.id"},
	{"users", row{"username_canonical": "user1"}, "users_username_unique", "users.username_canonical"},
	{"users", row{"email_canonical": "user1@example.com"}, "users_email_unique", "users.email_canonical"},
	{"users", row{"skeleton": "user1"}, "users_skeleton_unique", "users.skeleton"},
	nameless("username"), nameless("username_canonical"), nameless("password_hash"),
	tombstone("username"), tombstone("username_canonical"), tombstone("email"), tombstone("email_canonical"), tombstone("password_hash"),

	{"clients", row{"id": "client1"}, "clients_pkey", "clients.id"},
	{"clients", row{"id": ""}, "clients_id_check", "id <> ''"},
	{"clients", row{"kind": "Public"}, "clients_kind_check", "kind IN"},
	{"clients", row{"rotation": "sometimes"}, "clients_rotation_check", "rotation IN"},
	{"clients", row{"grace": -1}, "clients_grace_check", "grace >= 0"},
	{"clients", row{"idle_ttl": 0}, "clients_idle_ttl_check", "idle_ttl > 0"},
	{"clients", row{"max_ttl": 0}, "clients_max_ttl_check", "max_ttl > 0"},

	{"sessions", row{"family": family(1)}, "sessions_pkey", "sessions.family"},
	{"sessions", row{"family": family(2)[:15]}, "sessions_family_check", "length(family) = 16"},
	{"sessions", row{"family": append(family(2), 0)}, "sessions_family_check", "length(family) = 16"},
	{"sessions", row{"id": id(1)}, "sessions_id_unique", "sessions.id"},
	{"sessions", row{"user_id": id(9)}, "sessions_user_id_fkey", "FOREIGN KEY"},
	{"sessions", row{"client_id": "nobody"}, "sessions_client_id_fkey", "FOREIGN KEY"},
	{"sessions", row{"checkpoint": 0}, "sessions_checkpoint_check", "checkpoint BETWEEN"},
	{"sessions", row{"checkpoint": maxUint32 + 1}, "sessions_checkpoint_check", "checkpoint BETWEEN"},
	{"sessions", row{"revoked_at": at(1)}, "sessions_revoked", "sessions_revoked"},
	{"sessions", row{"revoke_reason": "logout"}, "sessions_revoked", "sessions_revoked"},
	{"sessions", row{"status_index": -1}, "sessions_status_index_natural", "status_index BETWEEN"},
	{"sessions", row{"status_index": maxInt31 + 1}, "sessions_status_index_natural", "status_index BETWEEN"},
	{"sessions", row{"status_index": 1}, "sessions_status_index_unique", "sessions.status_index"},
	{"sessions", row{"origin": "Json"}, "sessions_origin_known", "origin IN"},
	{"sessions", row{"jkt": make([]byte, 31)}, "sessions_jkt_sha256", "length(jkt) = 32"},
	{"sessions", row{"jkt": make([]byte, 33)}, "sessions_jkt_sha256", "length(jkt) = 32"},

	{"signing_keys", row{"kid": kid(1)}, "signing_keys_pkey", "there is such a signing key"},
	{"signing_keys", row{"kid": kid(2)[1:]}, "signing_keys_kid_check", "length(kid) = 43"},
	{"signing_keys", row{"kid": kid(2) + "0"}, "signing_keys_kid_check", "length(kid) = 43"},
	{"signing_keys", row{"alg": ""}, "signing_keys_alg_check", "alg <> ''"},
	{"signing_keys", row{"public": []byte{}}, "signing_keys_public_check", "length(public) > 0"},
	{"signing_keys", row{"sealed": []byte{}}, "signing_keys_sealed_check", "length(sealed) > 0"},
	{"signing_keys", row{"activates_at": at(1)}, "signing_keys_turn", "there is such a signing key"},
	{"signing_keys", row{"activates_at": at(-1)}, "signing_keys_published_first", "signing_keys_published_first"},

	{"audit_events", row{"id": id(1)}, "audit_events_pkey", "audit_events.id"},
	{"events", row{"id": uuid.MustParse(id(1))}, "events_pkey", "events.id"},
}

// onSQLite hold what other types and another place hold on Postgres.
var onSQLite = []refusal{
	{table: "users", change: row{"id": id(2) + "0"}, sqlite: "length(id) = 36"},
	{table: "users", change: row{"id": id(2)[1:]}, sqlite: "length(id) = 36"},
	{table: "users", change: row{"created_at": "noon"}, sqlite: "cannot store TEXT value in INTEGER column"},
	{table: "clients", change: row{"grant_types": `{"refresh_token": 1}`}, sqlite: "json_type(grant_types) = 'array'"},
	{table: "clients", change: row{"allow_skip": 2}, sqlite: "allow_skip IN"},
	{table: "clients", change: row{"created_at": "noon"}, sqlite: "cannot store TEXT value in INTEGER column"},
	{table: "sessions", change: row{"id": id(2) + "0"}, sqlite: "CHECK constraint failed: sessions_id_unique"},
	{table: "sessions", change: row{"id": id(2)[1:]}, sqlite: "CHECK constraint failed: sessions_id_unique"},
	{table: "sessions", change: row{"created_at": "noon"}, sqlite: "cannot store TEXT value in INTEGER column"},
	{table: "sessions", change: row{"state_cur": -1}, sqlite: "state_cur BETWEEN"},
	{table: "sessions", change: row{"state_cur": maxUint32 + 1}, sqlite: "state_cur BETWEEN"},
	{table: "sessions", change: row{"state_cur": nil}, sqlite: "sessions.state_cur"},
	{table: "sessions", change: row{"state_prev": -1}, sqlite: "state_prev BETWEEN"},
	{table: "sessions", change: row{"state_prev": maxUint32 + 1}, sqlite: "state_prev BETWEEN"},
	{table: "sessions", change: row{"state_prev": nil}, sqlite: "sessions.state_prev"},
	{table: "sessions", change: row{"state_skips": -1}, sqlite: "state_skips BETWEEN"},
	{table: "sessions", change: row{"state_skips": 256}, sqlite: "state_skips BETWEEN"},
	{table: "sessions", change: row{"state_skips": nil}, sqlite: "sessions.state_skips"},
	{table: "sessions", change: row{"resources": `{"https://a.example": 1}`}, sqlite: "json_type(resources) = 'array'"},
	{table: "sessions", change: row{"amr": `"pwd"`}, sqlite: "json_type(amr) = 'array'"},
	{table: "sessions", change: row{"browser_session_id": id(2)[1:]}, sqlite: "length(browser_session_id) = 36"},
	{table: "sessions", change: row{"offline": 2}, sqlite: "offline IN"},
	{table: "sessions", change: row{"refreshable": 2}, sqlite: "refreshable IN"},
	{table: "signing_keys", change: row{"activates_at": "noon"}, sqlite: "cannot store TEXT value in INTEGER column"},
	{table: "audit_events", change: row{"id": id(2) + "0"}, sqlite: "length(id) = 36"},
	{table: "audit_events", change: row{"id": id(2)[1:]}, sqlite: "length(id) = 36"},
	{table: "audit_events", change: row{"at": "noon"}, sqlite: "cannot store TEXT value in INTEGER column"},
	{table: "events", change: row{"id": make([]byte, 15)}, sqlite: "length(id) = 16"},
	{table: "events", change: row{"id": make([]byte, 17)}, sqlite: "length(id) = 16"},
	{table: "events", change: row{"at": "noon"}, sqlite: "cannot store TEXT value in INTEGER column"},
	{table: "schema_compat", change: row{"oldest_binary": "one"}, sqlite: "cannot store TEXT value in INTEGER column"},
}

// accepted are rows at the good side of the bounds.
var accepted = []refusal{
	{table: "schema_compat", change: row{"oldest_binary": 1002}},
	{table: "users", change: row{"email": nil, "email_canonical": nil, "disabled_at": at(1)}},
	{table: "users", change: row{"deleted_at": at(1), "username": nil, "username_canonical": nil, "email": nil, "email_canonical": nil, "password_hash": nil}},
	{table: "clients", change: row{"grace": 0, "idle_ttl": 1, "max_ttl": 1, "kind": "confidential", "rotation": "never"}},
	{table: "sessions", change: row{"checkpoint": maxUint32, "status_index": 0}},
	{table: "sessions", change: row{"checkpoint": 1, "status_index": maxInt31, "revoked_at": at(1), "revoke_reason": "logout"}},
	{table: "sessions", change: row{"status_index": nil}},
	{table: "sessions", change: row{"status_index": 3, "origin": "machine", "scope": "a b", "resources": []string{"https://a.example"}, "auth_time": at(0),
		"acr": "1", "amr": []string{"pwd"}, "jkt": make([]byte, 32), "browser_session_id": id(3), "offline": false, "refreshable": false}},
	{table: "signing_keys", change: row{"activates_at": at(0), "sealed": nil}},
	{table: "signing_keys", change: row{"activates_at": at(1), "alg": "ES256"}}, // the turn of another algorithm's key
}

// TestEveryConstraintRefusesWhatItIsFor, and takes what is at its bound.
func TestEveryConstraintRefusesWhatItIsFor(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.constrained(t)
		cases := refusals
		if d.isSQLite(t) {
			cases = slices.Concat(refusals, onSQLite)
		}
		for _, c := range cases {
			says := c.postgres
			if d.isSQLite(t) {
				says = c.sqlite
			}
			err := d.insert(t, c.table, good(c.table, 2).with(c.change))
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s with %v: got %v, want it refused by %s", c.table, c.change, err, says)
			}
		}
		for i, c := range accepted {
			if err := d.insert(t, c.table, good(c.table, i+2).with(c.change)); err != nil {
				t.Errorf("%s with %v: %v", c.table, c.change, err)
			}
		}
	})
}

// constrained is the newest schema with a row numbered 1 in each table.
func (d target) constrained(t *testing.T) {
	t.Helper()
	d.up(t)
	if err := d.insert(t, "users", good("users", 0)); err != nil {
		t.Fatal(err)
	}
	for _, table := range fillable {
		if err := d.insert(t, table, good(table, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryColumnThatMustHaveAValueAsksForIt: those are the columns of good, but for what may be NULL.
func TestEveryColumnThatMustHaveAValueAsksForIt(t *testing.T) {
	t.Parallel()
	optional := []string{"username", "username_canonical", "email", "email_canonical", "password_hash", "skeleton", "sealed", "status_index"}
	onBoth(t, func(t *testing.T, d target) {
		d.constrained(t)
		for _, table := range fillable {
			for column := range maps.Keys(good(table, 2)) {
				if slices.Contains(optional, column) || (table == "schema_compat" && column == "version" && d.isSQLite(t)) { // SQLite numbers it by itself
					continue
				}
				err := d.insert(t, table, good(table, 2).with(row{column: nil}))
				if err == nil || !strings.Contains(strings.ToLower(err.Error()), "null") || !strings.Contains(err.Error(), column) {
					t.Errorf("%s without %s: got %v, want it refused", table, column, err)
				}
			}
		}
	})
}

// TestNoConstraintIsWithoutACase, so that a new one comes with what it is for.
func TestNoConstraintIsWithoutACase(t *testing.T) {
	t.Parallel()
	d := postgres(t).up(t)
	held := map[string]bool{"schema_migrations_pkey": true} // golang-migrate's own
	for _, c := range refusals {
		held[c.postgres] = true
	}
	for _, name := range d.lines(t, `SELECT conname FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype <> 'n'
		UNION SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = current_schema()::regnamespace AND indisunique`) {
		if !held[name] {
			t.Errorf("no row here is refused by %s", name)
		}
	}
}

// TestAReferencedUserOrClientIsNotDeleted: a session keeps its user and its client.
func TestAReferencedUserOrClientIsNotDeleted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.constrained(t)
		for _, statement := range []string{
			fmt.Sprintf(`DELETE FROM users WHERE id = '%s'`, id(0)), fmt.Sprintf(`UPDATE users SET id = '%s' WHERE id = '%s'`, id(8), id(0)),
			`DELETE FROM clients WHERE id = 'first-party'`, `UPDATE clients SET id = 'second-party' WHERE id = 'first-party'`,
		} {
			if err := d.try(t, statement); err == nil || !strings.Contains(strings.ToLower(err.Error()), "foreign key") {
				t.Errorf("%s: got %v, want it refused", statement, err)
			}
		}
	})
}

// TestNoNameIsTheAddressOfAnotherUser, whichever of them comes or changes last.
func TestNoNameIsTheAddressOfAnotherUser(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.constrained(t)
		own := good("users", 2)
		if err := d.insert(t, "users", own.with(row{"username_canonical": own["email_canonical"]})); err != nil {
			t.Errorf("a user whose name is their address: %v", err)
		}
		if err := d.insert(t, "users", good("users", 3)); err != nil {
			t.Fatal(err)
		}
		says := "of another user"
		if d.isSQLite(t) {
			says = "another user logs in with that"
		}
		for name, err := range map[string]error{
			"a new name":       d.insert(t, "users", good("users", 4).with(row{"username_canonical": "user3@example.com"})),
			"a new address":    d.insert(t, "users", good("users", 4).with(row{"email_canonical": "user3"})),
			"another name":     d.try(t, fmt.Sprintf(`UPDATE users SET username_canonical = 'user3@example.com' WHERE id = '%s'`, id(2))),
			"another address":  d.try(t, fmt.Sprintf(`UPDATE users SET email_canonical = 'user3' WHERE id = '%s'`, id(2))),
			"its former owner": d.try(t, fmt.Sprintf(`UPDATE users SET email_canonical = '%s' WHERE id = '%s'`, own["email_canonical"], id(3))),
		} {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: got %v, want it refused: %s", name, err, says)
			}
		}
		for _, statement := range []string{
			fmt.Sprintf(`UPDATE users SET email_canonical = 'new@example.com' WHERE id = '%s'`, id(2)), // the name stays the former address
			fmt.Sprintf(`UPDATE users SET username = NULL, username_canonical = NULL, email = NULL, email_canonical = NULL, password_hash = NULL, deleted_at = created_at WHERE id = '%s'`, id(3)),
			fmt.Sprintf(`UPDATE users SET username_canonical = 'user3@example.com' WHERE id = '%s'`, id(2)),
		} {
			if err := d.try(t, statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
		if err := d.try(t, fmt.Sprintf(`UPDATE users SET email_canonical = 'user3@example.com' WHERE id = '%s'`, id(0))); err == nil {
			t.Error("an address that has become the name of another user is taken")
		}
		if left := d.lines(t, `SELECT id FROM users WHERE deleted_at IS NOT NULL AND skeleton IS NOT NULL`); len(left) > 0 {
			t.Errorf("deleted users %s have skeletons", left)
		}
	})
}
