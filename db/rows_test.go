package db_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// row is what goes into a table. Times are time.Time in both dialects.
type row map[string]any

// with is a copy of the row with some columns changed.
func (r row) with(change row) row {
	changed := maps.Clone(r)
	maps.Copy(changed, change)
	return changed
}

// tables in the order in which they can be filled.
var fillable = []string{"users", "clients", "sessions", "signing_keys", "audit_events", "events", "schema_compat"}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// id and its like give values that differ for each n.
func id(n int) string     { return fmt.Sprintf("01890000-0000-7000-8000-%012d", n) }
func family(n int) []byte { return fmt.Appendf(nil, "%016d", n) }
func kid(n int) string    { return fmt.Sprintf("%043d", n) }
func at(n int) time.Time  { return noon.Add(time.Duration(n) * time.Microsecond) }

// good is a row that the newest schema takes; those of different n don't meet.
func good(table string, n int) row {
	switch table {
	case "users":
		name := fmt.Sprint("user", n)
		return row{
			"id": id(n), "username": name, "username_canonical": name, "skeleton": name, "email": name + "@example.com", "email_canonical": name + "@example.com",
			"password_hash": "hash", "created_at": at(0), "sessions_valid_after": at(0),
		}
	case "clients":
		return row{"id": fmt.Sprint("client", n), "name": "Client", "kind": "public", "grant_types": []string{"refresh_token"}, "rotation": "always", "allow_skip": false, "created_at": at(0)}
	case "sessions":
		return row{
			"family": family(n), "id": id(n), "user_id": id(0), "client_id": "first-party", "created_at": at(0), "absolute_expiry": at(1), "checkpoint": 1,
			"last_seen_at": at(0), "address": "", "user_agent": "", "status_index": n,
		}
	case "signing_keys":
		return row{"kid": kid(n), "alg": "RS256", "public": []byte("public"), "sealed": []byte("sealed"), "published_at": at(0), "activates_at": at(n)}
	case "audit_events":
		return row{"id": id(n), "at": at(0), "kind": "login", "actor": "user"}
	case "events":
		return row{"id": uuid.MustParse(id(n)), "at": at(0), "kind": "login", "actor": "self"}
	case "schema_compat":
		return row{"version": 1000 + n, "oldest_binary": 1}
	default:
		panic("no row of " + table)
	}
}

// insert adds a row, or returns why it is refused.
func (d target) insert(t *testing.T, table string, r row) error {
	t.Helper()
	columns := slices.Sorted(maps.Keys(r))
	places, values := make([]string, len(columns)), make([]any, len(columns))
	for i, c := range columns {
		places[i], values[i] = fmt.Sprint("$", i+1), d.value(t, r[c])
	}
	return d.try(t, fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s)`, table, strings.Join(columns, ", "), strings.Join(places, ", ")), values...)
}

// value is a value as the dialect keeps it.
func (d target) value(t *testing.T, v any) any {
	t.Helper()
	if !d.isSQLite(t) {
		return v
	}
	switch v := v.(type) {
	case time.Time:
		return v.UnixMicro()
	case uuid.UUID:
		return v[:]
	case []string:
		return `["` + strings.Join(v, `", "`) + `"]`
	default:
		return v
	}
}

func (d target) try(t *testing.T, statement string, values ...any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	_, err := d.sql.ExecContext(ctx, statement, values...)
	return err
}

// fill puts a row in each table of the newest schema, which name each other.
func (d target) fill(t *testing.T) {
	t.Helper()
	for _, table := range fillable[:len(fillable)-1] {
		if err := d.insert(t, table, good(table, 0)); err != nil {
			t.Fatal(err)
		}
	}
}
