package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// Tokens of the right shape that nobody issued.
const (
	strangeAccess  = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZS5jb20ifQ.c2hvcnRlbmVk"
	strangeSID     = "019a8c3e-7b1f-7c52-9d0e-3f6a5b8c1d42"
	strangeRefresh = "mrt_AQFhbi1leGFtcGxlLWZhbWlsAAAAAWlVuQAAAAAAbm8tYXV0aGVudGljLXRhZw"
)

func TestTheDescriptionHasTheRoutesOfTheRouter(t *testing.T) {
	t.Parallel()
	want := httpapi.PublicRoutes()
	sortRoutes(want)
	if diff := cmp.Diff(want, loadDescription(t).operations()); diff != "" {
		t.Errorf("api/openapi.yaml has other operations than internal/httpapi (-router +document):\n%s", diff)
	}
}

// TestThePrivateHalfOfAKeyIsAgainstTheDescription: a leak would fail the drive.
func TestThePrivateHalfOfAKeyIsAgainstTheDescription(t *testing.T) {
	t.Parallel()
	schema := loadDescription(t).doc.Components.Schemas["Key"].Value
	key := schema.Examples[0].(map[string]any)
	if err := schema.VisitJSON(key, openapi3.EnableJSONSchema2020()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		leaked := maps.Clone(key)
		leaked[name] = "AQAB"
		if schema.VisitJSON(leaked, openapi3.EnableJSONSchema2020()) == nil {
			t.Errorf("the description allows the member %q", name)
		}
	}
}

// TestEveryOperationAnswersAsDescribed drives every operation into every answer
// that a caller can bring about, and holds each against the document.
func TestEveryOperationAnswersAsDescribed(t *testing.T) {
	openapi3filter.RegisterBodyDecoder("application/statuslist+jwt", openapi3filter.PlainBodyDecoder) // before anybody decodes
	t.Parallel()
	d := loadDescription(t)
	t.Run("drive", func(t *testing.T) {
		for name, part := range map[string]func(*testing.T, *description){
			"story": driveStory, "bad bodies": driveBadBodies, "bad forms": driveBadForms, "documents": driveDocuments,
			"bounds": driveBounds, "other methods": driveOtherMethods, "slow bodies": driveSlowBodies, "limits": driveLimits,
			"status lists": driveStatusLists, "closed registration": driveClosedRegistration, "disabled client": driveDisabledClient, "stores down": driveStoresDown,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(t, d)
			})
		}
	})
	for _, a := range d.answers(t) {
		why := notDriven(a)
		switch seen := d.seen[a]; {
		case !seen && why == "":
			t.Errorf("%v is described, but no request here got it", a)
		case seen && why != "":
			t.Errorf("%v was seen, but it is listed as out of reach: %s", a, why)
		}
	}
}

// notDriven says why no request from outside brings an answer about.
func notDriven(a described) string {
	switch {
	case a.Status == http.StatusInternalServerError:
		return "only a defect of ours answers so"
	case a.Status != http.StatusServiceUnavailable:
		return ""
	case a.Path == "/.well-known/jwks.json":
		return "the keys are read before the listener is served"
	case a.Path == "/readyz":
		return "takes a minute without database, or the instant before the listener closes"
	}
	return ""
}

func drivenJSON(verb, body string, f fit, status int) driven {
	return driven{
		method: http.MethodPost, path: "/api/authentication/" + verb, body: body,
		header: http.Header{"Content-Type": {"application/json"}}, fit: f, status: status,
	}
}

func drivenForm(path string, f fit, status int, parameters ...string) driven {
	values := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		values.Add(parameters[i], parameters[i+1])
	}
	return driven{
		method: http.MethodPost, path: path, body: values.Encode(),
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, fit: f, status: status,
	}
}

func registration(name string) string {
	return fmt.Sprintf(`{"username":%q,"email":"%s@example.com","password":%q}`, name, name, testPassword)
}

func credentials(name, password string) string {
	return fmt.Sprintf(`{"username":%q,"password":%q}`, name, password)
}

func pairBody(p pair) string {
	return fmt.Sprintf(`{"accessToken":%q,"refreshToken":%q}`, p.Access, p.Refresh)
}

// drivenEnding ends the session of that id, or all others if it is empty.
func drivenEnding(sid, body string, f fit, status int) driven {
	x := drivenJSON("sessions", body, f, status)
	x.method = http.MethodDelete
	if sid != "" {
		x.path, x.params = x.path+"/{sid}", map[string]string{"sid": sid}
	}
	return x
}

// listing is one request to each operation that takes an access token.
func listing(access string, f fit, status int) []driven {
	var all []driven
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		x := driven{method: method, path: "/api/authentication/sessions", fit: f, status: status}
		if access != "" {
			x.header = http.Header{"Authorization": {"Bearer " + access}}
		}
		all = append(all, x)
	}
	return all
}

// wellFormed is one request to each operation that takes a body.
func wellFormed(p pair, status int) []driven {
	return append(wellFormedForms(p, status),
		drivenJSON("register", registration("carol"), fits, status),
		drivenJSON("login", credentials(testUser, testPassword), fits, status),
		drivenJSON("refresh-token", pairBody(p), fits, status),
		drivenEnding("", pairBody(p), fits, status),
		drivenEnding(strangeSID, pairBody(p), fits, status),
		drivenJSON("logout", pairBody(p), fits, status),
	)
}

func wellFormedForms(p pair, status int) []driven {
	return []driven{
		drivenForm("/oauth/token", fits, status, "grant_type", "refresh_token", "client_id", "first-party", "refresh_token", p.Refresh),
		drivenForm("/oauth/revoke", fits, status, "client_id", "first-party", "token", p.Refresh),
	}
}

func (d *description) login(t *testing.T, a *authority) pair {
	t.Helper()
	got := d.drive(t, a, drivenJSON("login", credentials(testUser, testPassword), fits, 200))
	var e envelope
	if err := json.Unmarshal(got.Body, &e); err != nil || e.Data == nil {
		t.Fatalf("log in: %d %s", got.Status, got.Body)
	}
	return pair{e.Data.AccessToken, e.Data.RefreshToken}
}

func driveStory(t *testing.T, d *description) {
	a := startEmbedded(t)
	d.drive(t, a, drivenJSON("register", registration(testUser), fits, 200))
	d.drive(t, a, drivenJSON("register", registration(testUser), fits, 400))
	d.drive(t, a, drivenJSON("register", strings.Replace(registration("Alice2"), "Alice2@", "ALICE@", 1), fits, 400))
	d.drive(t, a, drivenJSON("register", strings.Replace(registration("bob"), testPassword, "short", 1), fits, 400))
	d.drive(t, a, drivenJSON("register", `{}`, misfit, 400))
	d.drive(t, a, drivenJSON("login", credentials(testUser, "wrong"), fits, 400))
	d.drive(t, a, drivenJSON("LOGIN", credentials("nobody", testPassword), fits, 400))

	p := d.login(t, a)
	d.drive(t, a, drivenJSON("refresh-token", pairBody(p), fits, 200))
	d.drive(t, a, drivenJSON("logout", pairBody(p), fits, 200))
	d.drive(t, a, drivenJSON("refresh-token", pairBody(p), fits, 400))
	for _, verb := range []string{"refresh-token", "logout"} {
		d.drive(t, a, drivenJSON(verb, pairBody(pair{strangeAccess, strangeRefresh}), fits, 400))
		d.drive(t, a, drivenJSON(verb, `{}`, misfit, 400))
	}

	driveSessions(t, d, a)

	p = d.login(t, a)
	for _, x := range wellFormedForms(p, 200) {
		d.drive(t, a, x)
		d.drive(t, a, x) // the second time: a repeat, and a token that is gone
	}
	d.drive(t, a, wellFormedForms(p, 400)[0])
	d.drive(t, a, drivenForm("/oauth/revoke", fits, 400, "client_id", "first-party", "token", p.Access))
	d.drive(t, a, drivenForm("/oauth/revoke", fits, 200, "client_id", "first-party", "token", "unknown", "token_type_hint", "refresh_token", "unheard_of", "1"))
}

func driveSessions(t *testing.T, d *description, a *authority) {
	t.Helper()
	first, second := d.login(t, a), d.login(t, a)
	for _, x := range listing(first.Access, fits, 200) {
		d.drive(t, a, x)
		x.header = http.Header{"Authorization": {"bearer " + strangeAccess}}
		x.fit, x.status = notAsked, 401
		d.drive(t, a, x)
		x.header.Add("Authorization", "Bearer "+first.Access)
		x.status = 400
		d.drive(t, a, x)
	}
	for _, x := range listing("", misfit, 401) {
		x.query = "access_token=" + first.Access
		d.drive(t, a, x)
	}
	d.drive(t, a, drivenEnding(strangeSID, pairBody(first), fits, 404))
	d.drive(t, a, drivenEnding(sessionOf(t, first), pairBody(second), fits, 200))
	for _, x := range listing(first.Access, fits, 401) {
		d.drive(t, a, x)
	}
	d.drive(t, a, drivenEnding(sessionOf(t, second), pairBody(first), fits, 400))
	d.drive(t, a, drivenEnding("", pairBody(first), fits, 400))
	d.drive(t, a, drivenEnding("", pairBody(second), fits, 200))
}

func driveBadBodies(t *testing.T, d *description) {
	a := startEmbedded(t)
	for _, verb := range []string{"register", "login", "refresh-token", "logout"} {
		for _, body := range []string{
			``, `{`, `[]`, `null`, `"text"`, `{"unheard_of":"1"}`, `{"username":1}`, `{"username":null,"password":null}`,
			`{"accessToken":{},"refreshToken":[]}`,
		} {
			d.drive(t, a, drivenJSON(verb, body, misfit, 400))
		}
		twice := drivenJSON(verb, `{"password":"a","password":"b"}`, misfit, 400)
		d.drive(t, a, twice)
		twice.header = http.Header{"Content-Type": {"text/plain"}}
		d.drive(t, a, twice)
		d.drive(t, a, drivenJSON(verb, `{"password":"`+strings.Repeat("x", 65<<10)+`"}`, misfit, 413))
	}
	for _, sid := range []string{"", strangeSID} {
		for _, body := range []string{``, `[]`, `{"accessToken":1}`, `{"refreshToken":"a","refreshToken":"b"}`} {
			d.drive(t, a, drivenEnding(sid, body, misfit, 400))
		}
		d.drive(t, a, drivenEnding(sid, `{"accessToken":"`+strings.Repeat("x", 65<<10)+`"}`, misfit, 413))
	}
}

func driveBadForms(t *testing.T, d *description) {
	a := startEmbedded(t)
	for _, path := range []string{"/oauth/token", "/oauth/revoke"} {
		d.drive(t, a, drivenForm(path, misfit, 401))
		d.drive(t, a, drivenForm(path, misfit, 401, "client_id", "nobody"))
		d.drive(t, a, drivenForm(path, misfit, 400, "client_id", "first-party"))
		d.drive(t, a, drivenForm(path, misfit, 413, "filler", strings.Repeat("x", 65<<10)))
		for _, x := range wellFormedForms(pair{strangeAccess, strangeRefresh}, 401) {
			x.header.Set("Authorization", "Basic Zmlyc3QtcGFydHk6")
			x.path = path
			x.fit = notAsked
			if got := d.drive(t, a, x); got.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: a client that tried Basic got no challenge", path)
			}
		}
		inQuery := drivenForm(path, notAsked, 400, "client_id", "first-party")
		inQuery.query = "client_id=first-party"
		d.drive(t, a, inQuery)
		wrongType := drivenForm(path, misfit, 400, "client_id", "first-party")
		wrongType.header = http.Header{"Content-Type": {"application/json"}}
		d.drive(t, a, wrongType)
	}
	grant := func(f fit, more ...string) driven {
		return drivenForm("/oauth/token", f, 400, append([]string{"client_id", "first-party"}, more...)...)
	}
	d.drive(t, a, grant(misfit, "grant_type", "password"))
	d.drive(t, a, grant(misfit, "grant_type", "refresh_token", "refresh_token", "short"))
	d.drive(t, a, grant(misfit, "grant_type", "refresh_token", "refresh_token", strangeRefresh, "scope", "everything"))
	d.drive(t, a, grant(fits, "grant_type", "refresh_token", "refresh_token", strangeRefresh))
}

func driveDocuments(t *testing.T, d *description) {
	a := startEmbedded(t)
	awaitStandby(t, a)
	for _, o := range d.operations() {
		if (o.Method != http.MethodGet && o.Method != http.MethodHead) || d.operation(o).Security != nil {
			continue
		}
		if strings.HasSuffix(o.Path, "/{n}") { // they change by themselves; driveStatusLists
			continue
		}
		x := driven{method: o.Method, path: o.Path, fit: fits, status: 200}
		etag := d.drive(t, a, x).Header.Get("ETag")
		if d.operation(o).Responses.Status(304) == nil {
			continue
		}
		x.header = http.Header{"If-None-Match": {`"other"`}}
		d.drive(t, a, x)
		x.status = 304
		for _, candidates := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			x.header = http.Header{"If-None-Match": {candidates}}
			if got := d.drive(t, a, x).Header.Get("ETag"); got != etag {
				t.Errorf("%s %s: ETag %s, then %s", o.Method, o.Path, etag, got)
			}
		}
	}
}

func driveBounds(t *testing.T, d *description) {
	a := startEmbedded(t)
	for _, o := range d.operations() {
		d.drive(t, a, driven{method: o.Method, path: o.Path, query: strings.Repeat("q", 9<<10), status: 414})
		d.drive(t, a, driven{method: o.Method, path: o.Path, header: http.Header{"X-Filler": {strings.Repeat("f", 33<<10)}}, status: 431})
	}
}

func driveOtherMethods(t *testing.T, d *description) {
	a := startEmbedded(t)
	for path, item := range d.doc.Paths.Map() {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} {
			if item.Operations()[method] == nil {
				d.drive(t, a, driven{method: method, path: path, status: 405})
			}
		}
		d.drive(t, a, driven{method: "GET", path: path + "/", status: 404})
	}
}

// driveSlowBodies sends bodies that stop in the middle, all at once since the
// server's patience is the whole cost.
func driveSlowBodies(t *testing.T, d *description) {
	a := startEmbedded(t)
	var wg sync.WaitGroup
	for _, x := range wellFormed(pair{strangeAccess, strangeRefresh}, 408) {
		wg.Go(func() {
			x.fit = notAsked
			got, err := sendHalf(a, x)
			if err != nil {
				t.Errorf("%s: %v", x.path, err)
				return
			}
			d.check(t, x, x.request(t, a), got)
		})
	}
	wg.Wait()
}

func sendHalf(a *authority, x driven) (answer, error) {
	host := strings.TrimPrefix(a.URL, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return answer{}, err
	}
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		x.method, x.path, host, x.header.Get("Content-Type"), len(x.body), x.body[:len(x.body)/2])
	if err != nil {
		return answer{}, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{Status: res.StatusCode, Header: res.Header, Body: body}, err
}

func driveLimits(t *testing.T, d *description) {
	a := startEmbedded(t, "MINTMARK_RATE_LOGIN=1/h,1/h", "MINTMARK_RATE_TOKEN=1/h", "MINTMARK_RATE_REGISTER=1/h")
	for _, x := range append(wellFormed(pair{strangeAccess, strangeRefresh}, 429), listing(strangeAccess, fits, 429)...) {
		do(t, x.request(t, a)) // the one try of the hour, unless another operation had it
		d.drive(t, a, x)
	}
}

func driveStatusLists(t *testing.T, d *description) {
	servers := newOwnServers(t)
	a := servers.startReplica(t)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		list := driven{method: method, path: "/oauth/status-lists/{n}", params: map[string]string{"n": "1"}, fit: fits, status: 200}
		x := list
		x.query = "wait=25"
		d.drive(t, a, x)
		for _, wait := range []string{"26", "-1", "x", "1&wait=1", "+1", "1.0", ""} {
			x.query, x.fit, x.status = "wait="+wait, notAsked, 400
			d.drive(t, a, x)
		}
		x.query, x.status = "time=1686925000", 501
		d.drive(t, a, x)
		x.query, x.status = "", 404
		for _, n := range []string{"7", "-1", "01", "x", "99999999999999999999"} {
			x.params = map[string]string{"n": n}
			d.drive(t, a, x)
		}
		eventually(t, func() bool { // at once, but when an epoch turns
			list.header, list.status = nil, 200
			list.header = http.Header{"If-None-Match": {d.drive(t, a, list).Header.Get("ETag")}}
			got := do(t, list.request(t, a))
			list.status = got.Status
			d.check(t, list, list.request(t, a), got)
			return got.Status == 304
		})
		servers.postgresProxy.Cut()
		eventually(t, func() bool { return do(t, list.request(t, a)).Status == 503 })
		list.status = 503
		d.drive(t, a, list)
		list.header, list.status = nil, 200
		d.drive(t, a, list) // the last there was
		servers.postgresProxy.Heal()
		list.header = http.Header{"If-None-Match": {`"other"`}}
		eventually(t, func() bool { return do(t, list.request(t, a)).Status == 200 })
	}
}

func driveClosedRegistration(t *testing.T, d *description) {
	a := startEmbedded(t, "MINTMARK_REGISTRATION=closed")
	d.drive(t, a, drivenJSON("register", registration(testUser), fits, 403))
}

func driveDisabledClient(t *testing.T, d *description) {
	same := []string{"MINTMARK_DATA_DIR=" + t.TempDir(), "MINTMARK_ISSUER=http://localhost:1"}
	before := startEmbedded(t, same...)
	if err := before.stores(t).Clients.DisableClient(t.Context(), client.FirstParty, audit.New(audit.ClientDisabled, audit.ByOperator("root"))); err != nil {
		t.Fatal(err)
	}
	before.Stop()
	a := startEmbedded(t, same...)
	for _, x := range append(wellFormed(pair{strangeAccess, strangeRefresh}, 403), listing(strangeAccess, fits, 403)...) {
		if strings.HasPrefix(x.path, "/oauth/") {
			x.status = 401
		}
		d.drive(t, a, x)
	}
}

func driveStoresDown(t *testing.T, d *description) {
	servers := newOwnServers(t)
	a := servers.startReplica(t)
	d.drive(t, a, drivenJSON("register", registration(testUser), fits, 200))
	p := d.login(t, a)
	servers.postgresProxy.Cut()
	servers.redisProxy.Cut()
	for _, x := range append(wellFormed(p, 503), listing(p.Access, fits, 503)...) {
		d.drive(t, a, x)
	}
	read := driven{method: "GET", path: "/.well-known/jwks.json", fit: fits, status: 200}
	d.drive(t, a, read) // goes on without stores
	read.path = "/readyz"
	d.drive(t, a, read)
	servers.postgresProxy.Heal()
	servers.redisProxy.Heal()
}
