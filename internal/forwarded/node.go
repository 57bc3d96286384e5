package forwarded

import (
	"net/netip"
	"strconv"
	"strings"
)

// readEntry reads an entry of X-Forwarded-For: an address, perhaps with a port, perhaps quoted.
func readEntry(entry string) (netip.Addr, bool) {
	node, ok := unquote(entry)
	if !ok {
		return netip.Addr{}, false
	}
	return readNode(node)
}

// readElement reads an element of Forwarded (RFC 7239 §4), which names its node once.
func readElement(element string) (netip.Addr, bool) {
	var node string
	found := false
	for more := true; more; {
		var pair string
		pair, element, more = cutPair(element)
		if pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return netip.Addr{}, false
		}
		text, ok := unquote(value)
		again := false
		if strings.EqualFold(name, "for") {
			again, found, node = found, true, text
		}
		if !ok || again {
			return netip.Addr{}, false
		}
	}
	return readNode(node)
}

// cutPair cuts the first pair off an element, at a semicolon outside of quotes.
func cutPair(element string) (pair, rest string, more bool) {
	quoted := false
	for i := 0; i < len(element); i++ {
		switch {
		case quoted && element[i] == '\\':
			i++
		case element[i] == '"':
			quoted = !quoted
		case element[i] == ';' && !quoted:
			return trim(element[:i]), element[i+1:], true
		}
	}
	return trim(element), "", false
}

// unquote gives the text of a token or of a quoted string (RFC 9110 §5.6.4).
func unquote(value string) (string, bool) {
	inside, quoted := strings.CutPrefix(value, `"`)
	if !quoted {
		return value, !strings.Contains(value, `"`)
	}
	var text strings.Builder
	for i := 0; i < len(inside); i++ {
		switch {
		case inside[i] == '"':
			return text.String(), i == len(inside)-1
		case inside[i] == '\\' && i+1 < len(inside):
			i++
		}
		text.WriteByte(inside[i])
	}
	return "", false // it has no end
}

// readNode reads an address, alone or with a port: 192.0.2.7, 192.0.2.7:51234, 2001:db8::1, [2001:db8::1] and
// [2001:db8::1]:443. A node that is unknown or has an invented name (RFC 7239 §6.2, §6.3) is no address.
func readNode(node string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(node); err == nil {
		return plain(address), true
	}
	host, port, hasPort := strings.Cut(node, ":")
	inside, bracketed := strings.CutPrefix(node, "[")
	if bracketed {
		var end bool
		host, port, end = strings.Cut(inside, "]")
		if !end {
			return netip.Addr{}, false
		}
		port, hasPort = strings.CutPrefix(port, ":")
	}
	address, err := netip.ParseAddr(host)
	if err != nil || address.Is6() != bracketed || hasPort != isPort(port) || !hasPort && port != "" {
		return netip.Addr{}, false
	}
	return plain(address), true
}

// isPort reports whether the text is a port, or the name that stands for one (RFC 7239 §6.4).
func isPort(text string) bool {
	if name, ok := strings.CutPrefix(text, "_"); ok {
		return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
	}
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil && len(text) <= len("65535")
}
