package db_test

import (
	"slices"
	"testing"
)

// TestEveryChangeOfAClientTakesALaterTime, whatever the clock says: the last change is the
// newest.
func TestEveryChangeOfAClientTakesALaterTime(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d target) {
		d.up(t)
		order := []string{"first-party"}
		changed := func(id string) {
			t.Helper()
			order = append(slices.DeleteFunc(order, func(x string) bool { return x == id }), id)
			if got := d.lines(t, `SELECT id FROM clients ORDER BY changed_at`); !slices.Equal(got, order) {
				t.Errorf("in order of their changes: %v, want %v", got, order)
			}
		}
		for n := range 3 {
			if err := d.insert(t, "clients", good("clients", n)); err != nil {
				t.Fatal(err)
			}
			changed(good("clients", n)["id"].(string))
		}
		d.exec(t, `UPDATE clients SET name = 'Another' WHERE id = 'client1'`)
		changed("client1")
		d.exec(t, `UPDATE clients SET name = 'Another' WHERE id = 'client1'`)
		changed("client1")
		d.exec(t, `UPDATE clients SET deleted_at = created_at WHERE id = 'first-party'`)
		changed("first-party")

		if d.isSQLite(t) {
			d.exec(t, `UPDATE clients SET changed_at = 7258118400000000 WHERE id = 'client2'`)
		} else {
			d.exec(t, `ALTER TABLE clients DISABLE TRIGGER clients_note_change`,
				`UPDATE clients SET changed_at = '2200-01-01' WHERE id = 'client2'`, `ALTER TABLE clients ENABLE TRIGGER clients_note_change`)
		}
		changed("client2")
		d.exec(t, `UPDATE clients SET name = 'Later' WHERE id = 'client0'`)
		changed("client0")
	})
}

// TestChangesOfClientsAreCommittedInOrder: a reader that has seen one misses none before it.
func TestChangesOfClientsAreCommittedInOrder(t *testing.T) {
	t.Parallel()
	d := postgres(t).up(t)
	if err := d.insert(t, "clients", good("clients", 0)); err != nil {
		t.Fatal(err)
	}
	first, err := d.sql.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Rollback() // nothing is left of it once it is committed
	if _, err := first.ExecContext(t.Context(), `UPDATE clients SET name = 'One' WHERE id = 'first-party'`); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.try(t, `UPDATE clients SET name = 'Two' WHERE id = 'client0'`) }()
	d.waiting(t, ended)
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := within(t, func() error { return <-ended }); err != nil {
		t.Fatal(err)
	}
	if got, want := d.lines(t, `SELECT id FROM clients ORDER BY changed_at`), []string{"first-party", "client0"}; !slices.Equal(got, want) {
		t.Errorf("in order of their changes: %v, want %v", got, want)
	}
}
