package keyring_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// TestASnapshotSignsForAMinuteByBothClocks, and not a tick longer: the process's clock
// tells how old it is, and the database's too, which goes on while a machine sleeps.
func TestASnapshotSignsForAMinuteByBothClocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		process, database time.Duration // since the reading
		signs, ready      bool
	}{
		{0, 0, true, true},
		{time.Minute, 0, true, true},
		{time.Minute + 1, 0, false, false},
		{time.Minute + 1, -time.Hour, false, false},
		{0, time.Minute, true, true},
		{0, time.Minute + 1, false, true},
		{time.Minute, time.Minute, true, true},
		{0, -time.Hour, true, true},
	} {
		bubble(t, func(t *testing.T) {
			r := newRing(t, atRest()...)
			if err := r.Refresh(bound(t)); err != nil {
				t.Fatal(err)
			}
			at := r.now()
			time.Sleep(c.process)
			signer, err := r.Signer(at.Add(c.database))
			if (err == nil) != c.signs || err != nil && !errors.Is(err, keyring.ErrStale) || (signer != nil) != c.signs {
				t.Errorf("%+v: signer %v", c, err)
			}
			if err := r.Ready(); (err == nil) != c.ready || err != nil && !errors.Is(err, keyring.ErrStale) {
				t.Errorf("%+v: ready %v", c, err)
			}
		})
	}
}

// TestASnapshotIsAsOldAsTheQuestion, not as its answer, which may take long.
func TestASnapshotIsAsOldAsTheQuestion(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest()...)
		r.reading = func() error { time.Sleep(7 * time.Second); return nil }
		if err := r.Refresh(bound(t)); err != nil {
			t.Fatal(err)
		}
		if o := r.Outlook(); o.Age != 7*time.Second {
			t.Errorf("age %s, want 7 s", o.Age)
		}
	})
}

// TestBeforeTheFirstReadingNothingIsKnown: neither ready nor a key of any kind.
func TestBeforeTheFirstReadingNothingIsKnown(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest()...)
		if _, err := r.Signer(r.now()); !errors.Is(err, keyring.ErrStale) {
			t.Errorf("signer: %v", err)
		}
		_, set := r.JWKS()
		_, public := r.Public(r.kid("signing"))
		_, member := r.Member(r.kid("signing"))
		if set || public || member || !errors.Is(r.Ready(), keyring.ErrStale) || r.Damage() != nil || r.Outlook() != (keyring.Outlook{}) {
			t.Errorf("JWKS %v, public %v, member %v, ready %v, damage %v, %+v", set, public, member, r.Ready(), r.Damage(), r.Outlook())
		}
	})
}

// TestAReadingThatFailsLeavesTheSnapshot, which ages.
func TestAReadingThatFailsLeavesTheSnapshot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail func(t *testing.T, r *ring)
		want error
	}{
		"the database is down": {func(_ *testing.T, r *ring) { r.reading = nth(1) }, errDown},
		"the key that signs is damaged": {func(t *testing.T, r *ring) {
			edit(t, r.table, 3, func(k *keyring.Stored) { k.Sealed[20] ^= 1 })
		}, keyring.ErrUnsealable},
		"the key that signs is another": {func(_ *testing.T, r *ring) { r.keys[2].Public = r.keys[1].Public }, keyring.ErrDamaged},
		"all keys are gone":             {func(_ *testing.T, r *ring) { r.keys = nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				r := newRing(t, atRest()...)
				if err := r.Start(bound(t)); err != nil || len(r.writes) > 0 || r.reads != 1 {
					t.Fatalf("start: %v, %d writes, %d reads", err, len(r.writes), r.reads)
				}
				before, _ := r.JWKS()
				r.names[""] = "nobody"
				c.fail(t, r)
				time.Sleep(3 * time.Second)
				err := r.Refresh(bound(t))
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				after, _ := r.JWKS()
				if r.signs(t) != "signing" || string(after.Body) != string(before.Body) || r.Outlook().Age != 3*time.Second {
					t.Errorf("the snapshot is another: %+v", r.Outlook())
				}
			})
		})
	}
}

// TestStartMakesTheFirstKeyOnlyIfThereIsNone: no other error is taken for that.
func TestStartMakesTheFirstKeyOnlyIfThereIsNone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		empty := newRing(t)
		if err := empty.Start(bound(t)); err != nil || empty.Ready() != nil || empty.signs(t) != "new1" {
			t.Errorf("an empty table: %v, ready %v", err, empty.Ready())
		}
		foreign := newRing(t, half(signing, foreign))
		if err := foreign.Start(bound(t)); !errors.Is(err, keyring.ErrUnsealable) || len(foreign.keys) != 1 {
			t.Errorf("another root secret: %v, %d keys", err, len(foreign.keys))
		}
		down := newRing(t)
		down.reading = nth(1)
		if err := down.Start(bound(t)); !errors.Is(err, errDown) || len(down.keys) != 0 {
			t.Errorf("a database that is down: %v, %d keys", err, len(down.keys))
		}
		// Where all are revoked a key is made, but it is published before it signs.
		none := newRing(t, revoked)
		if err := none.Start(bound(t)); err != nil || !slices.Equal(none.published(t), []string{"new1"}) {
			t.Errorf("all are revoked: %v, %v are published", err, none.published(t))
		}
		if _, err := none.Signer(none.now()); !errors.Is(err, keyring.ErrStale) {
			t.Errorf("nothing may sign: %v", err)
		}
	})
}

// TestADamagedKeyIsReportedAndTheOthersServe: what is whole of it is published.
func TestADamagedKeyIsReportedAndTheOthersServe(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		next := given{name: "next", published: -time.Hour, signs: 60 * day}
		r := newRing(t, append(atRest(half(turning(standby, 30*time.Second), foreign)), next)...)
		r.keys[1].Public = []byte("retired") // what retired is not whole: it leaves the JWKS
		if err := r.Refresh(bound(t)); err != nil {
			t.Fatal(err)
		}
		if got, want := r.published(t), []string{"signing", "standby", "next"}; !slices.Equal(got, want) {
			t.Errorf("%v are published, want %v", got, want)
		}
		if _, ok := r.Public(r.kid("retired")); ok {
			t.Error("a key that is not whole is known")
		}
		if err := r.Damage(); !errors.Is(err, keyring.ErrUnsealable) || !errors.Is(err, keyring.ErrDamaged) {
			t.Errorf("damage: %v, want both keys told", err)
		}
		time.Sleep(10 * time.Second)
		want := keyring.Outlook{
			Signing: r.kid("signing"), NextSwitch: r.began.Add(30 * time.Second), Published: 3, Damaged: 2, Age: 10 * time.Second,
		}
		if diff := cmp.Diff(r.Outlook(), want); diff != "" {
			t.Errorf("outlook (-got +want):\n%s", diff)
		}
		time.Sleep(20 * time.Second)
		if _, err := r.Signer(r.now()); !errors.Is(err, keyring.ErrUnsealable) {
			t.Errorf("at the turn of a key that does not open: %v, want ErrUnsealable", err)
		}
		if got := r.Outlook(); got.Signing != r.kid("standby") || !got.NextSwitch.Equal(r.began.Add(60*day)) {
			t.Errorf("at the turn: %+v", got)
		}
		lost := newRing(t, atRest(half(turning(standby, 30*time.Second), destroyed))...)
		for range 2 { // a key that was never open is not taken for one that is
			if err := lost.Refresh(bound(t)); err != nil || !errors.Is(lost.Damage(), keyring.ErrUnsealable) {
				t.Errorf("a private half is lost: %v, damage %v", err, lost.Damage())
			}
		}
		sound := newRing(t, atRest()...)
		if err := sound.Refresh(bound(t)); err != nil || sound.Damage() != nil || sound.Outlook().Damaged != 0 {
			t.Errorf("all are whole: %v, %v", err, sound.Damage())
		}
	})
}

// TestAnOpenKeyStaysOpenUntilItsRowIsAnother: unsealing at every poll would be waste.
func TestAnOpenKeyStaysOpenUntilItsRowIsAnother(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest()...)
		open := func() any {
			if err := r.Refresh(bound(t)); err != nil {
				t.Fatal(err)
			}
			signer, err := r.Signer(r.now())
			if err != nil {
				t.Fatal(err)
			}
			return signer
		}
		first := open()
		if open() != first {
			t.Error("an open key was opened again")
		}
		edit(t, r.table, 3, func(k *keyring.Stored) { k.Sealed = r.seal(t, pairs()[2], sound).Sealed })
		if open() == first {
			t.Error("a row that was written anew was not opened")
		}
	})
}

// TestAPrivateHalfOfAnotherKeyDoesNotSign: it opens, but it is not the one of the kid.
func TestAPrivateHalfOfAnotherKeyDoesNotSign(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest()...)
		sealed, err := keyring.NewSealer(issuer, r.roots).Seal(r.kid("signing"), keyring.RS256, pairs()[7])
		if err != nil {
			t.Fatal(err)
		}
		edit(t, r.table, 3, func(k *keyring.Stored) { k.Sealed = sealed })
		if err := r.Refresh(bound(t)); !errors.Is(err, keyring.ErrUnsealable) {
			t.Errorf("got %v, want ErrUnsealable", err)
		}
	})
}

// TestARequestIsSignedByTheKeyOfTheNewerClock: of the one it read, and the snapshot's.
func TestARequestIsSignedByTheKeyOfTheNewerClock(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, append(atRest(turning(standby, 0)), given{name: "next", signs: 10 * time.Second})...)
		if err := errors.Join(r.Maintain(bound(t)), r.Refresh(bound(t))); err != nil {
			t.Fatal(err)
		}
		for at, want := range map[time.Duration]string{
			-time.Second: "standby", 0: "standby", 10*time.Second - tock: "standby", 10 * time.Second: "next",
		} {
			signer, err := r.Signer(r.began.Add(at))
			if err != nil || r.names[signer.KID()] != want {
				t.Errorf("at %s: %v, want %s", at, err, want)
			}
		}
	})
}

// TestTheJWKSHoldsThePublicMembersOfItsKeysAlone, in order of activation, under a tag
// that is another when they are.
func TestTheJWKSHoldsThePublicMembersOfItsKeysAlone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest()...)
		if err := r.Refresh(bound(t)); err != nil {
			t.Fatal(err)
		}
		set, _ := r.JWKS()
		var body struct{ Keys []map[string]string }
		if err := json.Unmarshal(set.Body, &body); err != nil {
			t.Fatal(err)
		}
		var want []map[string]string
		for i, name := range []string{"retired", "signing", "standby"} {
			want = append(want, map[string]string{
				"kty": "RSA", "kid": r.kid(name), "alg": "RS256", "use": "sig", "e": "AQAB", "n": base64url(pairs()[i+1].N.Bytes()),
			})
		}
		if diff := cmp.Diff(body.Keys, want); diff != "" {
			t.Errorf("keys (-got +want):\n%s", diff)
		}
		if err := r.Refresh(bound(t)); err != nil {
			t.Fatal(err)
		}
		if again, _ := r.JWKS(); again.ETag != set.ETag || len(set.ETag) != 24 || set.ETag[0] != '"' || set.ETag[23] != '"' {
			t.Errorf("tags %s and %s, want one, strong and quoted", set.ETag, again.ETag)
		}
		if _, err := r.Revoke(bound(t), r.kid("retired"), 0, r.order()); err != nil {
			t.Fatal(err)
		}
		if err := r.Refresh(bound(t)); err != nil {
			t.Fatal(err)
		}
		if after, _ := r.JWKS(); after.ETag == set.ETag {
			t.Error("another set has the same tag")
		}
	})
}

// TestACallThatIsCancelledIsAnError of whatever reads or writes.
func TestACallThatIsCancelledIsAnError(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest()...)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, call := range map[string]func() error{
			"refresh":  func() error { return r.Refresh(ctx) },
			"maintain": func() error { return r.Maintain(ctx) },
			"list":     func() error { _, _, err := r.List(ctx); return err },
			"verify":   func() error { _, _, err := r.Verify(ctx); return err },
			"reseal":   func() error { _, err := r.Reseal(ctx, audit.ByOperator("root"), func(int, int) {}); return err },
		} {
			if err := call(); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want it cancelled", name, err)
			}
		}
		r.wantUntouched(t)
	})
}
