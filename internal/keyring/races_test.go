package keyring_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// verbs are the orders of an operator, each as it goes through when all is at rest.
var verbs = map[string]func(ctx context.Context, r *ring, order keyring.Order) (keyring.Switch, error){
	"rotate": func(ctx context.Context, r *ring, o keyring.Order) (keyring.Switch, error) { return r.Rotate(ctx, o) },
	"emergency": func(ctx context.Context, r *ring, o keyring.Order) (keyring.Switch, error) {
		return r.RotateNow(ctx, o)
	},
	"revoke": func(ctx context.Context, r *ring, o keyring.Order) (keyring.Switch, error) {
		return r.Revoke(ctx, r.kid("signing"), time.Hour, o)
	},
}

// wantUntouched checks that no key has changed and that there is no event about any.
func (r *ring) wantUntouched(t *testing.T) {
	t.Helper()
	if got := append(r.changes(t), r.happened()...); len(got) > 0 {
		t.Errorf("%q, want nothing done", got)
	}
}

func TestAnOrderThatIsNotConfirmedChangesNothing(t *testing.T) {
	t.Parallel()
	for name, give := range verbs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				r := newRing(t, atRest()...)
				no := errors.New("no")
				order := r.order()
				order.Confirm = func(keyring.Switch) error { return no }
				if s, err := give(bound(t), r, order); !errors.Is(err, no) || s != (keyring.Switch{}) {
					t.Errorf("%+v, %v; want none, and the operator's own error", s, err)
				}
				r.wantUntouched(t)
			})
		})
	}
}

func TestAnOrderInterruptedWhileItWaitsChangesNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"emergency", "revoke"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				r := newRing(t, atRest(published(standby, -time.Second))...)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				s, err := verbs[name](ctx, r, r.order())
				if took := r.now().Sub(r.began); !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second || s != (keyring.Switch{}) {
					t.Errorf("%+v, %v after %s", s, err, took)
				}
				r.wantUntouched(t)
			})
		})
	}
}

var errDown = errors.New("database is down")

// nth fails at the nth call.
func nth(n int) func() error {
	return func() error {
		if n--; n == 0 {
			return errDown
		}
		return nil
	}
}

// TestAnOrderThatCannotReadOrWriteEndsWithItsError: at every step that asks the database.
func TestAnOrderThatCannotReadOrWriteEndsWithItsError(t *testing.T) {
	t.Parallel()
	const reads = 3 // what is due, what is asked, what is done
	for name, give := range verbs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				for n := 1; n <= reads+2; n++ {
					r := newRing(t, atRest()...)
					switch n {
					case reads + 1:
						r.locking = nth(1)
					case reads + 2:
						r.commit = errDown
					default:
						r.reading = nth(n)
					}
					if s, err := give(bound(t), r, r.order()); !errors.Is(err, errDown) || s != (keyring.Switch{}) {
						t.Errorf("step %d: %+v, %v; want %v", n, s, err, errDown)
					}
					r.wantUntouched(t)
				}
			})
		})
	}
}

// TestAnOrderIsDecidedOnWhatIsThereUnderTheLock: another operator, or the owner of
// another replica, was there between the reading and the lock.
func TestAnOrderIsDecidedOnWhatIsThereUnderTheLock(t *testing.T) {
	t.Parallel()
	other := func(verb string) func(t *testing.T, r *ring) {
		return func(t *testing.T, r *ring) {
			rival := &ring{Keyring: r.replica(), table: r.table, names: r.names, first: r.first}
			if _, err := verbs[verb](t.Context(), rival, rival.order()); err != nil {
				t.Error(err)
			}
		}
	}
	for name, c := range map[string]struct {
		verb  string
		rival func(t *testing.T, r *ring)
		err   error
		want  []string // of this operator
	}{
		"rotate, rotated":   {"rotate", other("rotate"), keyring.ErrSwitching, nil},
		"rotate, emergency": {"rotate", other("emergency"), keyring.ErrUnripe, nil},
		"emergency, rotated": {"emergency", other("rotate"), nil, []string{
			"key.rotated-now by operator, at 0s, from signing, published_for 60h0m0s, to standby, why a test",
		}},
		"emergency, twice":   {"emergency", other("emergency"), keyring.ErrSwitching, nil},
		"emergency, revoked": {"emergency", other("revoke"), keyring.ErrSwitching, nil},
		"revoke, twice":      {"revoke", other("revoke"), keyring.ErrKeyRevoked, nil},
		"revoke, emergency": {"revoke", other("emergency"), nil, []string{
			"key.published by system, activates_at 1h0m0s, kid new1",
			"key.destroyed by system, kid signing",
			"key.revoked by operator, fresh_key_at 1h0m0s, from standby, kid signing, why a test",
		}},
		"emergency, damaged": {"emergency", func(t *testing.T, r *ring) {
			edit(t, r.table, 4, func(k *keyring.Stored) { k.Sealed[40] ^= 1 })
		}, keyring.ErrNoStandby, nil},
		"emergency, foreign": {"emergency", func(t *testing.T, r *ring) {
			edit(t, r.table, 4, func(k *keyring.Stored) { k.Sealed[1] = 9 })
		}, keyring.ErrUnsealable, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				r := newRing(t, atRest()...)
				before := 0
				r.locking = func() error {
					r.locking = nil
					c.rival(t, r)
					before = len(r.events)
					return nil
				}
				if s, err := verbs[c.verb](bound(t), r, r.order()); !errors.Is(err, c.err) || err != nil && s != (keyring.Switch{}) {
					t.Errorf("%+v, %v; want %v", s, err, c.err)
				}
				if diff := cmp.Diff(slices.Concat(r.happened()[before:]), c.want); diff != "" {
					t.Errorf("events (-got +want):\n%s", diff)
				}
			})
		})
	}
}

// TestAnOrderWaitsForAStandbyThatCameUnderTheLock: it had settled when it was read.
func TestAnOrderWaitsForAStandbyThatCameUnderTheLock(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest()...)
		r.locking = func() error {
			r.locking = nil
			younger := r.seal(t, pairs()[6], sound)
			younger.PublishedAt, younger.ActivatesAt = r.now(), r.now().Add(day)
			r.first[younger.KID], r.names[younger.KID] = younger, "younger"
			r.keys = append(r.keys, younger)
			return nil
		}
		s, err := r.RotateNow(bound(t), r.order())
		if err != nil || r.names[s.To.KID] != "younger" || !s.At.Equal(r.began.Add(keyring.Settled)) {
			t.Errorf("%s, %v; want the younger one to sign after ten seconds", r.tell(s), err)
		}
		want := []string{
			"after 0s: confirm from signing, to standby, at 0s, age 60h0m0s",
			"after 0s: wait 10s, from signing, to younger, at 0s, not before 10s",
			"younger: signs 10s",
		}
		if diff := cmp.Diff(append(r.told, r.changes(t)...), want); diff != "" {
			t.Errorf("(-got +want):\n%s", diff)
		}
	})
}

// TestWhatIsRefusedIsNotTriedAgain: by then it might be granted, and nobody was asked.
func TestWhatIsRefusedIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest(published(standby, -2*day+2*time.Second))...)
		r.reading = func() error { time.Sleep(time.Second - tock); return nil }
		if _, err := r.Rotate(bound(t), r.order()); !errors.Is(err, keyring.ErrUnripe) {
			t.Errorf("got %v, want ErrUnripe", err)
		}
		r.wantUntouched(t)
	})
}

// TestNoKeyIsDrawnForNothing: it takes long, and under another root secret it never ends.
func TestNoKeyIsDrawnForNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		foreign := newRing(t, half(signing, foreign))
		if err := foreign.Maintain(bound(t)); !errors.Is(err, keyring.ErrUnsealable) || foreign.Spares() != 0 {
			t.Errorf("%v, %d spare keys", err, foreign.Spares())
		}
		r := newRing(t, atRest(turning(standby, 0))...)
		if err := r.Maintain(bound(t)); err != nil || r.Spares() != 0 {
			t.Errorf("%v, %d spare keys", err, r.Spares())
		}
	})
}

// TestAKeyThatCannotBeDrawnEndsTheOrder, and nothing is stored instead of it.
func TestAKeyThatCannotBeDrawnEndsTheOrder(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest(turning(standby, day))...)
		weak := quick
		weak.Bits = 512 // which Go refuses to draw
		r.Keyring = keyring.New(r.table, keyring.NewSealer(issuer, r.roots), weak, keyring.DatabaseClock{})
		if err := r.Maintain(bound(t)); err == nil || !strings.Contains(err.Error(), "generate signing key") || r.Spares() != 0 {
			t.Errorf("%v, %d spare keys", err, r.Spares())
		}
		if _, err := r.Revoke(bound(t), r.kid("retired"), 0, r.order()); err == nil {
			t.Error("a key was revoked, and none follows it")
		}
		r.wantUntouched(t)
	})
}

// TestAKeyThatWasDrawnIsNotLost: drawing takes long, and what was not used waits.
func TestAKeyThatWasDrawnIsNotLost(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, signing)
		wantSpares := func(when string, want int) {
			t.Helper()
			if got := r.Spares(); got != want {
				t.Errorf("%s: %d spare keys, want %d", when, got, want)
			}
		}
		r.commit = errDown
		for range 2 {
			if err := r.Maintain(bound(t)); !errors.Is(err, errDown) {
				t.Fatalf("got %v, want %v", err, errDown)
			}
			wantSpares("after a write that failed", 1)
		}
		r.commit = nil
		r.locking = func() error { r.locking = nil; return r.replica().Maintain(t.Context()) }
		if err := r.Maintain(bound(t)); err != nil {
			t.Fatal(err)
		}
		wantSpares("after another replica was faster", 1)
		if _, err := r.Rotate(bound(t), r.order()); !errors.Is(err, keyring.ErrUnripe) {
			t.Fatal(err)
		}
		if _, err := r.Revoke(bound(t), r.kid("signing"), time.Hour, r.order()); err != nil {
			t.Fatal(err)
		}
		wantSpares("after all were used", 0)
		kids := make(map[string]int)
		for _, change := range r.writes {
			for _, key := range change.Add {
				kids[key.KID]++
			}
		}
		drawn := r.writes[0].Add[0].KID
		if kids[drawn] != 3 || !slices.ContainsFunc(r.keys, func(k keyring.Stored) bool { return k.KID == drawn }) {
			t.Errorf("the first key was offered %d times, want it after two failures again", kids[drawn])
		}
		if err := r.Maintain(bound(t)); err != nil {
			t.Errorf("a key is used twice: %v", err)
		}
	})
}

// TestMoreThanWasDrawnIsMadeTheNextTime: by the time of the lock more is due.
func TestMoreThanWasDrawnIsMadeTheNextTime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest()...)
		r.locking = func() error {
			r.locking = nil
			edit(t, r.table, 4, func(k *keyring.Stored) { k.RevokedAt = r.began })
			return nil
		}
		if _, err := r.Revoke(bound(t), r.kid("retired"), time.Hour, r.order()); err != nil {
			t.Fatal(err)
		}
		want := []string{"retired: revoked 0s", "new1: published 0s, signs 1h0m0s", "standby: revoked 0s, destroyed"}
		if diff := cmp.Diff(r.changes(t), want); diff != "" {
			t.Errorf("at first (-got +want):\n%s", diff)
		}
		if err := r.Maintain(bound(t)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.changes(t), append(want, "new2: published 0s, signs 721h0m0s")); diff != "" {
			t.Errorf("then (-got +want):\n%s", diff)
		}
	})
}

// TestMaintainRereadsWhatItChanged, and nothing when it changed nothing.
func TestMaintainRereadsWhatItChanged(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, atRest(turning(standby, day))...)
		for _, want := range []struct{ reads, writes, published int }{{2, 1, 4}, {3, 1, 4}} {
			if err := r.Maintain(bound(t)); err != nil {
				t.Fatal(err)
			}
			if got := r.Outlook().Published; r.reads != want.reads || len(r.writes) != want.writes || got != want.published {
				t.Errorf("%d reads, %d writes, %d keys published; want %+v", r.reads, len(r.writes), got, want)
			}
		}
		down := newRing(t, atRest(turning(standby, day))...)
		down.reading = nth(2)
		if err := down.Maintain(bound(t)); !errors.Is(err, errDown) {
			t.Errorf("what was changed can't be read: %v, want %v", err, errDown)
		}
		down = newRing(t, atRest()...)
		down.reading = nth(1)
		if err := down.Maintain(bound(t)); !errors.Is(err, errDown) {
			t.Errorf("nothing can be read: %v, want %v", err, errDown)
		}
	})
}
