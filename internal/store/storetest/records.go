package storetest

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/grant"
	"github.com/mintmark-auth/mintmark/internal/secret"
)

// recordsKeep is longer than any test takes.
const recordsKeep = time.Hour

// Records is the contract of [grant.Store], held by what package grant makes of it.
func Records(t *testing.T, open func(testing.TB) grant.Store) {
	rules := map[string]func(*testing.T, grant.Store, *grant.Records){
		"APutRecordIsLookedAt":                             putRecordIsLookedAt,
		"AMissingRecordIsNotFound":                         missingRecordIsNotFound,
		"ARecordIsPutOnce":                                 recordIsPutOnce,
		"ASwapIsSeenByTheNext":                             swapIsSeenByTheNext,
		"ASwapThatKeepsNothingChangesNothing":              swapOfNothingChangesNothing,
		"OfManySwapsAtOnceOneUsesTheRecord":                oneSwapUsesTheRecord,
		"OfManyAtOnceOneIsTheFirst":                        oneIsTheFirst,
		"ARecordIsForgottenWhenItsTimeIsOver":              recordIsForgotten,
		"ASwapSetsTheTimeAnew":                             swapSetsTheTimeAnew,
		"ARecordWithoutATimeIsRefused":                     recordWithoutTimeIsRefused,
		"AnyOctetsAreAValue":                               anyOctetsAreAValue,
		"TheStoreHoldsNoPlainValue":                        storeHoldsNoPlainValue,
		"WhatIsMovedToAnotherKeyDoesNotOpen":               movedRecordDoesNotOpen,
		"WhatIsForgedDoesNotOpenAndStillCount":             forgedRecordDoesNotOpen,
		"ARecordOutlivesItsRootSecretOnlyWhileItIsTrusted": recordNeedsATrustedRoot,
		"ACancelledContextIsAnErrorForRecords":             cancelledRecordIsAnError,
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			rule(t, store, grant.NewRecords(store, recordRoots(t, recordRoot1)))
		})
	}
}

const (
	recordRoot1 = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	recordRoot2 = "2:Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
)

func recordRoots(tb testing.TB, text string) secret.Roots {
	tb.Helper()
	roots, err := secret.ParseRoots(text)
	if err != nil {
		tb.Fatal(err)
	}
	return roots
}

// newKey is the key of a record that no other test has.
func newKey(tb testing.TB, kind grant.Kind) grant.Key { return grant.KeyOf(kind, tb.Name()) }

func recordPut(tb testing.TB, r *grant.Records, key grant.Key, value string, keep time.Duration) {
	tb.Helper()
	if err := r.Put(tb.Context(), key, []byte(value), keep); err != nil {
		tb.Fatal(err)
	}
}

func recordHolds(tb testing.TB, r *grant.Records, key grant.Key, want string) {
	tb.Helper()
	got, _, err := r.Look(tb.Context(), key)
	if err != nil || string(got) != want {
		tb.Errorf("record = %q, %v; want %q", got, err, want)
	}
}

func recordIsGone(tb testing.TB, r *grant.Records, key grant.Key) {
	tb.Helper()
	if got, _, err := r.Look(tb.Context(), key); !errors.Is(err, grant.ErrNotFound) || got != nil {
		tb.Errorf("record = %q, %v; want %v", got, err, grant.ErrNotFound)
	}
}

func putRecordIsLookedAt(t *testing.T, _ grant.Store, r *grant.Records) {
	key := newKey(t, grant.Code)
	recordPut(t, r, key, "value", recordsKeep)
	recordHolds(t, r, key, "value")
	recordHolds(t, r, key, "value") // a look uses nothing up
	if _, now, err := r.Look(t.Context(), key); err != nil || now.IsZero() {
		t.Errorf("the store's clock is %s, %v", now, err)
	}
	recordIsGone(t, r, newKey(t, grant.Device)) // of the same parts, but another kind
}

func missingRecordIsNotFound(t *testing.T, _ grant.Store, r *grant.Records) {
	key := newKey(t, grant.Code)
	recordIsGone(t, r, key)
	err := r.Swap(t.Context(), key, func([]byte, time.Time) ([]byte, time.Duration) {
		t.Error("a swap decides on a record that is not there")
		return []byte("made of nothing"), recordsKeep
	})
	if !errors.Is(err, grant.ErrNotFound) {
		t.Errorf("error of the swap = %v, want %v", err, grant.ErrNotFound)
	}
	recordIsGone(t, r, key)
}

func recordIsPutOnce(t *testing.T, _ grant.Store, r *grant.Records) {
	key := newKey(t, grant.Pushed)
	recordPut(t, r, key, "first", recordsKeep)
	if err := r.Put(t.Context(), key, []byte("second"), recordsKeep); !errors.Is(err, grant.ErrExists) {
		t.Errorf("error of the second put = %v, want %v", err, grant.ErrExists)
	}
	recordHolds(t, r, key, "first")
}

func swapIsSeenByTheNext(t *testing.T, _ grant.Store, r *grant.Records) {
	key := newKey(t, grant.Code)
	recordPut(t, r, key, "unused", recordsKeep)
	for _, step := range []struct{ want, next string }{{"unused", "used"}, {"used", "burned"}} {
		err := r.Swap(t.Context(), key, func(stored []byte, now time.Time) ([]byte, time.Duration) {
			if string(stored) != step.want || now.IsZero() {
				t.Errorf("the swap decides on %q at %s, want %q", stored, now, step.want)
			}
			return []byte(step.next), recordsKeep
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	recordHolds(t, r, key, "burned")
}

func swapOfNothingChangesNothing(t *testing.T, _ grant.Store, r *grant.Records) {
	key := newKey(t, grant.Code)
	recordPut(t, r, key, "value", recordsKeep)
	err := r.Swap(t.Context(), key, func([]byte, time.Time) ([]byte, time.Duration) { return []byte("other"), 0 })
	if err != nil {
		t.Fatal(err)
	}
	recordHolds(t, r, key, "value")
}

func oneSwapUsesTheRecord(t *testing.T, _ grant.Store, r *grant.Records) {
	key := newKey(t, grant.Code)
	recordPut(t, r, key, "unused", recordsKeep)
	var used atomic.Int64
	statesContend(t, func(ctx context.Context) error {
		won := false
		err := r.Swap(ctx, key, func(stored []byte, _ time.Time) ([]byte, time.Duration) {
			if won = string(stored) == "unused"; !won {
				return nil, 0
			}
			return []byte("used"), recordsKeep
		})
		if err == nil && won {
			used.Add(1)
		}
		return err
	})
	if got := used.Load(); got != 1 {
		t.Errorf("%d swaps used the record, want 1", got)
	}
}

func oneIsTheFirst(t *testing.T, _ grant.Store, r *grant.Records) {
	key := newKey(t, grant.Seen)
	var first atomic.Int64
	statesContend(t, func(ctx context.Context) error {
		once, err := r.Once(ctx, key, recordsKeep)
		if once {
			first.Add(1)
		}
		return err
	})
	if got := first.Load(); got != 1 {
		t.Errorf("%d were the first, want 1", got)
	}
}

// recordIsForgotten waits for the store to forget, on the store's own clock.
func recordIsForgotten(t *testing.T, _ grant.Store, r *grant.Records) {
	key, seen := newKey(t, grant.Code), newKey(t, grant.Seen)
	const brief = 50 * time.Millisecond
	recordPut(t, r, key, "value", brief)
	if _, err := r.Once(t.Context(), seen, brief); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record is still there", func() bool {
		_, _, err := r.Look(t.Context(), key)
		return errors.Is(err, grant.ErrNotFound)
	})
	eventually(t, "what was seen is still remembered", func() bool {
		first, err := r.Once(t.Context(), seen, recordsKeep)
		return first && err == nil
	})
	recordPut(t, r, key, "another", recordsKeep)
	recordHolds(t, r, key, "another")
}

func swapSetsTheTimeAnew(t *testing.T, _ grant.Store, r *grant.Records) {
	key := newKey(t, grant.Pushed)
	recordPut(t, r, key, "value", recordsKeep)
	err := r.Swap(t.Context(), key, func(stored []byte, _ time.Time) ([]byte, time.Duration) {
		return stored, 50 * time.Millisecond
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record is kept for the time it was put for", func() bool {
		_, _, err := r.Look(t.Context(), key)
		return errors.Is(err, grant.ErrNotFound)
	})
}

func recordWithoutTimeIsRefused(t *testing.T, _ grant.Store, r *grant.Records) {
	key := newKey(t, grant.Code)
	for _, keep := range []time.Duration{0, -time.Second} {
		if err := r.Put(t.Context(), key, []byte("value"), keep); err == nil {
			t.Errorf("a record is put for %s", keep)
		}
		if first, err := r.Once(t.Context(), key, keep); err == nil || first {
			t.Errorf("a key is remembered for %s", keep)
		}
	}
}

func anyOctetsAreAValue(t *testing.T, _ grant.Store, r *grant.Records) {
	for _, value := range []string{"", "#", "a#b#", "nul\x00", "\xff\xfe", string(bytes.Repeat([]byte("v"), 8<<10))} {
		key := grant.KeyOf(grant.Code, t.Name(), value)
		recordPut(t, r, key, value, recordsKeep)
		recordHolds(t, r, key, value)
	}
}

func storeHoldsNoPlainValue(t *testing.T, store grant.Store, r *grant.Records) {
	key := newKey(t, grant.Code)
	recordPut(t, r, key, "who logged in and where the answer goes", recordsKeep)
	if stored := rawRecord(t, store, key); bytes.Contains(stored, []byte("logged in")) || len(stored) == 0 {
		t.Errorf("the store holds %q", stored)
	}
}

func movedRecordDoesNotOpen(t *testing.T, store grant.Store, r *grant.Records) {
	device, code := newKey(t, grant.Device), newKey(t, grant.Code)
	recordPut(t, r, device, "approved", recordsKeep)
	setRawRecord(t, store, code, rawRecord(t, store, device))
	recordIsGone(t, r, code)
	recordHolds(t, r, device, "approved")
}

func forgedRecordDoesNotOpen(t *testing.T, store grant.Store, r *grant.Records) {
	key := newKey(t, grant.Code)
	recordPut(t, r, key, "value", recordsKeep)
	sealed := rawRecord(t, store, key)
	for at := range sealed {
		forged := bytes.Clone(sealed)
		forged[at] ^= 1
		setRawRecord(t, store, key, forged)
		recordIsGone(t, r, key)
	}
	for _, length := range []int{1, 2, 13, len(sealed) - 1} {
		setRawRecord(t, store, key, sealed[:length])
		recordIsGone(t, r, key)
	}
	if first, err := r.Once(t.Context(), key, recordsKeep); first || err != nil {
		t.Errorf("what does not open is taken for nothing: first = %t, %v", first, err)
	}
}

func recordNeedsATrustedRoot(t *testing.T, store grant.Store, r *grant.Records) {
	key := newKey(t, grant.Code)
	recordPut(t, r, key, "value", recordsKeep)
	rolled := grant.NewRecords(store, recordRoots(t, recordRoot2+","+recordRoot1))
	recordHolds(t, rolled, key, "value")
	recordIsGone(t, grant.NewRecords(store, recordRoots(t, recordRoot2)), key)
	recordIsGone(t, grant.NewRecords(store, recordRoots(t, recordRoot2+",1!"+recordRoot1[1:])), key)
	other := grant.KeyOf(grant.Code, t.Name(), "other")
	recordPut(t, rolled, other, "of the new root", recordsKeep)
	recordIsGone(t, r, other)
}

func cancelledRecordIsAnError(t *testing.T, _ grant.Store, r *grant.Records) {
	key := newKey(t, grant.Code)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Put(ctx, key, []byte("value"), recordsKeep); !errors.Is(err, context.Canceled) {
		t.Errorf("error of a put = %v, want %v", err, context.Canceled)
	}
	if first, err := r.Once(ctx, key, recordsKeep); !errors.Is(err, context.Canceled) || first {
		t.Errorf("once = %t, %v; want %v", first, err, context.Canceled)
	}
	recordIsGone(t, r, key)
}

func rawRecord(tb testing.TB, store grant.Store, key grant.Key) []byte {
	tb.Helper()
	var raw []byte
	err := store.UpdateRecord(tb.Context(), key, func(stored []byte, _ time.Time) ([]byte, time.Duration) {
		raw = bytes.Clone(stored)
		return nil, 0
	})
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func setRawRecord(tb testing.TB, store grant.Store, key grant.Key, raw []byte) {
	tb.Helper()
	err := store.UpdateRecord(tb.Context(), key, func([]byte, time.Time) ([]byte, time.Duration) { return raw, recordsKeep })
	if err != nil {
		tb.Fatal(err)
	}
}

// eventually asks again and again, for at most half a minute.
func eventually(tb testing.TB, complaint string, done func() bool) {
	tb.Helper()
	deadline := time.After(30 * time.Second)
	for !done() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			tb.Fatal(complaint)
		}
	}
}
