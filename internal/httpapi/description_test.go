package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
)

// page is an origin that is listed.
const page = "https://app.example.com"

// known is a route as the rest of the world relies on it.
type known struct {
	method, path string
	switchable   bool   // refused while the first-party client is disabled
	spends       string // whose tries it takes
	body         string // the content type, "" for none
	cors         string // "": no page; "*": every page; "listed": those of CORSOrigins
	envelope     bool   // errors are spelled as the first-party API does
}

func knownRoutes() []known {
	const anyPage, listed = "*", "listed"
	return []known{
		{"POST", "/api/authentication/register", true, "register", jsonBody, listed, true},
		{"POST", "/api/authentication/login", true, "login", jsonBody, listed, true},
		{"POST", "/api/authentication/refresh-token", true, "token", jsonBody, listed, true},
		{"POST", "/api/authentication/logout", true, "token", jsonBody, listed, true},
		{"GET", "/api/authentication/sessions", true, "token", "", listed, true},
		{"DELETE", "/api/authentication/sessions", true, "token", jsonBody, listed, true},
		{"DELETE", "/api/authentication/sessions/{sid}", true, "token", jsonBody, listed, true},
		{"POST", "/oauth/token", false, "token", formBody, anyPage, false},
		{"POST", "/oauth/revoke", false, "token", formBody, anyPage, false},
		{"GET", "/oauth/status-lists", false, "", "", anyPage, false},
		{"GET", "/oauth/status-lists/{n}", false, "", "", anyPage, false},
		{"GET", "/.well-known/jwks.json", false, "", "", anyPage, false},
		{"GET", "/.well-known/openid-configuration", false, "", "", anyPage, false},
		{"GET", "/.well-known/oauth-authorization-server", false, "", "", anyPage, false},
		{"GET", "/openapi.yaml", false, "", "", anyPage, false},
		{"GET", "/livez", false, "", "", "", false},
		{"GET", "/readyz", false, "", "", "", false},
	}
}

// request is one to the route that is well-formed, though worth nothing.
func (r known) request() asked {
	a := asked{method: r.method, path: strings.NewReplacer("{sid}", "01935b7e-0000-7000-8000-000000000000", "{n}", "0").Replace(r.path), typ: r.body}
	switch r.body {
	case jsonBody:
		a.body = "{}"
	case formBody:
		a.body = "client_id=first-party"
	}
	return a
}

func TestTheTableOfRoutesIsTheKnownOne(t *testing.T) {
	t.Parallel()
	var want []httpapi.Route
	for _, r := range knownRoutes() {
		want = append(want, httpapi.Route{Method: r.method, Path: r.path})
		if r.method == http.MethodGet {
			want = append(want, httpapi.Route{Method: http.MethodHead, Path: r.path})
		}
	}
	if diff := cmp.Diff(want, httpapi.PublicRoutes()); diff != "" {
		t.Errorf("routes (-want +got): add what is new to knownRoutes\n%s", diff)
	}
}

func TestTheFirstPartyAPIIsOffWithItsClientAndNothingElseIs(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *httpapi.Config) { c.Rates = rates(1) })
	if err := s.store.DisableClient(t.Context(), client.FirstParty, audit.New(audit.ClientDisabled, audit.ByOperator("root"))); err != nil {
		t.Fatal(err)
	}
	if err := s.clients.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range knownRoutes() {
		for range 3 { // what is off spends nobody's tries
			a := r.request()
			a.body = strings.Repeat("x", len(a.body)) // nor is a body looked at
			got := s.ask(t, a)
			switch {
			case r.switchable:
				wantAnswer(t, r.method+" "+r.path, got, http.StatusForbidden, `{"message":"This API is switched off.","data":null,"statusCode":403,"code":"switched_off"}`)
			case r.spends == "" && got.Code != http.StatusOK:
				t.Errorf("%s %s: %d %s", r.method, r.path, got.Code, got.Body)
			case r.spends != "":
				wantAnswer(t, r.method+" "+r.path, s.ask(t, r.request()), http.StatusUnauthorized, `{"error":"invalid_client","error_description":"client authentication failed"}`)
			}
		}
	}
}

// rates allow each limit a number of uses, in times that distinguish them.
func rates(limit int) httpapi.Rates {
	return httpapi.Rates{
		Login:    ratelimit.Rate{Limit: limit, Per: time.Duration(limit) * 40 * time.Second},
		Register: ratelimit.Rate{Limit: limit, Per: time.Duration(limit) * 50 * time.Second},
		Token:    ratelimit.Rate{Limit: limit, Per: time.Duration(limit) * 20 * time.Second},
	}
}

// interval is when the next try of a limit is there, in whole seconds.
func interval(spends string) time.Duration {
	return map[string]time.Duration{"login": 40 * time.Second, "register": 50 * time.Second, "token": 20 * time.Second}[spends]
}

func TestEveryRouteSpendsItsOwnLimitToTheLastTry(t *testing.T) {
	t.Parallel()
	for _, r := range knownRoutes() {
		t.Run(r.method+r.path, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, func(c *httpapi.Config) { c.Rates = rates(2) })
			limited := func(a asked) bool {
				t.Helper()
				return s.ask(t, a).Code == http.StatusTooManyRequests
			}
			for range 2 {
				if limited(r.request()) {
					t.Fatal("refused before the tries are spent")
				}
			}
			got := s.ask(t, r.request())
			if r.spends == "" {
				if got.Code != http.StatusOK {
					t.Errorf("%d %s, want no limit", got.Code, got.Body)
				}
				return
			}
			want := `{"error":"temporarily_unavailable","error_description":"too many requests; wait as Retry-After says"}`
			if r.envelope {
				want = `{"message":"Too many requests.","data":null,"statusCode":429,"code":"too_many_requests"}`
			}
			wantAnswer(t, "the third try", got, http.StatusTooManyRequests, want)
			wait := interval(r.spends)
			if after := got.Header().Get("Retry-After"); after != wait.String()[:2] {
				t.Errorf("Retry-After %s, want %s", after, wait)
			}
			for _, other := range knownRoutes()[:3] { // one of each limit
				if limited(other.request()) != (other.spends == r.spends) {
					t.Errorf("then %s %s, which spends the tries of %s: limited %v", other.method, other.path, other.spends, other.spends != r.spends)
				}
			}
			elsewhere := r.request()
			elsewhere.from = "192.0.2.8"
			if limited(elsewhere) {
				t.Error("one address has used up the tries of another")
			}
			s.clock.pass(wait - time.Millisecond)
			if got := s.ask(t, r.request()); got.Header().Get("Retry-After") != "1" {
				t.Errorf("a millisecond too early: %d, Retry-After %q, want 429 and 1", got.Code, got.Header().Get("Retry-After"))
			}
			s.clock.pass(time.Millisecond)
			if limited(r.request()) {
				t.Error("the next try is not there when it was promised")
			}
		})
	}
}

func TestASubscriberOfIPv6HasOneBudget(t *testing.T) {
	t.Parallel()
	for _, r := range knownRoutes() {
		if r.spends == "" {
			continue
		}
		s := newStage(t, func(c *httpapi.Config) { c.Rates = rates(1) })
		for _, try := range []struct {
			from string
			want bool
		}{{"[2001:db8:1:2::1]", false}, {"[2001:db8:1:2:3::4]", true}, {"[2001:db8:1:3::1]", false}} {
			a := r.request()
			a.from = try.from
			if got := s.ask(t, a); (got.Code == http.StatusTooManyRequests) != try.want {
				t.Errorf("%s %s from %s: %d, limited should be %v", r.method, r.path, try.from, got.Code, try.want)
			}
		}
	}
}

// TestLoginsAndRegistrationsAreCountedByAllReplicas, and refreshes by each its own, which saves a round trip.
func TestLoginsAndRegistrationsAreCountedByAllReplicas(t *testing.T) {
	t.Parallel()
	for _, r := range knownRoutes() {
		if r.spends == "" {
			continue
		}
		var shared ratelimit.Store
		first := newStage(t, func(c *httpapi.Config) { c.Rates, shared = rates(1), c.Limits })
		second := newStage(t, func(c *httpapi.Config) { c.Rates, c.Limits = rates(1), shared })
		first.ask(t, r.request())
		if got, want := second.ask(t, r.request()).Code == http.StatusTooManyRequests, r.spends != "token"; got != want {
			t.Errorf("%s %s on another replica: limited %v, want %v", r.method, r.path, got, want)
		}
	}
}

func TestAClientIsCountedOnceItIsKnown(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *httpapi.Config) { c.Rates = rates(1) })
	for range 3 {
		if got := s.grant(t, "/oauth/token", "client_id=nobody"); got.Code != http.StatusUnauthorized {
			t.Errorf("an unknown client: %d", got.Code)
		}
	}
	for _, id := range []string{"first-party", "no-grants"} { // each has its own
		if got := s.grant(t, "/oauth/token", "client_id="+id); got.Code != http.StatusBadRequest {
			t.Errorf("%s for the first time: %d %s", id, got.Code, got.Body)
		}
		if got := s.grant(t, "/oauth/token", "client_id="+id); got.Code != http.StatusTooManyRequests {
			t.Errorf("%s again: %d %s", id, got.Code, got.Body)
		}
	}
}

func TestEveryBodyIsBoundedToTheOctet(t *testing.T) {
	t.Parallel()
	const most = 64 << 10
	s := newStage(t, nil)
	for _, r := range knownRoutes() {
		if r.body == "" {
			continue
		}
		a := r.request()
		filler := map[string]string{jsonBody: " ", formBody: "x"}[r.body]
		if r.body == formBody {
			a.body += "&x="
		}
		a.body += strings.Repeat(filler, most-len(a.body))
		if got := s.ask(t, a); got.Code == http.StatusRequestEntityTooLarge {
			t.Errorf("%s %s: a body of %d octets is refused", r.method, r.path, len(a.body))
		}
		a.body += filler
		want := `{"error":"invalid_request","error_description":"the body is larger than 64 KiB"}`
		if r.envelope {
			want = `{"message":"Request too large.","data":null,"statusCode":413,"code":"request_too_large"}`
		}
		wantAnswer(t, r.method+" "+r.path+" with one octet more", s.ask(t, a), http.StatusRequestEntityTooLarge, want)
	}
}

func TestOnlyAllowedPagesGetCORSHeaders(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, r := range knownRoutes() {
		for origin, listed := range map[string]bool{page: true, "https://other.example": true, "https://evil.example": false, "": false, "null": false, page + ".evil.example": false} {
			a := r.request()
			if origin != "" {
				a.header = http.Header{"Origin": {origin}}
			}
			got := s.ask(t, a).Header()
			want := ""
			switch {
			case r.cors == "*":
				want = "*"
			case r.cors == "listed" && listed:
				want = origin
			}
			if allowed := got.Values("Access-Control-Allow-Origin"); strings.Join(allowed, " ") != want {
				t.Errorf("%s %s from %q: allowed %q, want %q", r.method, r.path, origin, allowed, want)
			}
			if echoed := want == origin && want != ""; echoed && !slices.Contains(got.Values("Vary"), "Origin") {
				t.Errorf("%s %s from %q: Vary %q where the answer is for %q alone", r.method, r.path, origin, got.Values("Vary"), want)
			}
			if exposed := got.Get("Access-Control-Expose-Headers"); (exposed == "ETag, Retry-After, X-Request-Id") != (want != "") {
				t.Errorf("%s %s from %q: exposes %q", r.method, r.path, origin, exposed)
			}
			if got.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: credentials are allowed", r.method, r.path)
			}
		}
	}
}

// TestErrorsAreReadableByPagesToo: without the origin a page could not tell 429 from a broken network.
func TestErrorsAreReadableByPagesToo(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for name, c := range map[string]struct {
		asked
		code  int
		allow string
	}{
		"no grant":             {asked{method: "POST", path: "/oauth/token"}, 400, "*"},
		"another method":       {asked{method: "GET", path: "/oauth/token"}, 405, "*"},
		"too long a query":     {asked{method: "GET", path: "/.well-known/jwks.json?" + strings.Repeat("x", 9000)}, 414, "*"},
		"a list without a 304": {asked{method: "GET", path: "/oauth/status-lists/x"}, 404, "*"},
		"no login":             {asked{method: "POST", path: "/api/authentication/login"}, 400, page},
		"a login by GET":       {asked{method: "GET", path: "/api/authentication/login"}, 405, page},
	} {
		c.header = http.Header{"Origin": {page}}
		if got := s.ask(t, c.asked); got.Code != c.code || got.Header().Get("Access-Control-Allow-Origin") != c.allow {
			t.Errorf("%s: %d with %v, want %d for %s", name, got.Code, got.Header(), c.code, c.allow)
		}
	}
}

func methodsOf(path string) (methods, withHead []string) {
	for _, r := range knownRoutes() {
		if r.path != path {
			continue
		}
		methods, withHead = append(methods, r.method), append(withHead, r.method)
		if r.method == http.MethodGet {
			withHead = append(withHead, http.MethodHead)
		}
	}
	return methods, withHead
}

func TestAPreflightIsAnsweredForPagesThatMayCall(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, r := range knownRoutes() {
		methods, withHead := methodsOf(r.path)
		for origin, listed := range map[string]bool{page: true, "https://evil.example": false} {
			a := r.request()
			a.method, a.body, a.typ = http.MethodOptions, "", ""
			a.header = http.Header{"Origin": {origin}, "Access-Control-Request-Method": {r.method}}
			got := s.ask(t, a)
			header := got.Header()
			if r.cors == "*" || r.cors == "listed" && listed {
				want := http.Header{
					"Access-Control-Allow-Origin":  {map[string]string{"*": "*", "listed": origin}[r.cors]},
					"Access-Control-Allow-Methods": {strings.Join(methods, ", ")},
					"Access-Control-Allow-Headers": {"Authorization, Content-Type, DPoP, If-None-Match"},
					"Access-Control-Max-Age":       {"600"},
				}
				for name, value := range want {
					if diff := cmp.Diff(value, header[name]); diff != "" || got.Code != http.StatusNoContent || got.Body.Len() > 0 {
						t.Errorf("OPTIONS %s from %s: %d %q; %s (-want +got):\n%s", r.path, origin, got.Code, got.Body, name, diff)
					}
				}
				if (r.cors == "listed") != slices.Contains(header.Values("Vary"), "Origin") {
					t.Errorf("OPTIONS %s from %s: Vary %q", r.path, origin, header.Values("Vary"))
				}
				continue
			}
			if got.Code != http.StatusMethodNotAllowed || header.Get("Access-Control-Allow-Origin")+header.Get("Access-Control-Allow-Methods") != "" {
				t.Errorf("OPTIONS %s from %s: %d %v, want 405 and no permission", r.path, origin, got.Code, header)
			}
			allow := header.Get("Allow")
			for _, method := range methods {
				if !strings.Contains(allow, method) {
					t.Errorf("OPTIONS %s: Allow %q, want %q", r.path, allow, withHead)
				}
			}
		}
	}
}

func TestAMethodThatARouteDoesNotHaveIsReported(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, r := range knownRoutes() {
		_, withHead := methodsOf(r.path)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if slices.Contains(withHead, method) {
				continue
			}
			a := r.request()
			a.method = method
			got := s.ask(t, a)
			want := `{"error":"invalid_request","error_description":"the method is not allowed here; Allow lists those that are"}`
			if r.envelope {
				want = `{"message":"Method not allowed.","data":null,"statusCode":405,"code":"method_not_allowed"}`
			}
			wantAnswer(t, method+" "+r.path, got, http.StatusMethodNotAllowed, want)
			if !strings.Contains(got.Header().Get("Allow"), withHead[0]) {
				t.Errorf("%s %s: Allow %q, want %q", method, r.path, got.Header().Get("Allow"), withHead)
			}
		}
	}
}

func TestHEADIsTheHeaderOfGET(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, r := range knownRoutes() {
		if r.method != http.MethodGet {
			continue
		}
		get, a := s.ask(t, r.request()), r.request()
		a.method = http.MethodHead
		head := s.ask(t, a)
		get.Header().Del("X-Request-Id")
		head.Header().Del("X-Request-Id")
		if diff := cmp.Diff(get.Header(), head.Header()); diff != "" || head.Code != get.Code {
			t.Errorf("%s: HEAD %d, GET %d; header (-GET +HEAD):\n%s", r.path, head.Code, get.Code, diff)
		}
	}
}

func TestAnUnknownPathIsAnsweredInTheFormOfItsNeighbours(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	const (
		envelope = `{"message":"Not found.","data":null,"statusCode":404,"code":"not_found"}`
		oauth    = `{"error":"invalid_request","error_description":"there is nothing at this path; /openapi.yaml lists what there is"}`
	)
	for path, want := range map[string]string{
		"/api/authentication/nothing":  envelope,
		"/API/Authentication/Nothing":  envelope,
		"/api/authentication/login/":   envelope,
		"/api/authentication/log%2Fin": envelope,
		"/api/authentication":          oauth,
		"/api/other/login":             oauth,
		"/":                            oauth,
		"/oauth/token/":                oauth,
		"/OAUTH/TOKEN":                 oauth,
		"/oauth%2Ftoken":               oauth,
		"/oauth%2ftoken":               oauth,
		"/metrics":                     oauth, // of the operations
	} {
		got := s.ask(t, asked{method: "POST", path: path})
		wantAnswer(t, path, got, http.StatusNotFound, want)
		if got.Header().Get("Location") != "" {
			t.Errorf("%s leads to %s", path, got.Header().Get("Location"))
		}
	}
}

// TestThePathsOfTheFirstPartyAPIHaveNoCase, in ASCII: a Kelvin sign is no k.
func TestThePathsOfTheFirstPartyAPIHaveNoCase(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for path, want := range map[string]int{
		"/API/AUTHENTICATION/LOGIN":                               400,
		"/Api/Authentication/Refresh-ToKen":                       400,
		"/api/authentication/refresh-to%E2%84%AAen":               404,
		"/api/authentication/login":                               400,
		"/.WELL-KNOWN/jwks.json":                                  404,
		"/aPi/authentication/Zebra":                               404,
		"/API/AUTHENTICATION/register?username=also-in-the-query": 400,
	} {
		a := asked{method: "POST", path: path, typ: jsonBody, body: "{}"}
		if got := s.ask(t, a); got.Code != want {
			t.Errorf("%s: %d %s, want %d", path, got.Code, got.Body, want)
		}
	}
}
