package testserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

const month = 31 * 24 * time.Hour

// checkAhead checks that a server's clock is that far ahead of this machine's.
func checkAhead(t *testing.T, ask func() time.Time, want time.Duration) {
	t.Helper()
	before := time.Now().Round(0)
	got := ask().Add(-want)
	after := time.Now().Round(0)
	if got.Before(before.Add(-time.Second)) || got.After(after.Add(time.Second)) { // Redis's is cached
		t.Errorf("the clock, less %s, says %s, want it between %s and %s", want, got, before, after)
	}
}

func TestTheClockOfPostgresIsSetWhileItRuns(t *testing.T) {
	t.Parallel()
	server := testserver.StartPostgresWithClock(t)
	connect := func() func() time.Time {
		conn, err := pgx.Connect(t.Context(), server.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		return func() (now time.Time) {
			if err := conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now); err != nil {
				t.Fatal(err)
			}
			return now
		}
	}
	old := connect()
	for _, ahead := range []time.Duration{0, month, -month, 1500 * time.Millisecond, -time.Nanosecond, 0} {
		server.SetClock(ahead)
		checkAhead(t, old, ahead)
		checkAhead(t, connect(), ahead)
	}
}

func TestTheClockOfRedisIsSetWhileItRuns(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedisWithClock(t)
	client := dial(t, server.URL())
	now := func() time.Time {
		now, err := client.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	for _, ahead := range []time.Duration{0, month, -month, 40 * time.Second, 0} {
		server.SetClock(ahead)
		checkAhead(t, now, ahead)
	}
	if err := client.Set(t.Context(), "coin", "7", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	server.SetClock(2 * time.Hour)
	if got := client.Exists(t.Context(), "coin").Val(); got != 0 {
		t.Error("a key outlived its hour by the server's clock")
	}
}

func TestAClockThatWasSetStaysSoThroughARestart(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedisWithClock(t)
	server.SetClock(time.Hour)
	server.Kill()
	server.Start()
	checkAhead(t, func() time.Time {
		now, err := dial(t, server.URL()).Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return now
	}, time.Hour)
}
