package revocation_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
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
		if a, b := fetch(t, told, 0), fetch(t, reads, 0); a != b || a.Token != first.Token || a.Expiry != first.Expiry {
			t.Errorf("told %+v, then %+v; read %+v", first, a, b)
		}
		if list, fresh, err := told.Newer(t.Context(), 0, held(first.ETag), 0); fresh || err != nil {
			t.Errorf("the same list again: %+v, %v", list, err)
		}
	})
}

// TestWhatHasNoPlaceInTheListsIsNotAnnounced: no index, or a bit that has left. A session that
// was revoked before is read, and not announced again, so that no client fills the stream.
func TestWhatHasNoPlaceInTheListsIsNotAnnounced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := &wire{}
		lists := replica(t, &rows{}, w, secret.GenerateRoots())
		refresh(t, lists)
		want := func(what string, read bool, sent int) {
			t.Helper()
			asked := false
			select {
			case <-lists.Woken():
				asked = true
			default:
			}
			if asked != read || len(w.sent) != sent {
				t.Errorf("%s: a reading is asked for: %t, want %t; %d notices were sent, want %d", what, asked, read, len(w.sent), sent)
			}
			w.sent = nil
		}
		old := ended(7)
		old.Before = true
		lists.Announce(t.Context(), time.Now(), old)
		want("revoked before", true, 0)
		time.Sleep(revocation.Window)
		lists.Announce(t.Context(), time.Now(), old)
		want("revoked before, at the last moment", true, 0)
		lists.Announce(t.Context(), time.Now().Add(time.Microsecond), old)
		want("when its bit has left", false, 0)
		lists.Announce(t.Context(), time.Now(), session.Ended{At: time.Now()})
		want("without an index", false, 0)
		lists.Announce(t.Context(), time.Now())
		want("nothing", false, 0)
		select {
		case <-lists.Heard():
			t.Error("somebody is asked to admit it")
		default:
		}
		lists.Announce(t.Context(), time.Now(), ended(7))
		want("now", true, 1)
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

// TestOfManyThatAreAnnouncedEightOfAListAreInItUnread: its version names them. The others wait
// for a reading.
func TestOfManyThatAreAnnouncedEightOfAListAreInItUnread(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		store, w, roots := &rows{}, &wire{}, secret.GenerateRoots()
		lists, other := replica(t, store, w, roots), replica(t, store, w, roots)
		refresh(t, lists)
		refresh(t, other)
		var many []session.Ended
		for i := range int64(2500) {
			store.revoke(i)
			many = append(many, ended(i))
		}
		lists.Announce(t.Context(), time.Now(), many...)
		if len(w.sent) != 3 {
			t.Errorf("%d notices, want 3", len(w.sent))
		}
		for _, message := range w.sent {
			if err := other.Hear(message); err != nil {
				t.Fatal(err)
			}
		}
		for _, l := range []*revocation.Lists{lists, other} {
			for range 2 {
				admit(t, l)
				if l.Revoked() != 8 {
					t.Errorf("%d are revoked before a reading, want 8", l.Revoked())
				}
			}
			refresh(t, l)
			admit(t, l)
			if l.Revoked() != 2500 {
				t.Errorf("%d are revoked, want 2500", l.Revoked())
			}
		}
		if a, b := fetch(t, lists, 0), fetch(t, other, 0); a != b {
			t.Errorf("one says %+v, the other %+v", a, b)
		}
	})
}

// TestAFollowerOfManyReplicasNeverLosesARevocation, although each has read and heard of others:
// a list is given only to a caller of whose every session it is known to hold.
func TestAFollowerOfManyReplicasNeverLosesARevocation(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		bubble(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			store, w, roots := &rows{}, &wire{}, secret.GenerateRoots()
			var replicas []*revocation.Lists
			for range 3 {
				replicas = append(replicas, replica(t, store, w, roots))
				refresh(t, replicas[len(replicas)-1])
			}
			some := func() *revocation.Lists { return replicas[random.IntN(len(replicas))] }
			tag, known := "", []int(nil)
			for i := range int64(40) {
				switch random.IntN(3) {
				case 0: // by an operator: nobody hears of it
					store.revoke(i)
				case 1:
					store.revoke(i)
					w.sent = nil
					some().Announce(t.Context(), time.Now(), ended(i))
					for range random.IntN(3) { // it may get lost
						if err := some().Hear(w.sent[0]); err != nil {
							t.Fatal(err)
						}
					}
				}
				for range random.IntN(3) {
					admit(t, some())
				}
				if random.IntN(3) == 0 {
					refresh(t, some())
				}
				time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
				list, fresh, err := some().Newer(t.Context(), 0, held(tag), 0)
				if err != nil && !errors.Is(err, revocation.ErrStale) {
					t.Fatal(err)
				}
				if err != nil || !fresh {
					continue
				}
				_, set := decode(t, list)
				for _, index := range known {
					if !slices.Contains(set, index) {
						t.Fatalf("seed %d: with %s the caller knew %v; the list %s says %v", seed, tag, known, list.ETag, set)
					}
				}
				tag, known = list.ETag, set
			}
			for _, l := range replicas { // in the end all say the same
				refresh(t, l)
				admit(t, l)
				if a, b := fetch(t, l, 0), fetch(t, replicas[0], 0); a != b {
					t.Errorf("seed %d: one says %+v, another %+v", seed, a, b)
				}
			}
		})
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
	for i := range int64(8) {
		lists.Announce(t.Context(), time.Now(), ended(i))
		admit(t, lists)
	}
	both.Wait()
	if lists.Revoked() != 58 {
		t.Errorf("%d are revoked, want 58", lists.Revoked())
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
