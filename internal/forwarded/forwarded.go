// Package forwarded finds out whose request a proxy passes on: it reads X-Forwarded-For, and Forwarded of RFC 7239.
//
// Anybody can send these fields, so only what trusted proxies have added counts. They add on the right. The walk
// therefore begins with the peer and goes from right to left, for as long as the address it has reached is that of a
// trusted proxy. It ends at an entry that can't be read: the address is then that of the last proxy, and never one that
// stands further left, which the caller may have invented. The package decides nothing else, and does no I/O.
package forwarded

import (
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of the trusted proxies.
type Proxies []netip.Prefix

// Trusted reports whether a proxy of that address is trusted.
func (p Proxies) Trusted(address netip.Addr) bool {
	address = plain(address)
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// Header is what a request says about its way. Each member has the lines of a field in their order.
type Header struct {
	XForwardedFor []string
	Forwarded     []string
}

// Caller is who sent a request.
type Caller struct {
	Address netip.Addr // without zone, IPv4 as such; the peer's unless a trusted proxy names another
	Trusted bool       // the peer is a trusted proxy
	Ignored bool       // the peer is none, but the request has one of the fields
	Cut     bool       // an entry could not be read, and the walk ended there
}

// Caller follows a request from the peer that sent it to its caller. Where both fields have come, X-Forwarded-For
// counts: more proxies set it, and pass on a Forwarded that they don't know.
func (p Proxies) Caller(peer netip.Addr, h Header) Caller {
	c := Caller{Address: plain(peer), Trusted: p.Trusted(peer)}
	rest, read := join(h.XForwardedFor), readEntry
	if rest == "" {
		rest, read = join(h.Forwarded), readElement
	}
	if rest == "" || !c.Trusted {
		c.Ignored = rest != ""
		return c
	}
	for more := true; more && p.Trusted(c.Address); {
		var entry string
		rest, entry, more = cutLast(rest)
		hop, ok := read(entry)
		if !ok {
			c.Cut = true
			return c
		}
		c.Address = hop
	}
	return c
}

func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// join makes one list of the lines of a field (RFC 9110 §5.3). It is empty if nothing but space was sent.
func join(lines []string) string {
	if !slices.ContainsFunc(lines, func(line string) bool { return trim(line) != "" }) {
		return ""
	}
	return strings.Join(lines, ",")
}

func trim(text string) string { return strings.Trim(text, " \t") }

// cutLast cuts the last entry off a list. It looks for the comma from the right, so that a quotation mark that a caller
// has sent, and which is never closed, does not swallow what proxies have added after it.
func cutLast(list string) (rest, entry string, more bool) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"' && !escaped(list[:i]):
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return list[:i], trim(list[i+1:]), true
		}
	}
	return "", trim(list), false
}

// escaped reports whether a character after the text is escaped in a quoted string.
func escaped(before string) bool {
	return (len(before)-len(strings.TrimRight(before, `\`)))%2 == 1
}
