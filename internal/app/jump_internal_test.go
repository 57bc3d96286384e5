package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

const month = 31 * 24 * time.Hour

// jumping is an authority over a Postgres whose clock the test sets.
type jumping struct {
	postgres *testserver.Server
	cfg      config.Config
}

func newJumping(t *testing.T) *jumping {
	t.Helper()
	j := &jumping{postgres: testserver.StartPostgresWithClock(t)}
	database, err := db.Postgres(j.postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := database.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.cfg, err = config.Load(nil, []string{
		"MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0", "MINTMARK_ISSUER=http://localhost:1", "MINTMARK_REGISTRATION=open",
		"MINTMARK_DATABASE_URL=" + j.postgres.URL(), "MINTMARK_REDIS_URL=" + testserver.Redis(t),
		"MINTMARK_ROOT_SECRET=" + secret.GenerateRoots().Encode().Reveal(),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// serve opens the authority. The test itself is its ticks.
func (j *jumping) serve(t *testing.T) *App {
	t.Helper()
	a, err := Open(t.Context(), j.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// poll is what serve does in five seconds; the keys come first, whose clocks were read before.
func (a *App) poll(t *testing.T) {
	t.Helper()
	for _, do := range []func(context.Context) error{a.tendKeys, a.readClocks, a.tendKeys} {
		if err := do(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// rows is the table of keys, as text.
func (j *jumping) rows(t *testing.T) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), j.postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	found, _ := conn.Query(t.Context(), `SELECT signing_keys::text FROM signing_keys ORDER BY activates_at`) // its error comes with the rows
	rows, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func (j *jumping) operator(t *testing.T) (give func(func(context.Context, keyring.Order) (keyring.Switch, error)) error, stores *Stores) {
	t.Helper()
	stores, err := OpenStores(t.Context(), j.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stores.Close() })
	return func(verb func(context.Context, keyring.Order) (keyring.Switch, error)) error {
		_, err := verb(t.Context(), keyring.Order{
			By: audit.ByOperator("root"), Why: "a test",
			Confirm: func(keyring.Switch) error { return nil }, Waiting: func(keyring.Switch, time.Duration) {},
		})
		return err
	}, stores
}

// TestAJumpOfTheDatabasesClockLeavesEveryKeyAsItWas, for as long as it lasts and after it, and
// logins work afterwards without an operator.
func TestAJumpOfTheDatabasesClockLeavesEveryKeyAsItWas(t *testing.T) {
	t.Parallel()
	j := newJumping(t)
	a := j.serve(t)
	a.poll(t)
	a.poll(t)
	if status := a.post("register", strings.Replace(alice, "{", `{"email": "alice@example.com", `, 1)); status != http.StatusOK {
		t.Fatalf("a registration gets %d", status)
	}
	before := j.rows(t)
	if len(before) != 2 {
		t.Fatalf("%d keys, want the first and its standby", len(before))
	}
	for _, jump := range []time.Duration{month, -month} {
		j.postgres.SetClock(jump)
		a.poll(t)
		a.poll(t)
		j.serve(t).poll(t) // a restart
		if err := a.isReadyToSign(); err != nil {
			t.Errorf("in a jump of %s: %v", jump, err)
		}
		j.postgres.SetClock(0)
		a.poll(t)
		a.poll(t)
		a.poll(t)
		if diff := cmp.Diff(before, j.rows(t)); diff != "" {
			t.Errorf("a jump of %s changed signing_keys (-before +after):\n%s", jump, diff)
		}
		if status := a.post("login", alice); status != http.StatusOK {
			t.Errorf("after a jump of %s a login gets %d", jump, status)
		}
	}
}

// alice is what she logs in with.
const alice = `{"username": "alice", "password": "violet tram seven umbrellas"}`

// post sends JSON to the first-party API.
func (a *App) post(verb, body string) (status int) {
	r := httptest.NewRequest(http.MethodPost, "/api/authentication/"+verb, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	a.api.Public().ServeHTTP(w, r)
	return w.Code
}

// isReadyToSign is nil while a key signs that is there.
func (a *App) isReadyToSign() error {
	_, err := a.keys.Signer(a.clocks.Now().Reliable())
	return errors.Join(err, a.keys.Ready())
}

// TestTheFirstKeyIsNotMadeByAWrongClock: serve says which, and starts once it is right.
func TestTheFirstKeyIsNotMadeByAWrongClock(t *testing.T) {
	t.Parallel()
	j := newJumping(t)
	j.postgres.SetClock(month)
	_, err := Open(t.Context(), j.cfg, slog.New(slog.DiscardHandler))
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "the clock of the database is 744h0m0s ahead of this machine's and Redis's") {
		t.Errorf("got %v, want ErrUnavailable and the odd clock", err)
	}
	if rows := j.rows(t); len(rows) > 0 {
		t.Errorf("it made %v", rows)
	}
	j.postgres.SetClock(0)
	j.serve(t)
}

// TestOperatorsSwitchKeysByTheReliableTime: an emergency does not wait for the clock that is
// wrong, and a rotation is refused.
func TestOperatorsSwitchKeysByTheReliableTime(t *testing.T) {
	t.Parallel()
	j := newJumping(t)
	a := j.serve(t)
	a.poll(t)
	give, stores := j.operator(t)
	o, err := stores.Operator(j.cfg)
	if err != nil {
		t.Fatal(err)
	}
	j.postgres.SetClock(month)
	before := j.rows(t)
	if err := give(o.RotateKeys); !errors.Is(err, keyring.ErrClocks) {
		t.Errorf("rotate: %v, want ErrClocks", err)
	}
	if diff := cmp.Diff(before, j.rows(t)); diff != "" {
		t.Errorf("a refused rotation changed signing_keys (-before +after):\n%s", diff)
	}
	if err := give(o.RotateKeysNow); err != nil {
		t.Fatal(err)
	}
	keys, now, err := o.ListKeys(t.Context())
	if err != nil || time.Since(now).Abs() > time.Minute || len(keys) != 3 {
		t.Fatalf("%v at %s, %v; want three keys now", keys, now, err)
	}
	if keys[0].State != keyring.Retired || keys[0].SealedBy == 0 || keys[1].State != keyring.Signing {
		t.Errorf("%+v; want the first retired, its private half kept, and the standby signing", keys)
	}
}

// TestOnlyAnEmergencyIsOrderedWhileRedisIsSilent: without its clock nothing shows which of two is right.
func TestOnlyAnEmergencyIsOrderedWhileRedisIsSilent(t *testing.T) {
	t.Parallel()
	j := newJumping(t)
	j.serve(t).poll(t)
	give, stores := j.operator(t)
	lost := j.cfg
	lost.RedisURL = secret.NewString("redis://127.0.0.1:1")
	o, err := stores.Operator(lost)
	if err != nil {
		t.Fatal(err)
	}
	before := j.rows(t)
	if err := give(o.RotateKeys); !errors.Is(err, keyring.ErrClocks) {
		t.Errorf("rotate: %v, want ErrClocks", err)
	}
	if diff := cmp.Diff(before, j.rows(t)); diff != "" {
		t.Errorf("a refused rotation changed signing_keys (-before +after):\n%s", diff)
	}
	if err := give(o.RotateKeysNow); err != nil {
		t.Errorf("an emergency: %v", err)
	}
}
