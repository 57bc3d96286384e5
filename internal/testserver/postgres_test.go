package testserver_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func TestPostgresGivesEachTestADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	first, second := testserver.Postgres(t), testserver.Postgres(t)
	if first == second {
		t.Fatalf("got the same URL twice: %s", first)
	}
	query(t, first, "CREATE TABLE coins (id int)")
	query(t, second, "CREATE TABLE coins (id int)") // fails if it were the same database
}

func TestPostgresDropsTheDatabaseWithTheTest(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("inner", func(t *testing.T) {
		url = testserver.Postgres(t)
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) }) // runs first, though a leaked one is no obstacle
	})
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		conn.Close(t.Context())
		t.Error("the database is still there after its test")
	}
}

func TestPostgresTemplateIsPreparedOnce(t *testing.T) {
	t.Parallel()
	var prepared atomic.Int32
	prepare := func(url string) error {
		prepared.Add(1)
		query(t, url, "CREATE TABLE coins AS SELECT 7 AS value")
		return nil
	}
	for range 3 {
		url := testserver.PostgresTemplate(t, "coins", prepare)
		if got := query(t, url, "SELECT value FROM coins"); got != 7 {
			t.Errorf("the copy holds %d, want 7", got)
		}
		query(t, url, "DELETE FROM coins") // must not show in the next copy
	}
	if got := prepared.Load(); got != 1 {
		t.Errorf("prepared %d times, want once", got)
	}
}

// What a killed process left is dropped by the next one; what a live process has is not.
func TestPostgresSweepsWhatADeadProcessLeft(t *testing.T) {
	own := testserver.StartPostgres(t)
	t.Setenv("MINTMARK_TEST_DATABASE_URL", own.URL())
	query(t, own.URL(), "CREATE DATABASE mintmark_test_00000000000000aa_1")
	query(t, own.URL(), "CREATE DATABASE mintmark_test_00000000000000bb_1")
	alive, err := pgx.Connect(t.Context(), own.URL())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alive.Exec(t.Context(), "SELECT pg_advisory_lock(hashtextextended('00000000000000bb', 0))"); err != nil {
		t.Fatal(err)
	}
	if err := testserver.Sweep(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, own.URL(), "SELECT count(*)::int FROM pg_database WHERE datname LIKE '%000aa_1'"); got != 0 {
		t.Error("the dead process's database is still there")
	}
	if got := query(t, own.URL(), "SELECT count(*)::int FROM pg_database WHERE datname LIKE '%000bb_1'"); got != 1 {
		t.Error("the live process's database is gone")
	}
}

func TestPostgresKeepsItsDataThroughStopAndKill(t *testing.T) {
	t.Parallel()
	server := testserver.StartPostgres(t)
	url := server.URL()
	query(t, url, "CREATE TABLE coins (value int)")
	for name, end := range map[string]func(){"Stop": server.Stop, "Kill": server.Kill} {
		query(t, url, "TRUNCATE coins")
		query(t, url, "INSERT INTO coins VALUES (7)") // must not be lost, however soon the end comes
		end()
		if conn, err := pgx.Connect(t.Context(), url); err == nil {
			conn.Close(t.Context())
			t.Fatalf("still answers after %s", name)
		}
		server.Start()
		if server.URL() != url {
			t.Fatalf("after %s and Start it listens at %s, want %s", name, server.URL(), url)
		}
		if got := query(t, url, "SELECT value FROM coins"); got != 7 {
			t.Errorf("after %s and Start it holds %d, want 7", name, got)
		}
	}
}

// query runs a statement over a connection of its own and gives the number it returned, if any.
func query(tb testing.TB, url, statement string) int {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(context.Background(), statement)
	if err != nil {
		tb.Fatal(err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
	if len(numbers) == 0 {
		return 0
	}
	return numbers[0]
}
