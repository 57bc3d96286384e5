package httpapi_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

func TestAddressIsTheRightmostThatNoTrustedProxyHas(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	cases := map[string]struct {
		peer      string
		forwarded []string
		trusted   []netip.Prefix
		want      string
	}{
		"no proxy is trusted":               {"10.1.1.1:5", []string{"1.2.3.4"}, nil, "10.1.1.1"},
		"the peer is no trusted proxy":      {"9.9.9.9:5", []string{"1.2.3.4"}, trusted, "9.9.9.9"},
		"one trusted proxy":                 {"10.1.1.1:5", []string{"1.2.3.4"}, trusted, "1.2.3.4"},
		"what the caller forged is ignored": {"10.1.1.1:5", []string{"6.6.6.6, 1.2.3.4"}, trusted, "1.2.3.4"},
		"in a line of its own too":          {"10.1.1.1:5", []string{"6.6.6.6", "1.2.3.4"}, trusted, "1.2.3.4"},
		"two trusted proxies":               {"10.1.1.1:5", []string{"1.2.3.4, 10.2.2.2"}, trusted, "1.2.3.4"},
		"all trusted: the farthest":         {"10.1.1.1:5", []string{"10.3.3.3, 10.2.2.2"}, trusted, "10.3.3.3"},
		"malformed ends the search":         {"10.1.1.1:5", []string{"1.2.3.4, garbage"}, trusted, "10.1.1.1"},
		"no header":                         {"10.1.1.1:5", nil, trusted, "10.1.1.1"},
		"IPv6":                              {"[fd00::1]:5", []string{"2001:db8::7"}, trusted, "2001:db8::7"},
		"IPv4 in IPv6":                      {"[::ffff:10.1.1.1]:5", []string{"1.2.3.4"}, trusted, "1.2.3.4"},
	}
	for name, c := range cases {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := httpapi.ClientAddress(r, c.trusted); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestLimitsCountIPv6ByItsSubnet(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"1.2.3.4":               "1.2.3.4",
		"2001:db8:1:2::1":       "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::99": "2001:db8:1:2::/64",
		"2001:db8:1:3::1":       "2001:db8:1:3::/64",
		"unknown":               "unknown",
	}
	for address, want := range cases {
		if got := httpapi.LimitAddress(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

func TestIfNoneMatchComparesWeakly(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{`"a"`: true, `W/"a"`: true, `"b", "a"`: true, `*`: true, `"b"`: false, ``: false, `a`: false}
	for header, want := range cases {
		if got := httpapi.MatchesETag(header, `"a"`); got != want {
			t.Errorf("%s: got %v, want %v", header, got, want)
		}
	}
}
