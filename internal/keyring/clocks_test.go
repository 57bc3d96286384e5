package keyring_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// jumps is how far a clock is set wrong.
var jumps = []time.Duration{2 * time.Minute, -2 * time.Minute, time.Hour, -time.Hour, 31 * day, -31 * day}

// wronged is an authority whose database's clock can be set, beside two others that are right.
type wronged struct {
	*ring
	watch *clock.Watch
	right time.Duration // how far the right time is ahead of this process's
}

// newWronged returns one over the keys, whose clocks have agreed twice.
func newWronged(tb testing.TB, keys ...given) *wronged {
	tb.Helper()
	w := &wronged{ring: newRing(tb, keys...)}
	w.right = w.ahead
	w.watch = clock.NewWatch(w.time)
	w.note()
	w.note()
	w.Keyring = keyring.New(w.table, keyring.NewSealer(issuer, w.roots), quick, w.watch)
	return w
}

// time is the right one.
func (w *wronged) time() time.Time { return time.Now().Add(w.right) }

func (w *wronged) note() {
	w.watch.Note(clock.Clocks{Redis: w.time(), Database: w.now(), Machine: w.time()})
}

// set sets the database's clock, and says so to nobody.
func (w *wronged) set(ahead time.Duration) { w.ahead = w.right + ahead }

// poll is what serve does every five seconds.
func (w *wronged) poll(t *testing.T) {
	t.Helper()
	if err := errors.Join(w.Refresh(bound(t)), w.Damage(), w.Maintain(bound(t))); err != nil {
		t.Fatal(err)
	}
}

// wantAsBefore checks that nothing is other than it was put there, and that the key that was
// to sign does.
func (w *wronged) wantAsBefore(t *testing.T, when string, published []string) {
	t.Helper()
	signer, err := w.Signer(w.watch.At(w.now()).Reliable())
	if err != nil || w.names[signer.KID()] != "signing" {
		t.Errorf("%s: %v; want the same key to sign", when, err)
	}
	if got := w.published(t); !slices.Equal(got, published) {
		t.Errorf("%s: %v in the JWKS, want %v", when, got, published)
	}
	if got := slices.Concat(w.changes(t), w.happened()); got != nil {
		t.Errorf("%s: %v; want nothing changed", when, got)
	}
}

// TestAJumpOfTheDatabasesClockChangesNoKey: whether or not the clocks were read since it.
func TestAJumpOfTheDatabasesClockChangesNoKey(t *testing.T) {
	t.Parallel()
	for _, jump := range jumps {
		for _, noted := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, noted %t", jump, noted), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					w := newWronged(t, atRest(half(retired, sound))...)
					w.poll(t)
					before := w.published(t)
					// No key is created, switched or destroyed by the plan of these two minutes, but for the
					// private half of the retired one, which has left the JWKS.
					w.first[w.kid("retired")] = w.find(t, "retired")
					w.events = nil
					step := func(when string, jump time.Duration, note bool) {
						w.set(jump)
						time.Sleep(keyring.PollEvery)
						if note {
							w.note()
						}
						w.poll(t)
						w.wantAsBefore(t, when, before)
					}
					step("in the jump", jump, noted)
					step("still in the jump", jump, noted)
					step("after it", 0, noted)
					step("ten seconds after it", 0, true)
					step("and later", 0, true)
				})
			})
		}
	}
}

// find reads a stored key by its name.
func (w *wronged) find(t *testing.T, name string) keyring.Stored {
	t.Helper()
	for _, key := range w.read() {
		if w.names[key.KID] == name {
			return key
		}
	}
	t.Fatalf("no key is called %s", name)
	return keyring.Stored{}
}

// TestWhatIsDueWaitsUntilTheClocksAgreeTwice: keys that are to be made, or to be destroyed.
func TestWhatIsDueWaitsUntilTheClocksAgreeTwice(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWronged(t, half(removed, sound), retired, signing)
		w.set(time.Minute)
		w.note()
		w.poll(t)
		w.set(0)
		w.note()
		w.poll(t)
		if got := w.happened(); got != nil {
			t.Errorf("while the clocks disagree, and after one reading: %v", got)
		}
		w.note()
		w.poll(t)
		want := []string{
			"key.published by system, activates_at 708h0m0s, kid new1",
			"key.destroyed by system, kid removed",
		}
		if diff := cmp.Diff(want, w.happened()); diff != "" {
			t.Errorf("after two readings (-want +got):\n%s", diff)
		}
	})
}

// TestTheFirstKeyIsMadeOnlyWhileTheClocksAgree: by a clock that is ahead, none would sign.
func TestTheFirstKeyIsMadeOnlyWhileTheClocksAgree(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWronged(t)
		w.set(31 * day)
		err := w.Start(bound(t))
		if !errors.Is(err, keyring.ErrClocks) || !strings.Contains(err.Error(), "the clock of the database is 744h0m0s ahead of this machine's and Redis's") {
			t.Errorf("in the jump: %v, want ErrClocks and the odd clock", err)
		}
		if keys := w.read(); len(keys) > 0 {
			t.Errorf("in the jump it made %v", keys)
		}
		w.set(0)
		if err := w.Start(bound(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Signer(w.now()); err != nil {
			t.Error(err)
		}
	})
}

// TestAStartInAJumpGoesByTheReliableTime over a table that holds keys.
func TestAStartInAJumpGoesByTheReliableTime(t *testing.T) {
	t.Parallel()
	for _, jump := range jumps {
		bubble(t, func(t *testing.T) {
			w := newWronged(t, atRest()...)
			w.set(jump)
			if err := w.Start(bound(t)); err != nil {
				t.Fatal(err)
			}
			w.wantAsBefore(t, jump.String(), []string{"retired", "signing", "standby"})
		})
	}
}

// TestOnlyAnEmergencyIsOrderedByClocksThatDisagree, and by the reliable time: all times of the
// outcomes are those of the clocks that agree.
func TestOnlyAnEmergencyIsOrderedByClocksThatDisagree(t *testing.T) {
	t.Parallel()
	emergency := []string{
		"standby: signs 0s", "new1: published 0s, signs 720h0m0s",
		"key.published by system, activates_at 720h0m0s, kid new1",
		"key.rotated-now by operator, at 0s, from signing, published_for 60h0m0s, to standby, why a test",
	}
	revocation := []string{
		"signing: revoked 0s, destroyed", "standby: signs 0s", "new1: published 0s, signs 1h0m0s", "new2: published 0s, signs 721h0m0s",
		"key.published by system, activates_at 1h0m0s, kid new1",
		"key.published by system, activates_at 721h0m0s, kid new2",
		"key.destroyed by system, kid signing",
		"key.revoked by operator, at 0s, fresh_key_at 1h0m0s, from signing, kid signing, published_for 60h0m0s, to standby, why a test",
	}
	for _, jump := range jumps {
		for name, c := range map[string]struct {
			give giving
			err  error
			want []string
		}{
			"rotate":    {rotate, keyring.ErrClocks, nil},
			"emergency": {rotateNow, nil, emergency},
			"revoke":    {revoke("signing", time.Hour), nil, revocation},
		} {
			t.Run(name+jump.String(), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					w := newWronged(t, atRest(half(removed, sound))...) // not destroyed on this occasion
					w.set(jump)
					if _, err := c.give(bound(t), w.ring); !errors.Is(err, c.err) {
						t.Errorf("got %v, want %v", err, c.err)
					}
					if diff := cmp.Diff(c.want, slices.Concat(w.changes(t), w.happened())); diff != "" {
						t.Errorf("what came of it (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// TestTheClocksAreComparedAgainUnderTheLock, where the decision is made again.
func TestTheClocksAreComparedAgainUnderTheLock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keys []given
		give giving
		err  error
	}{
		"maintain": {atRest(turning(standby, 2*day), half(removed, sound)), maintain, nil},
		"rotate":   {atRest(), rotate, keyring.ErrClocks},
	} {

		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWronged(t, c.keys...)
				w.locking = func() error { w.set(31 * day); return nil }
				if _, err := c.give(bound(t), w.ring); !errors.Is(err, c.err) {
					t.Errorf("got %v, want %v", err, c.err)
				}
				if got := w.happened(); got != nil {
					t.Errorf("%v; want nothing done", got)
				}
			})
		})
	}
}

// TestNoOrderGoesByAClockThatHasStoppedYearsAgo: an operator's machine may have no other clock
// to compare with than the database's, and the earlier of two counts.
func TestNoOrderGoesByAClockThatHasStoppedYearsAgo(t *testing.T) {
	t.Parallel()
	for name, give := range map[string]giving{"emergency": rotateNow, "revoke": revoke("signing", time.Hour)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				r := newRing(t, atRest()...)
				stopped := clock.NewWatch(func() time.Time { return time.Unix(0, 0) })
				r.Keyring = keyring.New(r.table, keyring.NewSealer(issuer, r.roots), quick, stopped)
				if _, err := give(bound(t), r); !errors.Is(err, keyring.ErrClocks) {
					t.Errorf("got %v, want ErrClocks", err)
				}
				if got := slices.Concat(r.changes(t), r.happened()); got != nil {
					t.Errorf("%v; want nothing done", got)
				}
			})
		})
	}
}
