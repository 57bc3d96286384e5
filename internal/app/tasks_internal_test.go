package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/operator"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// noticed is a store that hears of changes.
type noticed struct {
	durable
	keys, clients chan struct{}
}

func (n noticed) AwaitSigningKeys(ctx context.Context) error { return heard(ctx, n.keys) }
func (n noticed) AwaitClients(ctx context.Context) error     { return heard(ctx, n.clients) }

func heard(ctx context.Context, notices <-chan struct{}) error {
	select {
	case <-notices:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestWhatOthersChangeIsSeenInTime: clients, keys and revocations, with a notice and without.
func TestWhatOthersChangeIsSeenInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		noticed := noticed{h.store, make(chan struct{}), make(chan struct{})}
		h.store = noticed
		defer h.run(t)()
		time.Sleep(time.Minute + 100*time.Millisecond) // a little after the ticks

		if err := h.store.DisableClient(t.Context(), client.FirstParty, audit.New(audit.ClientDisabled, audit.ByOperator("root"))); err != nil {
			t.Fatal(err)
		}
		wantWithin(t, "the client is disabled", clientsEvery, func() bool {
			c, _ := h.clients.Find(client.FirstParty)
			return !c.Enabled()
		})
		if err := h.store.EnableClient(t.Context(), client.FirstParty, audit.New(audit.ClientEnabled, audit.ByOperator("root"))); err != nil {
			t.Fatal(err)
		}
		noticed.clients <- struct{}{}
		wantWithin(t, "with a notice the client is enabled", 2*gatherFor, func() bool {
			c, _ := h.clients.Find(client.FirstParty)
			return c.Enabled()
		})

		rotate := func() (next string) {
			t.Helper()
			order := keyring.Order{By: audit.ByOperator("root"), Why: "a test", Confirm: func(keyring.Switch) error { return nil }, Waiting: func(keyring.Switch, time.Duration) {}}
			done, err := operatorOf(t, h).RotateKeysNow(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			return done.To.KID
		}
		next := rotate()
		wantWithin(t, "without a notice the next key signs", keyring.PollEvery, func() bool { return h.keys.Outlook().Signing == next })
		time.Sleep(time.Minute)
		next = rotate()
		noticed.keys <- struct{}{}
		wantWithin(t, "with a notice the next key signs", 2*gatherFor, func() bool { return h.keys.Outlook().Signing == next })
		wantLine(t, h.said.String(), `level=INFO msg="another key signs now" kid=`+next+" before=")

		s := h.start(t)
		if _, err := h.store.RevokeSession(t.Context(), s.ID, session.ReasonRevoked, audit.New(audit.SessionRevoked, audit.ByOperator("root"))); err != nil {
			t.Fatal(err)
		}
		wantWithin(t, "the session is in a list", revocation.PollEvery, func() bool { return h.lists.Revoked() == 1 })
		time.Sleep(revocation.Apart)
		s = h.start(t)
		if _, err := h.store.RevokeSession(t.Context(), s.ID, session.ReasonRevoked, audit.New(audit.SessionRevoked, audit.ByOperator("root"))); err != nil {
			t.Fatal(err)
		}
		h.lists.Wake()
		wantWithin(t, "the session that was revoked here is in a list", revocation.Apart+gatherFor, func() bool { return h.lists.Revoked() == 2 })
	})
}

// operatorOf is an operator beside the running authority.
func operatorOf(t *testing.T, h *testApp) *operator.Operator {
	t.Helper()
	o, err := (&Stores{Users: h.store, Keys: h.store, durable: h.store}).Operator(h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// start starts a session of a user of its own.
func (h *testApp) start(t *testing.T) session.Session {
	t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	name := "u" + id[24:]
	u, err := operatorOf(t, h).CreateUser(t.Context(), audit.ByOperator("root"), user.Registration{Username: name, Email: name + "@example.com", Password: secret.NewString("violet tram seven umbrellas")})
	if err != nil {
		t.Fatal(err)
	}
	family := session.NewFamily()
	s, err := h.store.StartSession(t.Context(), session.Session{
		ID: id, Family: family.Hash(), UserID: u.ID, ClientID: client.FirstParty, Checkpoint: 1,
	}, session.Terms{Lifetime: time.Hour, Seen: u.SessionsValidAfter}, audit.New(audit.SessionStarted, audit.ByUser("alice")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantWithin wants something to become true within that long, in a bubble.
func wantWithin(t *testing.T, what string, within time.Duration, ask func() bool) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		synctest.Wait()
		switch {
		case ask():
			return
		case time.Now().After(end):
			t.Errorf("not within %s: %s", within, what)
			return
		}
	}
}

// TestTheFirstStandbyIsMadeAfterTheStart, since drawing it takes long.
func TestTheFirstStandbyIsMadeAfterTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := buildIn(t, t.TempDir())
		if got := h.keys.Outlook().Published; got != 1 {
			t.Errorf("%d keys before it serves, want 1", got)
		}
		stop := h.run(t)
		synctest.Wait()
		if got := h.keys.Outlook().Published; got != 2 {
			t.Errorf("%d keys while it serves, want 2", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestKeysGoOnThoughOneIsDamaged, which is still reported.
func TestKeysGoOnThoughOneIsDamaged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		_, roots, err := inForceWithRoots(h.cfg)
		if err != nil {
			t.Fatal(err)
		}
		damage := func(key keyring.Stored) keyring.Stored {
			if !key.ActivatesAt.After(time.Now()) {
				return key
			}
			key.Sealed = []byte("damaged")
			return key
		}
		h.keys = keyring.New(damaged{h.store, damage}, keyring.NewSealer(h.cfg.Issuer, roots), keyPolicy(h.cfg), keyring.DatabaseClock{})
		for range 2 {
			if err := h.tendKeys(t.Context()); !errors.Is(err, keyring.ErrUnsealable) {
				t.Errorf("a damaged standby: %v, want %v", err, keyring.ErrUnsealable)
			}
			if err := h.keys.Ready(); err != nil {
				t.Errorf("the key that signs is whole: %v", err)
			}
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// damaged is a store of keys that come out of it otherwise.
type damaged struct {
	keyring.Store
	change func(keyring.Stored) keyring.Stored
}

func (d damaged) SigningKeys(ctx context.Context) ([]keyring.Stored, time.Time, error) {
	stored, now, err := d.Store.SigningKeys(ctx)
	for i := range stored {
		stored[i] = d.change(stored[i])
	}
	return stored, now, err
}
