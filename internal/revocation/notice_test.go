package revocation_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// wire carries notices between the replicas of a test.
type wire struct {
	sent [][]byte
	cut  bool
}

func (w *wire) publish(_ context.Context, notice []byte) error {
	if w.cut {
		return errDown
	}
	w.sent = append(w.sent, slices.Clone(notice))
	return nil
}

// replica is one that tells others of its revocations.
func replica(tb testing.TB, store revocation.Store, w *wire, roots secret.Roots) *revocation.Lists {
	tb.Helper()
	return revocation.New(revocation.Config{
		Issuer: issuer, AccessTTL: ttl, Store: store, Signer: signer(tb, "k1"), Publish: w.publish, Roots: roots,
	})
}

// ended is a session that the database has just revoked, but which nobody reads there.
func ended(index int64) session.Ended {
	return session.Ended{At: time.Now().UTC().Truncate(time.Microsecond), StatusIndex: &index}
}

func admit(tb testing.TB, lists *revocation.Lists) {
	tb.Helper()
	if err := lists.Admit(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// TestR1AnAnnouncedRevocationIsInTheListsWhileTheDatabaseIsSilent, at the replica that
// committed it and at those that hear of it.
func TestR1AnAnnouncedRevocationIsInTheListsWhileTheDatabaseIsSilent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store, w, roots := &rows{}, &wire{}, secret.GenerateRoots()
		here, there := replica(t, store, w, roots), replica(t, store, w, roots)
		refresh(t, here)
		refresh(t, there)
		before := fetch(t, here, 0)
		store.down = true
		time.Sleep(2 * revocation.MaxAge)
		here.Announce(t.Context(), time.Now(), ended(7))
		for _, message := range w.sent {
			if err := there.Hear(message); err != nil {
				t.Fatal(err)
			}
		}
		for name, lists := range map[string]*revocation.Lists{"here": here, "there": there} {
			select {
			case <-lists.Heard():
			default:
				t.Errorf("%s: nobody is asked to admit it", name)
			}
			admit(t, lists)
			list, fresh, err := lists.Newer(t.Context(), 0, held(before.ETag), 0)
			if err != nil || !fresh || list.Expiry != before.Expiry {
				t.Fatalf("%s: %+v, fresh %v, %v; want a list that expires with the one before", name, list, fresh, err)
			}
			wantIndexes(t, list, 7)
			if _, _, err := lists.Newer(t.Context(), 0, held(list.ETag), 0); !errors.Is(err, revocation.ErrStale) {
				t.Errorf("%s: unchanged? %v, want %v", name, err, revocation.ErrStale)
			}
		}
		if a, b := fetch(t, here, 0), fetch(t, there, 0); a != b {
			t.Errorf("one says %+v, the other %+v", a, b)
		}
	})
}

// TestAnAnnouncedRevocationStaysForItsWindow, confirmed by the database or not.
func TestAnAnnouncedRevocationStaysForItsWindow(t *testing.T) {
	t.Parallel()
	for _, confirmed := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			store, w := &rows{}, &wire{}
			lists := replica(t, store, w, secret.GenerateRoots())
			refresh(t, lists)
			begin := time.Now()
			lists.Announce(t.Context(), time.Now(), ended(7))
			admit(t, lists)
			if confirmed {
				store.revoke(7)
			}
			for time.Since(begin) < time.Hour {
				refresh(t, lists)
				wantIndexes(t, fetch(t, lists, 0), 7)
				time.Sleep(time.Minute)
			}
			time.Sleep(time.Minute + revocation.Epoch)
			refresh(t, lists)
			wantIndexes(t, fetch(t, lists, 0))
		})
	}
}

// TestAListIsTheSameWhetherARevocationWasReadOrAnnounced, to the byte.
func TestAListIsTheSameWhetherARevocationWasReadOrAnnounced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store, w, roots := &rows{}, &wire{}, secret.GenerateRoots()
		told, reads := replica(t, store, w, roots), replica(t, store, w, roots)
		refresh(t, told)
		time.Sleep(2 * time.Second)
		store.revoke(7)
		at, index := store.revoked[0].At, int64(7)
		told.Announce(t.Context(), time.Now(), session.Ended{At: at, StatusIndex: &index})
		time.Sleep(3 * time.Second)
		admit(t, told)
		first := fetch(t, told, 0)
		refresh(t, reads)
		refresh(t, told)
		if a, b := fetch(t, told, 0), fetch(t, reads, 0); a != b || a != first {
			t.Errorf("told %+v, then %+v; read %+v", first, a, b)
		}
	})
}

// TestWhatHasNoPlaceInTheListsIsNotAnnounced: no index, or a bit that has left.
func TestWhatHasNoPlaceInTheListsIsNotAnnounced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := &wire{}
		lists := replica(t, &rows{}, w, secret.GenerateRoots())
		refresh(t, lists)
		old := ended(7)
		time.Sleep(revocation.Window)
		lists.Announce(t.Context(), time.Now(), session.Ended{At: time.Now()})
		lists.Announce(t.Context(), time.Now().Add(time.Microsecond), old)
		lists.Announce(t.Context(), time.Now())
		select {
		case <-lists.Heard():
			t.Error("somebody is asked to admit it")
		case <-lists.Woken():
			t.Error("somebody is asked to read it")
		default:
		}
		if len(w.sent) > 0 {
			t.Errorf("%d notices were sent", len(w.sent))
		}
		lists.Announce(t.Context(), time.Now(), old) // at the last moment
		if len(w.sent) != 1 {
			t.Errorf("%d notices were sent, want one", len(w.sent))
		}
	})
}

// TestOnlyNoticesOfThisAuthorityAreHeard: anything may be written to Redis.
func TestOnlyNoticesOfThisAuthorityAreHeard(t *testing.T) {
	t.Parallel()
	w, roots := &wire{}, secret.GenerateRoots()
	replica(t, &rows{}, w, roots).Announce(t.Context(), time.Now(), ended(7), ended(8))
	notice := w.sent[0]
	lists := replica(t, &rows{}, w, roots)
	for i := range notice {
		changed := bytes.Clone(notice)
		changed[i] ^= 1
		if err := lists.Hear(changed); !errors.Is(err, revocation.ErrNotice) {
			t.Errorf("octet %d changed: %v, want %v", i, err, revocation.ErrNotice)
		}
	}
	for n := range notice {
		if err := lists.Hear(notice[:n]); !errors.Is(err, revocation.ErrNotice) {
			t.Errorf("its first %d octets: %v", n, err)
		}
	}
	if err := lists.Hear(append(bytes.Clone(notice), notice...)); !errors.Is(err, revocation.ErrNotice) {
		t.Errorf("twice in one: %v", err)
	}
	stranger := replica(t, &rows{}, w, secret.GenerateRoots())
	other := revocation.New(revocation.Config{Issuer: "https://other.example", Store: &rows{}, Signer: signer(t, "k1"), Roots: roots})
	leaked := slices.Clone(roots)
	leaked[0].Compromised = true
	for name, l := range map[string]*revocation.Lists{
		"of another root secret": stranger, "of another issuer": other, "under a compromised root secret": replica(t, &rows{}, w, leaked),
	} {
		if err := l.Hear(notice); !errors.Is(err, revocation.ErrNotice) {
			t.Errorf("%s: %v, want %v", name, err, revocation.ErrNotice)
		}
	}
	refresh(t, lists)
	admit(t, lists)
	wantIndexes(t, fetch(t, lists, 0))
	if err := lists.Hear(notice); err != nil {
		t.Error(err)
	}
	admit(t, lists)
	wantIndexes(t, fetch(t, lists, 0), 7, 8)
}

// TestANoticeThatComesAgainLaterSetsNothing: whoever can write to Redis may repeat it.
func TestANoticeThatComesAgainLaterSetsNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, roots := &wire{}, secret.GenerateRoots()
		replica(t, &rows{}, w, roots).Announce(t.Context(), time.Now(), ended(7))
		time.Sleep(revocation.Window + revocation.Epoch)
		lists := replica(t, &rows{}, w, roots)
		refresh(t, lists)
		if err := lists.Hear(w.sent[0]); err != nil {
			t.Fatal(err)
		}
		admit(t, lists)
		wantIndexes(t, fetch(t, lists, 0))
	})
}

func TestANoticeThatCannotBeSentIsCountedAndItsBitSetHere(t *testing.T) {
	t.Parallel()
	w := &wire{cut: true}
	lists := replica(t, &rows{}, w, secret.GenerateRoots())
	refresh(t, lists)
	lists.Announce(t.Context(), time.Now(), ended(7))
	admit(t, lists)
	wantIndexes(t, fetch(t, lists, 0), 7)
	if lists.Unheard() != 1 {
		t.Errorf("%d are counted, want 1", lists.Unheard())
	}
}

// TestManyAnnouncedAtOnceAreSplitAndSignedOnce, and no more than 100,000 wait.
func TestManyAnnouncedAtOnceAreSplitAndSignedOnce(t *testing.T) {
	t.Parallel()
	w, roots := &wire{}, secret.GenerateRoots()
	lists, other := replica(t, &rows{}, w, roots), replica(t, &rows{}, w, roots)
	refresh(t, lists)
	refresh(t, other)
	var many []session.Ended
	for i := range int64(100_500) {
		many = append(many, ended(i))
	}
	lists.Announce(t.Context(), time.Now(), many...)
	if len(w.sent) != 101 {
		t.Errorf("%d notices, want 101", len(w.sent))
	}
	for _, message := range w.sent {
		if err := other.Hear(message); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range []*revocation.Lists{lists, other} {
		admit(t, l)
		if l.Revoked() != 100_000 {
			t.Errorf("%d are revoked, want 100,000", l.Revoked())
		}
	}
}

// TestNoticesBeforeTheFirstReadingWaitForIt.
func TestNoticesBeforeTheFirstReadingWaitForIt(t *testing.T) {
	t.Parallel()
	lists := replica(t, &rows{}, &wire{}, secret.GenerateRoots())
	lists.Announce(t.Context(), time.Now(), ended(7))
	admit(t, lists)
	if _, _, err := lists.Newer(t.Context(), 0, revocation.Held{}, 0); !errors.Is(err, revocation.ErrStale) {
		t.Errorf("before a reading: %v, want %v", err, revocation.ErrStale)
	}
	refresh(t, lists)
	admit(t, lists)
	wantIndexes(t, fetch(t, lists, 0), 7)
}

func TestListsAreReadAndToldAtTheSameTime(t *testing.T) {
	t.Parallel()
	store, w := &rows{}, &wire{}
	lists := replica(t, store, w, secret.GenerateRoots())
	refresh(t, lists)
	var both sync.WaitGroup
	both.Go(func() {
		for i := range int64(50) {
			store.revoke(1000 + i)
			refresh(t, lists)
		}
	})
	for i := range int64(50) {
		lists.Announce(t.Context(), time.Now(), ended(i))
		admit(t, lists)
	}
	both.Wait()
	if lists.Revoked() != 100 {
		t.Errorf("%d are revoked, want 100", lists.Revoked())
	}
}

// TestANoticeIsAsOldAsItsSending, whatever the clock of the database said: its bit is set, and
// stays while a token may live.
func TestANoticeIsAsOldAsItsSending(t *testing.T) {
	t.Parallel()
	for _, jump := range jumps {
		bubble(t, func(t *testing.T) {
			w, roots := &wire{}, secret.GenerateRoots()
			lists := replica(t, &rows{}, w, roots)
			refresh(t, lists)
			index, at := int64(7), time.Now().Add(jump)
			lists.Announce(t.Context(), at, session.Ended{At: at, StatusIndex: &index})
			time.Sleep(time.Minute)
			late := replica(t, &rows{}, w, roots)
			refresh(t, late)
			if err := late.Hear(w.sent[0]); err != nil {
				t.Fatal(err)
			}
			for _, l := range []*revocation.Lists{lists, late} {
				admit(t, l)
				refresh(t, l)
				wantIndexes(t, fetch(t, l, 0), 7)
			}
			time.Sleep(time.Hour - time.Minute)
			for _, l := range []*revocation.Lists{lists, late} {
				refresh(t, l)
				wantIndexes(t, fetch(t, l, 0), 7)
			}
		})
	}
}
