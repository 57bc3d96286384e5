package ratelimit_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
	"github.com/mintmark-auth/mintmark/internal/subscriber"
)

// USR-23.
func TestTriesFromNeighbouringNetworksAreCountedTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		address string // of the i-th try
		want    int    // tries of 64 that are let through
	}{
		"one /64":                        {"2001:db8:1:200::N", 5},
		"/64s of one /56":                {"2001:db8:1:N::1", 10},
		"/56s of one /48":                {"2001:db8:1:N0::1", 20},
		"/48s":                           {"2001:db8:N::1", 64},
		"one IPv4 address":               {"192.0.2.7", 5},
		"6to4 of one IPv4 address":       {"2002:c000:207:N::1", 5},
		"Teredo of one IPv4 address":     {"2001:0:cb00:7101:N:0:3fff:fdf8", 5},
		"IPv4 addresses of one provider": {"192.0.2.N", 64},
	} {
		limits, passed := memory.NewLimits(func() time.Time { return start }, 10_000), 0
		for i := range 64 {
			networks := subscriber.Networks(netip.MustParseAddr(strings.Replace(c.address, "N", fmt.Sprint(100+i), 1)))
			if ratelimit.SpendFrom(t.Context(), limits, "login:", networks, ratelimit.Rate{Limit: 5, Per: time.Hour}) == nil {
				passed++
			}
		}
		if passed != c.want {
			t.Errorf("%s: %d tries of 64 are let through, want %d", name, passed, c.want)
		}
	}
}

// TestWhoHasNoTriesLeftTakesNoneFromTheNeighbours.
func TestWhoHasNoTriesLeftTakesNoneFromTheNeighbours(t *testing.T) {
	t.Parallel()
	limits, rate := memory.NewLimits(func() time.Time { return start }, 10_000), ratelimit.Rate{Limit: 5, Per: time.Hour}
	try := func(address string) error {
		return ratelimit.SpendFrom(t.Context(), limits, "login:", subscriber.Networks(netip.MustParseAddr(address)), rate)
	}
	for range 100 {
		_ = try("2001:db8:1:200::1")
	}
	for i := range 5 {
		if err := try("2001:db8:1:201::1"); err != nil {
			t.Errorf("try %d of the neighbour: %v", i+1, err)
		}
	}
}

// TestCallersWithoutAnAddressShareOneBudget.
func TestCallersWithoutAnAddressShareOneBudget(t *testing.T) {
	t.Parallel()
	limits, rate := memory.NewLimits(func() time.Time { return start }, 10_000), ratelimit.Rate{Limit: 1, Per: time.Hour}
	first := ratelimit.SpendFrom(t.Context(), limits, "login:", nil, rate)
	if second := ratelimit.SpendFrom(t.Context(), limits, "login:", nil, rate); first != nil || second == nil {
		t.Errorf("first %v, then %v, want only the first let through", first, second)
	}
}
