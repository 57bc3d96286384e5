package httpapi_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// TestWhatATrustedProxySaysOfARequestGoesIntoLogAndEvents: the caller's address, the request's id and its trace. What
// anybody else says goes nowhere, and neither does what is no id.
func TestWhatATrustedProxySaysOfARequestGoesIntoLogAndEvents(t *testing.T) {
	t.Parallel()
	const trace = "0af7651916cd43dd8448eb211c80319c"
	proxied := func(c *httpapi.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }
	said := func(id ...string) http.Header {
		return http.Header{"X-Forwarded-For": {`6.6.6.6, "203.0.113.9:51234"`}, "X-Request-Id": id, "Traceparent": {"00-" + trace + "-b7ad6b7169203331-01"}}
	}
	for name, c := range map[string]struct {
		peer    string
		header  http.Header
		id      string // "": one of its own
		address string
		trace   string
	}{
		"a trusted proxy":                {"192.0.2.7", said("edge:1=a/b+c@d_e-f"), "edge:1=a/b+c@d_e-f", "203.0.113.9", trace},
		"anybody":                        {"198.51.100.7", said("edge-1"), "", "198.51.100.7", ""},
		"a proxy that passes on two ids": {"192.0.2.7", said("theirs", "edge-1"), "", "203.0.113.9", trace},
		"a proxy that passes on a text":  {"192.0.2.7", said("a b"), "", "203.0.113.9", trace},
		"a proxy that says nothing":      {"192.0.2.7", nil, "", "192.0.2.7", ""},
	} {
		s := newStage(t, proxied)
		got := s.ask(t, asked{method: "POST", path: "/api/authentication/register", body: `{"username":"ada","email":"ada@example.com","password":"` + password + `"}`, typ: jsonBody, from: c.peer, header: c.header})
		id := got.Header().Get("X-Request-Id")
		if c.id != "" && id != c.id || c.id == "" && uuid.Validate(id) != nil {
			t.Errorf("%s: the request is %q, want %q", name, id, c.id)
		}
		events, err := s.store.Events(t.Context(), audit.Query{RequestID: id, Limit: 2})
		if err != nil || len(events) != 1 || events[0].Address != c.address || events[0].Detail["trace"] != c.trace {
			t.Errorf("%s: the events of %s are %+v, %v", name, id, events, err)
		}
		line := s.log.String()
		if !strings.Contains(line, " address="+c.address+" ") || strings.Contains(line, " trace="+trace) != (c.trace != "") || strings.Contains(line, "6.6.6.6") {
			t.Errorf("%s: the log says %s", name, line)
		}
	}
}

func TestARequestIDIsShortAndPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"7f3c": true, "019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42": true, "1-67891233:abc=d": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "a b": false, "a\nb": false, "a\n": false, `a"b`: false, "-a": false, "\u00e4": false, "a.b.c": false, "mrt_abc": false, "a,b": false,
	} {
		if got := httpapi.IsRequestID(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestATraceIsReadAsItIsSpecified(t *testing.T) {
	t.Parallel()
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	none := strings.Repeat("0", 32)
	for text, want := range map[string]string{
		"00-" + trace + "-" + span + "-01": trace, "00-" + trace + "-" + span + "-00": trace,
		"": "", "00-" + trace + "-" + span: "", "ff-" + trace + "-" + span + "-01": "", "00-" + none + "-" + span + "-01": "",
		"00-" + trace + "-" + none[:16] + "-01": "", "00-" + strings.ToUpper(trace) + "-" + span + "-01": "", "00-" + trace + "-" + span + "-01\n": "", " 00-" + trace + "-" + span + "-01": "",
	} {
		if got := httpapi.TraceID(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestAddressesThatAreNotBelievedAreToldOnce, and those that a trusted proxy passes on are counted.
func TestAddressesThatAreNotBelievedAreToldOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *httpapi.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	for range 3 {
		for from, field := range map[string]string{"192.0.2.7": "X-Forwarded-For", "198.51.100.7": "X-Forwarded-For", "192.0.2.8": "Forwarded", "198.51.100.8": "Forwarded", "192.0.2.9": "None"} {
			s.ask(t, asked{method: "GET", path: "/livez", from: from, header: http.Header{field: {"203.0.113.9, garbage"}}})
		}
	}
	log := s.log.String()
	if strings.Count(log, "level=WARN") != 2 || strings.Count(log, "MINTMARK_TRUSTED_PROXIES") != 1 || strings.Count(log, "mintmark_forwarded_unreadable") != 1 {
		t.Errorf("the log says %s", log)
	}
	if s.Unreadable() != 6 || strings.Contains(log, "203.0.113.9") {
		t.Errorf("%d could not be read, want 6; the log says %s", s.Unreadable(), log)
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
