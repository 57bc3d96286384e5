package config

import (
	"math"
	"net/netip"
	"slices"
)

func parseProxies(text string) ([]netip.Prefix, error) {
	const maxProxies = 100
	entries := splitList(text)
	if len(entries) > maxProxies {
		return nil, defectf("join them to larger networks", "%d networks are more than %d", len(entries), maxProxies)
	}
	var prefixes []netip.Prefix
	for _, entry := range entries {
		prefix, err := parseProxy(entry)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	if trustsMost(prefixes) {
		return nil, defectf("name the addresses of your proxies",
			"%s together trust most addresses, so that callers could choose the address that rate limits count", quote(text))
	}
	return prefixes, nil
}

// trustsMost reports whether the networks together hold more than half of the public addresses of IPv4 or of IPv6
// (2000::/3). Of two networks, one contains the other or they have nothing in common.
func trustsMost(networks []netip.Prefix) bool {
	public := netip.MustParsePrefix("2000::/3")
	var shareOfIPv4, shareOfIPv6 float64
	for i, n := range networks {
		within := func(other netip.Prefix) bool { return other.Bits() < n.Bits() && other.Contains(n.Addr()) }
		switch {
		case slices.Contains(networks[:i], n) || slices.ContainsFunc(networks, within): // counted already, or with the other
		case n.Addr().Is4():
			shareOfIPv4 += math.Ldexp(1, -n.Bits())
		case n.Overlaps(public):
			shareOfIPv6 += math.Ldexp(1, min(0, public.Bits()-n.Bits()))
		}
	}
	return shareOfIPv4 > 0.5 || shareOfIPv6 > 0.5
}

func parseProxy(text string) (netip.Prefix, error) {
	const mend = "write addresses or networks like 10.0.0.7 or 10.0.0.0/8, separated by commas"
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, defectf(mend, "%s is neither an IP address nor a network", quote(text))
	}
	if prefix.Bits() == 0 {
		return netip.Prefix{}, defectf("name the addresses of your proxies",
			"%s trusts every address, so that callers could choose the address that rate limits count", quote(text))
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, defectf("write "+prefix.Masked().String(), "%s has bits set beyond its length", quote(text))
	}
	return prefix, nil
}
