package db_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestASigningKeyStaysWhatItIs, even if its table is written by hand, column by column.
func TestASigningKeyStaysWhatItIs(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		const live, revoked, other = 1, 2, 3
		d.up(t)
		for _, r := range []row{
			good("signing_keys", 5).with(row{"kid": kid(live)}),
			good("signing_keys", 6).with(row{"kid": kid(revoked), "revoked_at": at(9), "sealed": nil}),
			good("signing_keys", 4).with(row{"kid": kid(other), "alg": "ES256"}),
		} {
			if err := d.insert(t, "signing_keys", r); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			key    int
			change row
			says   string // "": it is taken
		}{
			{live, row{"kid": kid(9)}, "the key it is"},
			{live, row{"alg": "PS256"}, "the key it is"},
			{live, row{"public": []byte("another")}, "the key it is"},
			{live, row{"published_at": at(-1)}, "the key it is"},
			{live, row{"activates_at": at(7)}, "not put off"},
			{live, row{"sealed": []byte("under another root")}, ""},
			{live, row{"activates_at": at(4)}, ""}, // which is also the turn of another algorithm's key
			{live, row{"sealed": nil}, ""},
			{live, row{"sealed": []byte("back")}, "destroyed"},
			{live, row{"revoked_at": at(8)}, ""},
			{live, row{"revoked_at": at(7)}, "stays revoked"},
			{revoked, row{"revoked_at": nil}, "stays revoked"},
			{revoked, row{"revoked_at": at(10)}, "stays revoked"},
			{revoked, row{"revoked_at": at(9)}, ""},
			{revoked, row{"sealed": []byte("back")}, "destroyed"},
			{revoked, row{"activates_at": at(4)}, "turn"}, // the turn of live
		} {
			err := d.change(t, c.key, c.change)
			switch {
			case c.says == "" && err != nil:
				t.Errorf("key %d with %v: %v", c.key, c.change, err)
			case c.says == "" && !d.has(t, c.key, c.change):
				t.Errorf("key %d with %v: nothing changed", c.key, c.change)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("key %d with %v: got %v, want it refused as %q", c.key, c.change, err, c.says)
			}
		}
		if got := d.rows(t)["signing_keys"]; got != 3 {
			t.Errorf("%d keys, want 3", got)
		}
	})
}

// change updates a key.
func (d target) change(t *testing.T, key int, change row) error {
	t.Helper()
	set, values := d.pairs(t, ", ", change)
	return d.try(t, fmt.Sprintf(`UPDATE signing_keys SET %s WHERE kid = '%s'`, set, kid(key)), values...)
}

// has reports whether a key is as a change made it.
func (d target) has(t *testing.T, key int, change row) bool {
	t.Helper()
	var conditions []string
	var values []any
	for column, value := range change {
		if value == nil {
			conditions = append(conditions, column+" IS NULL")
			continue
		}
		values = append(values, d.value(t, value))
		conditions = append(conditions, fmt.Sprintf("%s = $%d", column, len(values)))
	}
	var n int
	query := fmt.Sprintf(`SELECT count(*) FROM signing_keys WHERE kid = '%s' AND %s`, kid(key), strings.Join(conditions, " AND "))
	if err := d.sql.QueryRowContext(t.Context(), query, values...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n == 1
}

// pairs writes column = $n for each, and gives the values.
func (d target) pairs(t *testing.T, separator string, r row) (string, []any) {
	t.Helper()
	var pairs []string
	var values []any
	for _, column := range slices.Sorted(maps.Keys(r)) {
		values = append(values, d.value(t, r[column]))
		pairs = append(pairs, fmt.Sprintf("%s = $%d", column, len(values)))
	}
	return strings.Join(pairs, separator), values
}

// TestNoSigningKeyIsEverGone, in whichever way a statement would take it away.
func TestNoSigningKeyIsEverGone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.up(t)
		for n := range 2 {
			if err := d.insert(t, "signing_keys", good("signing_keys", n)); err != nil {
				t.Fatal(err)
			}
		}
		statements := map[string]string{`DELETE FROM signing_keys`: "never deleted", `TRUNCATE signing_keys`: "never deleted"}
		if d.isSQLite(t) {
			const columns = `INSERT OR REPLACE INTO signing_keys (kid, alg, public, sealed, published_at, activates_at) SELECT `
			statements = map[string]string{
				`DELETE FROM signing_keys`: "never deleted",
				columns + `kid, alg, x'01', sealed, published_at, activates_at + 100 FROM signing_keys`:                                          "such a signing key already",
				columns + fmt.Sprintf(`'%s', alg, x'01', sealed, published_at, activates_at FROM signing_keys WHERE kid = '%s'`, kid(9), kid(0)): "such a signing key already",
				fmt.Sprintf(`UPDATE OR REPLACE signing_keys SET activates_at = activates_at - 1 WHERE kid = '%s'`, kid(1)):                       "has that turn",
			}
		}
		for statement, says := range statements {
			if err := d.try(t, statement); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: got %v, want it refused as %q", statement, err, says)
			}
		}
		if got := d.rows(t)["signing_keys"]; got != 2 {
			t.Errorf("%d keys are left, want 2", got)
		}
	})
}
