package subscriber_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/subscriber"
)

func TestAnAddressIsCountedByTheNetworksOfItsSubscriber(t *testing.T) {
	t.Parallel()
	v6 := []string{"2001:db8:1:203::/64", "2001:db8:1:200::/56", "2001:db8:1::/48"}
	for address, want := range map[string]struct {
		of     string
		nested []string
	}{
		"192.0.2.7":                      {"192.0.2.7/32", []string{"192.0.2.7/32"}},
		"::ffff:192.0.2.7":               {"192.0.2.7/32", []string{"192.0.2.7/32"}},
		"2002:c000:207:1:2:3:4:5":        {"192.0.2.7/32", []string{"192.0.2.7/32"}}, // 6to4
		"64:ff9b::c000:207":              {"192.0.2.7/32", []string{"192.0.2.7/32"}}, // NAT64
		"::ffff:0:c000:207":              {"192.0.2.7/32", []string{"192.0.2.7/32"}}, // SIIT
		"2001:0:cb00:7101:1:2:3fff:fdf8": {"192.0.2.7/32", []string{"192.0.2.7/32"}}, // Teredo
		"2001:db8:1:203::1":              {"2001:db8:1:200::/56", v6},
		"2001:db8:1:203:ffff:ff:f:1":     {"2001:db8:1:200::/56", v6},
		"2001:db8:1:203::1%eth0":         {"2001:db8:1:200::/56", v6},
		"2003:c000:207::1":               {"2003:c000:207::/56", []string{"2003:c000:207::/64", "2003:c000:207::/56", "2003:c000:207::/48"}},
		"64:ff9b:1::c000:207":            {"64:ff9b:1::/56", []string{"64:ff9b:1::/64", "64:ff9b:1::/56", "64:ff9b:1::/48"}},
		"fe80::1%a-zone-of-any-length":   {"fe80::/56", []string{"fe80::/64", "fe80::/56", "fe80::/48"}},
	} {
		a := netip.MustParseAddr(address)
		var nested []string
		for _, n := range subscriber.Networks(a) {
			nested = append(nested, n.String())
		}
		if of := subscriber.Of(a).String(); of != want.of || !slices.Equal(nested, want.nested) {
			t.Errorf("%s: %s in %v, want %s in %v", address, of, nested, want.of, want.nested)
		}
	}
	if none := (netip.Addr{}); subscriber.Of(none).IsValid() || subscriber.Networks(none) != nil {
		t.Errorf("no address is counted by %s and %v", subscriber.Of(none), subscriber.Networks(none))
	}
}

// FuzzNetworks: the networks contain the address and each other, and any address in the narrowest one is counted alike.
func FuzzNetworks(f *testing.F) {
	f.Add([]byte{192, 0, 2, 7}, byte(1))
	f.Add([]byte{0x20, 0x02, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, byte(2))
	f.Add([]byte{0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, byte(3))
	f.Fuzz(func(t *testing.T, octets []byte, other byte) {
		a, ok := netip.AddrFromSlice(octets)
		if !ok {
			return
		}
		plain, networks := subscriber.Plain(a), subscriber.Networks(a)
		for i, n := range networks {
			if !n.Contains(plain) || i > 0 && (n.Bits() >= networks[i-1].Bits() || !n.Contains(networks[i-1].Addr())) {
				t.Errorf("%s is counted by %v", a, networks)
			}
		}
		if !slices.Contains(networks, subscriber.Of(a)) {
			t.Errorf("%s belongs to the subscriber %s, which is none of %v", a, subscriber.Of(a), networks)
		}
		if plain.Is4() {
			return
		}
		neighbour := plain.As16()
		neighbour[15] ^= other
		if got := subscriber.Networks(netip.AddrFrom16(neighbour)); !slices.Equal(got, networks) {
			t.Errorf("%s is counted by %v, and its neighbour by %v", a, networks, got)
		}
	})
}
