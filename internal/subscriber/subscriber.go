// Package subscriber tells which network an address is counted by, where one caller must not take what is meant for all.
// A subscriber has one IPv4 address, but a whole network of IPv6 ones to choose from, whose size depends on the provider:
// a /64, a /56 or a /48. It is pure; it knows nothing of limits and of proxies.
package subscriber

import (
	"net/netip"
	"slices"
)

// The networks that a provider gives to one subscriber, the narrowest first.
var sizes = [...]int{64, 56, 48}

// common is the size of the network that most providers give to a household (RFC 6177).
const common = 56

// Of is the subscriber of an address: the address itself for IPv4, its /56 for IPv6. The zero address has the
// zero prefix.
func Of(address netip.Addr) netip.Prefix { return network(Plain(address), common) }

// Networks are the nested networks that an address belongs to, the narrowest first: one for IPv4, and /64, /56 and /48
// for IPv6. The zero address has none.
func Networks(address netip.Addr) []netip.Prefix {
	address = Plain(address)
	switch {
	case !address.IsValid():
		return nil
	case address.Is4():
		return []netip.Prefix{network(address, common)}
	}
	nested := make([]netip.Prefix, 0, len(sizes))
	for _, bits := range sizes {
		nested = append(nested, network(address, bits))
	}
	return nested
}

func network(address netip.Addr, bits int) netip.Prefix {
	if address.Is4() {
		bits = address.BitLen()
	}
	prefix, _ := address.Prefix(bits) // it fails for the zero address only
	return prefix
}

var (
	sixToFour = netip.MustParsePrefix("2002::/16") // RFC 3056: the IPv4 address follows
	teredo    = netip.MustParsePrefix("2001::/32") // RFC 4380: the inverted IPv4 address is at the end
	atTheEnd  = []netip.Prefix{
		netip.MustParsePrefix("64:ff9b::/96"),    // RFC 6052, NAT64
		netip.MustParsePrefix("::ffff:0:0:0/96"), // RFC 2765, SIIT
	}
)

// Plain is the address without zone, and the IPv4 address where one is written as IPv6: mapped (RFC 4291), 6to4 and
// Teredo, of which anybody with an IPv4 address has many, or translated.
func Plain(address netip.Addr) netip.Addr {
	address = address.Unmap().WithZone("")
	octets := address.As16()
	switch {
	case address.Is4():
		return address
	case sixToFour.Contains(address):
		return netip.AddrFrom4([4]byte(octets[2:6]))
	case teredo.Contains(address):
		return netip.AddrFrom4([4]byte{^octets[12], ^octets[13], ^octets[14], ^octets[15]})
	case slices.ContainsFunc(atTheEnd, func(p netip.Prefix) bool { return p.Contains(address) }):
		return netip.AddrFrom4([4]byte(octets[12:16]))
	}
	return address
}
