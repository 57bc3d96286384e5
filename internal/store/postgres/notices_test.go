package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// change carries a change of the keys out.
func change(tb testing.TB, store *postgres.Store, change keyring.Change, failure error) {
	tb.Helper()
	err := store.ChangeSigningKeys(tb.Context(), func([]keyring.Stored, time.Time) (keyring.Change, error) { return change, failure })
	if !errors.Is(err, failure) {
		tb.Fatalf("change of the keys: %v, want %v", err, failure)
	}
}

func TestEveryChangeOfTheKeysIsAnnounced(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	store := open(t, url)
	ears, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer ears.Close(context.WithoutCancel(t.Context()))
	if _, err := ears.Exec(t.Context(), `LISTEN mintmark_signing_keys`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	signs := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	key := storetest.NewKey(signs)
	key.PublishedAt = signs.Add(-time.Hour)
	earlier := key
	earlier.ActivatesAt = signs.Add(-time.Minute)
	revoked := earlier
	revoked.RevokedAt = signs
	destroyed := revoked
	destroyed.Sealed = nil
	for _, c := range []struct {
		doing   string
		change  keyring.Change
		failure error
		told    int
	}{
		{"one is added", keyring.Change{Add: []keyring.Stored{key}}, nil, 1},
		{"its turn comes earlier", keyring.Change{Update: []keyring.Stored{earlier}}, nil, 1},
		{"it is revoked", keyring.Change{Update: []keyring.Stored{revoked}}, nil, 1},
		{"its private half is destroyed", keyring.Change{Update: []keyring.Stored{destroyed}}, nil, 1},
		{"nothing but an event is written", keyring.Change{Events: []audit.Event{audit.New(audit.KeyRotated, audit.ByOperator("root"))}}, nil, 0},
		{"a decision is refused", keyring.Change{Add: []keyring.Stored{storetest.NewKey(signs)}}, errors.New("refused"), 0},
		{"an update meets no key", keyring.Change{Add: []keyring.Stored{storetest.NewKey(signs)}, Update: []keyring.Stored{storetest.NewKey(signs)}}, keyring.ErrUnknownKey, 0},
	} {
		change(t, store, c.change, c.failure)
		execute(t, url, `NOTIFY mintmark_signing_keys, 'that is all'`)
		told := 0
		for {
			notice, err := ears.WaitForNotification(ctx)
			if err != nil {
				t.Fatalf("when %s: %v", c.doing, err)
			}
			if notice.Payload == "that is all" {
				break
			}
			told++
		}
		if told != c.told {
			t.Errorf("when %s: told %d times, want %d", c.doing, told, c.told)
		}
	}
}

// TestAReplicaHearsOfAChangeAlsoAfterTheNetworkWasCut: while it can't hear, it gets an error;
// nil would make it read the keys again and again.
func TestAReplicaHearsOfAChangeAlsoAfterTheNetworkWasCut(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	proxy := testserver.StartProxy(t, url)
	listens, changes := open(t, proxy.URL()), open(t, url)
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Second)
	defer stop()
	heard := make(chan error, 1)
	await := func() {
		t.Helper()
		go func() { heard <- listens.AwaitSigningKeys(ctx) }()
		awaitListeners(ctx, t, url, 1)
	}
	for n := range 3 {
		await()
		change(t, changes, keyring.Change{Add: []keyring.Stored{storetest.NewKey(time.Now().Add(time.Hour + time.Duration(n)*time.Second))}}, nil)
		if err := <-heard; err != nil {
			t.Fatalf("heard %v", err)
		}
		if n == 0 {
			continue // on the connection that it has
		}
		await()
		proxy.Cut()
		if err := <-heard; err == nil || ctx.Err() != nil {
			t.Fatalf("the network is cut: %v, want an error", err)
		}
		if err := listens.AwaitSigningKeys(ctx); err == nil || ctx.Err() != nil {
			t.Fatalf("the network is still cut: %v, want an error", err)
		}
		awaitListeners(ctx, t, url, 0)
		proxy.Heal()
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := listens.AwaitSigningKeys(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("when nobody wants to know any more: %v", err)
	}
}

// awaitListeners returns when the given number of listeners is in the database.
func awaitListeners(ctx context.Context, tb testing.TB, url string, want int) {
	tb.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for listen := -1; listen != want; {
		err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND state = 'idle' AND query LIKE 'LISTEN%'`).Scan(&listen)
		if err != nil {
			tb.Fatalf("%d listen, want %d: %v", listen, want, err)
		}
	}
}

// TestEveryChangeOfAClientIsAnnounced, also by plain SQL, and a transaction's once.
func TestEveryChangeOfAClientIsAnnounced(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	store := open(t, url)
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Second)
	defer stop()
	for what, change := range map[string]func(){
		"it is added by hand": func() {
			execute(t, url, `INSERT INTO clients (id, name, kind, grant_types, rotation, allow_skip, created_at) VALUES ('one', 'One', 'public', '{}', 'always', false, now())`)
		},
		"it is changed by hand": func() { execute(t, url, `UPDATE clients SET name = 'Another'`) },
		"it is disabled": func() {
			if err := store.DisableClient(ctx, client.FirstParty, audit.New(audit.ClientDisabled, audit.ByOperator("root"))); err != nil {
				t.Error(err)
			}
		},
	} {
		heard := make(chan error, 1)
		go func() { heard <- store.AwaitClients(ctx) }()
		awaitListeners(ctx, t, url, 1)
		change()
		if err := <-heard; err != nil {
			t.Errorf("%s: heard %v", what, err)
		}
	}
}

// TestAWaiterHearsOnlyOfItsOwnChanges, on the one connection that there is: keys are not read
// because of a client. A notice that nobody awaits yet is kept.
func TestAWaiterHearsOnlyOfItsOwnChanges(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	store := open(t, url)
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Second)
	defer stop()
	keys, clients := make(chan error, 10), make(chan error, 10)
	awaitKeys := func() { keys <- store.AwaitSigningKeys(ctx) }
	awaitClients := func() { clients <- store.AwaitClients(ctx) }
	wantHeard := func(what string, heard <-chan error) {
		t.Helper()
		if err := <-heard; err != nil {
			t.Fatalf("heard of %s: %v", what, err)
		}
	}
	go awaitKeys()
	awaitListeners(ctx, t, url, 1) // the keys' has the connection
	go awaitClients()
	for range 3 {
		execute(t, url, `UPDATE clients SET name = 'Another'`)
		wantHeard("a client", clients)
		go awaitClients()
	}
	if len(keys) > 0 {
		t.Fatalf("heard of a key: %v", <-keys)
	}
	execute(t, url, `NOTIFY mintmark_signing_keys`)
	wantHeard("a key", keys)
	execute(t, url, `NOTIFY mintmark_signing_keys`, `UPDATE clients SET name = 'Another'`) // the clients' has it now
	wantHeard("a client", clients)
	awaitListeners(ctx, t, url, 1)
	go awaitKeys()
	wantHeard("a key, before it was awaited", keys)
	if len(clients) > 0 {
		t.Errorf("heard of a client: %v", <-clients)
	}
}
