package user_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/subscriber"
	"github.com/mintmark-auth/mintmark/internal/user"
)

func from(address string) user.Claim {
	return user.Claim{Networks: subscriber.Networks(netip.MustParseAddr(address))}
}

func knownFrom(address string) user.Claim {
	claim := from(address)
	claim.Known = true
	return claim
}

func claims(addresses ...string) []user.Claim {
	all := make([]user.Claim, len(addresses))
	for i, a := range addresses {
		all[i] = from(a)
	}
	return all
}

func TestNetworksTakeTurnsAtHashing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waiting []string
		want    []int
	}{
		"strangers as they came": {[]string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}, []int{0, 1, 2}},
		"one address":            {[]string{"192.0.2.1", "192.0.2.1", "192.0.2.1"}, []int{0, 1, 2}},
		"a crowd and one":        {[]string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"}, []int{0, 3, 1, 2}},
		"a /64 and one":          {[]string{"2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.2"}, []int{0, 3, 1, 2}},
		"a /48 and one": {[]string{
			"2001:db8:0:100::1", "2001:db8:0:200::1", "2001:db8:0:300::1", "2001:db8:1::1"}, []int{0, 3, 1, 2}},
		"households of a /48": {[]string{
			"2001:db8:0:101::1", "2001:db8:0:102::1", "2001:db8:0:200::1", "2001:db8:0:101::2"}, []int{0, 2, 1, 3}},
	} {
		if got := user.Order(claims(c.waiting...)); !slices.Equal(got, c.want) {
			t.Errorf("%s: served in the order %v, want %v", name, got, c.want)
		}
	}
}

func TestWhereThereIsAPlaceTooFewTheLastOfTheLargestCrowdLeaves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waiting []string
		want    int
	}{
		"all alone: the newest":       {[]string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, 2},
		"one comes to a crowd":        {[]string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"}, 2},
		"one of the crowd comes":      {[]string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"}, 3},
		"equal crowds: the newest":    {[]string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"}, 3},
		"a /48 of strangers":          {[]string{"2001:db8:0:100::1", "2001:db8:0:200::1", "192.0.2.1", "192.0.2.2"}, 1},
		"the crowd in a /48":          {[]string{"2001:db8:0:101::1", "2001:db8:0:102::1", "2001:db8:0:200::1", "192.0.2.1"}, 1},
		"nobody knows where they are": {[]string{"192.0.2.1"}, 0},
	} {
		if got := user.Leaves(claims(c.waiting...)); got != c.want {
			t.Errorf("%s: number %d leaves, want %d", name, got, c.want)
		}
	}
}

// flood fills the hasher's slots and lines by callers that come again and again until the returned function is called.
func flood(t *testing.T, hasher *user.Hasher, callers int, address func(i int) string) (end func()) {
	t.Helper()
	var all sync.WaitGroup
	over := make(chan struct{})
	for i := range callers {
		all.Go(func() {
			for {
				_ = hasher.For(from(address(i))).VerifyNobody(t.Context(), "guess")
				select {
				case <-over:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
	return func() { close(over); all.Wait() }
}

// USR-21.
func TestAFloodFromOneNetworkKeepsNobodyElseOut(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(i int) string{
		"one /56":     func(i int) string { return fmt.Sprintf("2001:db8:1:2%02x::1", i%256) },
		"one /48":     func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i) },
		"one address": func(int) string { return "192.0.2.1" },
	} {
		synctest.Test(t, func(t *testing.T) {
			hasher := newHasher(t, cheap)
			takesByWork(hasher)
			end := flood(t, hasher, 400, address)
			for i := range 10 {
				if err := hasher.For(from(fmt.Sprintf("203.0.113.%d", i))).VerifyNobody(t.Context(), "mine"); err != nil {
					t.Errorf("%s: honest caller %d: %v", name, i, err)
				}
			}
			end()
		})
	}
}

// USR-21.
func TestAFloodFromAThousandAddressesKeepsNoKnownCallerOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher(t, cheap)
		takesByWork(hasher)
		end := flood(t, hasher, 1000, func(i int) string { return fmt.Sprintf("198.51.%d.%d", i/250, i%250) })
		for i := range 10 {
			if err := hasher.For(knownFrom(fmt.Sprintf("203.0.113.%d", i))).VerifyNobody(t.Context(), "mine"); err != nil {
				t.Errorf("known caller %d: %v", i, err)
			}
		}
		end()
	})
}

// TestKnownCallersLeaveStrangersEverySecondTurn, or one with many accounts would keep newcomers out.
func TestKnownCallersLeaveStrangersEverySecondTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher, err := user.NewHasher(cheap, 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var order []byte
		release := make(chan struct{})
		hasher.WatchDerive(func(user.Derive) user.Derive {
			return func(password, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
				order = append(order, password...)
				<-release
				return make([]byte, keyLen)
			}
		})
		var callers sync.WaitGroup
		wait := func(claim user.Claim, password string) {
			callers.Go(func() { _ = hasher.For(claim).VerifyNobody(t.Context(), password) })
			synctest.Wait()
		}
		wait(from("192.0.2.1"), "-")
		for range 3 {
			wait(from("192.0.2.1"), "s")
		}
		for range 4 {
			wait(knownFrom("192.0.2.2"), "k")
		}
		close(release)
		callers.Wait()
		if got := string(order); got != "-ksksksk" {
			t.Errorf("served in the order %s, want known callers and strangers by turns", got)
		}
	})
}

// TestWhoComesAloneTakesThePlaceOfOneOfACrowd, who is told at once that there is none.
func TestWhoComesAloneTakesThePlaceOfOneOfACrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher(t, cheap)
		g := closedGate(hasher)
		var callers sync.WaitGroup
		var mu sync.Mutex
		var sentAway int
		for range 2 + 2*user.WaitersPerSlot {
			callers.Go(func() {
				if err := hasher.For(from("192.0.2.1")).VerifyNobody(t.Context(), "crowd"); errors.Is(err, user.ErrBusy) {
					mu.Lock()
					sentAway++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		var alone error
		callers.Go(func() { alone = hasher.For(from("192.0.2.2")).VerifyNobody(t.Context(), "alone") })
		synctest.Wait()
		close(g.open)
		callers.Wait()
		if alone != nil || sentAway != 1 {
			t.Errorf("who came alone: %v; %d of the crowd sent away, want 1", alone, sentAway)
		}
	})
}
