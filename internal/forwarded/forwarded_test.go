package forwarded_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/forwarded"
)

func proxies() forwarded.Proxies {
	return forwarded.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
}

func one(line string) []string { return []string{line} }

// TestTheCallerIsTheRightmostAddressThatNoTrustedProxyHas, and where an entry can't be read, the last proxy before it.
func TestTheCallerIsTheRightmostAddressThatNoTrustedProxyHas(t *testing.T) {
	t.Parallel()
	const proxy = "10.1.1.1"
	for name, c := range map[string]struct {
		peer string // "": proxy
		xff  []string
		fwd  []string
		want string
		cut  bool
	}{
		"no header":                         {want: proxy},
		"an empty header":                   {xff: one(" \t"), want: proxy},
		"one trusted proxy":                 {xff: one("1.2.3.4"), want: "1.2.3.4"},
		"what the caller forged is ignored": {xff: one("6.6.6.6, 1.2.3.4"), want: "1.2.3.4"},
		"in a line of its own too":          {xff: []string{"6.6.6.6", "1.2.3.4"}, want: "1.2.3.4"},
		"two trusted proxies":               {xff: one("6.6.6.6,1.2.3.4 ,\t10.2.2.2"), want: "1.2.3.4"},
		"all trusted: the farthest":         {xff: one("10.3.3.3, 10.2.2.2"), want: "10.3.3.3"},
		"IPv6":                              {peer: "fd00::1", xff: one("2001:db8::7"), want: "2001:db8::7"},
		"a peer of IPv4 in IPv6":            {peer: "::ffff:10.1.1.1", xff: one("1.2.3.4"), want: "1.2.3.4"},
		"a peer with a zone":                {peer: "fd00::1%eth0", xff: one("1.2.3.4"), want: "1.2.3.4"},
		"IPv4 in IPv6":                      {xff: one("1.2.3.4, ::ffff:10.2.2.2"), want: "1.2.3.4"},
		"IPv4 in IPv6 is IPv4":              {xff: one("[::ffff:1.2.3.4]:80"), want: "1.2.3.4"},
		"a zone falls away":                 {xff: one("fe80::1%eth0"), want: "fe80::1"},

		"a port":                        {xff: one("203.0.113.9:51234"), want: "203.0.113.9"},
		"a port of IPv6":                {xff: one("[2001:db8::1]:443"), want: "2001:db8::1"},
		"brackets alone":                {xff: one("[2001:db8::1]"), want: "2001:db8::1"},
		"quoted":                        {xff: one(`"203.0.113.9:51234"`), want: "203.0.113.9"},
		"quoted IPv6":                   {xff: one(`6.6.6.6, "[2001:db8::1]:443"`), want: "2001:db8::1"},
		"a port of a trusted proxy":     {xff: one("6.6.6.6, 1.2.3.4:5, 10.2.2.2:443"), want: "1.2.3.4"},
		"the last port":                 {xff: one("203.0.113.9:65535"), want: "203.0.113.9"},
		"a port beyond":                 {xff: one("203.0.113.9:65536"), want: proxy, cut: true},
		"a port with a sign":            {xff: one("203.0.113.9:+80"), want: proxy, cut: true},
		"a port that is long":           {xff: one("203.0.113.9:000080"), want: proxy, cut: true},
		"no port after the colon":       {xff: one("203.0.113.9:"), want: proxy, cut: true},
		"two ports":                     {xff: one("203.0.113.9:1:2"), want: proxy, cut: true},
		"IPv4 in brackets":              {xff: one("[203.0.113.9]:80"), want: proxy, cut: true},
		"a bracket that stays open":     {xff: one("[2001:db8::1"), want: proxy, cut: true},
		"text after the bracket":        {xff: one("[2001:db8::1]443"), want: proxy, cut: true},
		"a leading zero":                {xff: one("010.1.1.1"), want: proxy, cut: true},
		"a name":                        {xff: one("localhost"), want: proxy, cut: true},
		"unknown":                       {xff: one("1.2.3.4, unknown"), want: proxy, cut: true},
		"garbage on the right":          {xff: one("1.2.3.4, garbage"), want: proxy, cut: true},
		"garbage in the middle":         {xff: one("6.6.6.6, garbage, 10.2.2.2"), want: "10.2.2.2", cut: true},
		"garbage on the left":           {xff: one("garbage, 1.2.3.4"), want: "1.2.3.4"},
		"an empty entry on the right":   {xff: one("6.6.6.6, "), want: proxy, cut: true},
		"an empty line on the right":    {xff: []string{"6.6.6.6", ""}, want: proxy, cut: true},
		"an empty entry in the middle":  {xff: one("6.6.6.6,, 10.2.2.2"), want: "10.2.2.2", cut: true},
		"a quotation mark of the left":  {xff: one(`", 1.2.3.4`), want: "1.2.3.4"},
		"a quotation mark that is open": {xff: one(`6.6.6.6, "1.2.3.4`), want: proxy, cut: true},
		"one after the address":         {xff: one(`6.6.6.6, 1.2.3.4"`), want: proxy, cut: true},
		"text after the quotes":         {xff: one(`"1.2.3.4"5`), want: proxy, cut: true},
		"an element of the other field": {xff: one("for=1.2.3.4"), want: proxy, cut: true},

		"Forwarded":                           {fwd: one("for=1.2.3.4"), want: "1.2.3.4"},
		"Forwarded in capitals":               {fwd: one("For=1.2.3.4;Proto=https"), want: "1.2.3.4"},
		"Forwarded of IPv6":                   {fwd: one(`for=6.6.6.6, proto=https ; For="[2001:db8::1]:443";by=10.2.2.2`), want: "2001:db8::1"},
		"Forwarded over two proxies":          {fwd: []string{"for=6.6.6.6", `for=1.2.3.4, for="10.2.2.2:80"`}, want: "1.2.3.4"},
		"Forwarded with an invented port":     {fwd: one(`for="1.2.3.4:_gazonk"`), want: "1.2.3.4"},
		"Forwarded with a nameless port":      {fwd: one(`for="1.2.3.4:_"`), want: proxy, cut: true},
		"Forwarded with a strange port":       {fwd: one(`for="1.2.3.4:_a b"`), want: proxy, cut: true},
		"Forwarded by unknown":                {fwd: one("for=6.6.6.6, for=unknown"), want: proxy, cut: true},
		"Forwarded by a hidden one":           {fwd: one("for=6.6.6.6, for=_hidden"), want: proxy, cut: true},
		"Forwarded by nobody":                 {fwd: one("for=6.6.6.6, proto=https"), want: proxy, cut: true},
		"Forwarded twice by one":              {fwd: one("for=6.6.6.6;for=1.2.3.4"), want: proxy, cut: true},
		"Forwarded with half a pair":          {fwd: one("for=1.2.3.4;secure"), want: proxy, cut: true},
		"Forwarded with an empty pair":        {fwd: one("for=1.2.3.4;"), want: "1.2.3.4"},
		"Forwarded for an open quote":         {fwd: one(`for=6.6.6.6, for="1.2.3.4`), want: proxy, cut: true},
		"a caller's open quote":               {fwd: one(`for="6.6.6.6, for=1.2.3.4`), want: "1.2.3.4"},
		"a caller's open quote before quotes": {fwd: one(`for="6.6.6.6, for="[2001:db8::1]:443"`), want: "2001:db8::1"},
		"a caller's backslash":                {fwd: one(`for=6.6.6.6\, for="[2001:db8::1]"`), want: "2001:db8::1"},
		"a host that a caller chose":          {fwd: one(`for=1.2.3.4;host="a\", for=6.6.6.6;x=\""`), want: "1.2.3.4"},
		"a host that ends in a backslash":     {fwd: one(`for=1.2.3.4;host="a;for=6.6.6.6,\\"`), want: "1.2.3.4"},
		"both: X-Forwarded-For counts":        {xff: one("1.2.3.4"), fwd: one("for=6.6.6.6"), want: "1.2.3.4"},
		"both, also where it can't be read":   {xff: one("garbage"), fwd: one("for=6.6.6.6"), want: proxy, cut: true},
		"an empty one and Forwarded":          {xff: one(""), fwd: one("for=1.2.3.4"), want: "1.2.3.4"},
	} {
		if c.peer == "" {
			c.peer = proxy
		}
		got := proxies().Caller(netip.MustParseAddr(c.peer), forwarded.Header{XForwardedFor: c.xff, Forwarded: c.fwd})
		if want := (forwarded.Caller{Address: netip.MustParseAddr(c.want), Trusted: true, Cut: c.cut}); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// TestAPeerThatIsNoTrustedProxyIsTheCaller, whatever it says, and that it said something is told.
func TestAPeerThatIsNoTrustedProxyIsTheCaller(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trusted forwarded.Proxies
		header  forwarded.Header
		ignored bool
	}{
		"nothing is said":     {proxies(), forwarded.Header{}, false},
		"an empty line":       {proxies(), forwarded.Header{XForwardedFor: one(" ")}, false},
		"X-Forwarded-For":     {proxies(), forwarded.Header{XForwardedFor: one("10.1.1.1")}, true},
		"Forwarded":           {proxies(), forwarded.Header{Forwarded: one("for=1.2.3.4")}, true},
		"garbage":             {proxies(), forwarded.Header{XForwardedFor: one("garbage")}, true},
		"nobody is trusted":   {nil, forwarded.Header{XForwardedFor: one("1.2.3.4")}, true},
		"nobody, and nothing": {nil, forwarded.Header{}, false},
	} {
		got := c.trusted.Caller(netip.MustParseAddr("::ffff:9.9.9.9"), c.header)
		if want := (forwarded.Caller{Address: netip.MustParseAddr("9.9.9.9"), Ignored: c.ignored}); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// FuzzCaller: whatever a caller sends, the proxy's entry after it counts; and whatever a proxy sends, the address is the
// peer's or one that stands in the header.
func FuzzCaller(f *testing.F) {
	for _, seed := range []string{"", "6.6.6.6", `for="6.6.6.6`, `"`, `\`, `for=1.2.3.4;host="a\", for=6.6.6.6"`, "[2001:db8::1]:443, 10.2.2.2", ",,"} {
		f.Add(seed)
	}
	peer, added := netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("2001:db8::1")
	f.Fuzz(func(t *testing.T, sent string) {
		for name, c := range map[string]forwarded.Header{
			"appended":              {XForwardedFor: one(sent + `, "[2001:db8::1]:443"`)},
			"added":                 {XForwardedFor: []string{sent, "2001:db8::1"}},
			"appended to Forwarded": {Forwarded: one(sent + `, for="[2001:db8::1]:443";proto=https`)},
			"added to Forwarded":    {Forwarded: []string{sent, `proto=https;for="[2001:db8::1]"`}},
			"beside":                {XForwardedFor: one("2001:db8::1"), Forwarded: one(sent)},
		} {
			if got := proxies().Caller(peer, c); got != (forwarded.Caller{Address: added, Trusted: true}) {
				t.Errorf("%s: %q made %+v", name, sent, got)
			}
		}
		for _, h := range []forwarded.Header{{XForwardedFor: one(sent)}, {Forwarded: one(sent)}} {
			got := proxies().Caller(peer, h)
			if !got.Address.IsValid() || got.Address.Zone() != "" || got.Address.Is4In6() {
				t.Errorf("%q made %+v", sent, got)
			}
			if got.Address != peer && !strings.ContainsAny(sent, ".:") {
				t.Errorf("%q made %+v of no address", sent, got)
			}
		}
	})
}
