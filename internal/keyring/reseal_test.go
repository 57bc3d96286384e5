package keyring_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// resealing is a keyring whose active root secret is the second one.
func (r *ring) resealing() *keyring.Keyring {
	r.roots[0], r.roots[1] = r.roots[1], r.roots[0]
	return r.replica()
}

// TestResealSealsWhatAnotherRootSealedAndRecordsIt: destroyed halves are left alone, and so is
// what the active root sealed; a key that no root opens is reported, and the others are still
// resealed.
func TestResealSealsWhatAnotherRootSealedAndRecordsIt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, retired, signing, half(turning(standby, 20*day), foreign), given{name: "next", signs: 50 * day}, given{name: "done", signs: 80 * day})
		desk := r.resealing()
		done := r.seal(t, pairs()[4], sound) // by the second one, as it is active now
		edit(t, r.table, 4, func(k *keyring.Stored) { k.Sealed = done.Sealed })
		r.first[done.KID] = r.read()[4]
		var told []int
		n, err := desk.Reseal(bound(t), audit.ByOperator("root"), func(i, all int) { told = append(told, i, all) })
		if n != 2 || !errors.Is(err, keyring.ErrUnsealable) || !strings.Contains(err.Error(), r.kid("standby")) {
			t.Errorf("%d keys, %v; want two, and the standby named", n, err)
		}
		if want := []int{1, 3, 2, 3, 3, 3}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		want := []string{
			"signing: sealed anew by 2", "next: sealed anew by 2",
			"key.resealed by operator, from_root 1, kid signing, to_root 2",
			"key.resealed by operator, from_root 1, kid next, to_root 2",
		}
		if diff := cmp.Diff(append(r.changes(t), r.happened()...), want); diff != "" {
			t.Errorf("(-got +want):\n%s", diff)
		}
		r.roots = r.roots[:1] // the other can be dropped
		for _, key := range r.read() {
			if r.names[key.KID] != "standby" {
				r.wantWhole(t, key)
			}
		}
	})
}

// TestResealReportsAnotherSecretUnderTheSameID: nothing is due, and yet it does not open.
func TestResealReportsAnotherSecretUnderTheSameID(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, retired, half(signing, damaged), standby)
		n, err := r.Reseal(bound(t), audit.ByOperator("root"), func(int, int) { t.Error("nothing is resealed") })
		if n != 0 || !errors.Is(err, keyring.ErrUnsealable) || !strings.Contains(err.Error(), r.kid("signing")) {
			t.Errorf("%d keys, %v; want none, and the key named", n, err)
		}
		r.wantUntouched(t)
	})
}

// TestResealLeavesAloneWhatChangedMeanwhile: another process has resealed it, or it is
// destroyed.
func TestResealLeavesAloneWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, rival := range map[string]func(r *ring){
		"destroyed": func(r *ring) { r.keys[0].Sealed = nil },
		"edited":    func(r *ring) { r.keys[0].Sealed[20] ^= 1 },
		"gone":      func(r *ring) { r.keys[0].KID = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				r := newRing(t, signing, half(standby, destroyed))
				desk := r.resealing()
				r.locking = func() error { rival(r); return nil }
				if n, err := desk.Reseal(bound(t), audit.ByOperator("root"), func(int, int) {}); n != 0 || err != nil {
					t.Errorf("%d keys, %v; want none", n, err)
				}
				if len(r.happened()) > 0 || r.keys[0].SealedBy() == 2 {
					t.Errorf("%v, and it is sealed by %d", r.happened(), r.keys[0].SealedBy())
				}
			})
		})
	}
}

// TestResealCountsOnlyWhatItWrites, and reports each error.
func TestResealCountsOnlyWhatItWrites(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r := newRing(t, signing, standby)
		desk := r.resealing()
		r.commit = errDown
		if n, err := desk.Reseal(bound(t), audit.ByOperator("root"), func(int, int) {}); n != 0 || !errors.Is(err, errDown) {
			t.Errorf("nothing can be written: %d keys, %v", n, err)
		}
		r.commit, r.reading = nil, nth(1)
		if n, err := desk.Reseal(bound(t), audit.ByOperator("root"), func(int, int) {}); n != 0 || !errors.Is(err, errDown) {
			t.Errorf("nothing can be read: %d keys, %v", n, err)
		}
		r.wantUntouched(t)

		ctx, cancel := context.WithCancel(t.Context())
		r.reading = nil
		told := 0
		n, err := desk.Reseal(ctx, audit.ByOperator("root"), func(int, int) { told++; cancel() })
		if n != 1 || !errors.Is(err, context.Canceled) || len(r.happened()) != 1 || told != 1 {
			t.Errorf("broken off after the first: %d keys, %v, %v, told %d times", n, err, r.happened(), told)
		}
		if got := r.changes(t); !slices.Equal(got, []string{"signing: sealed anew by 2"}) {
			t.Errorf("broken off after the first: %v", got)
		}
	})
}
