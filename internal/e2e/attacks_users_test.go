package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

func userAttacks() []attack {
	return []attack{
		{"USR-01", "unknown user, wrong password and disabled user are told alike", loginTellsNothing},
		{"USR-02", "unknown user and wrong password cost the same hash", loginCostsTheSame},
		{"USR-04", "registering a taken name or address, in any spelling", registerTaken},
		{"USR-05", "reset of an unknown address: there is no reset by mail yet", noReset},
		{"USR-06", "links built from the request's host: none are, issuer and keys neither", hostChangesNoLink},
		{"USR-07", "guessing reset tokens: there is no reset by mail yet", noReset},
		{"USR-08", "an endless password costs no hash", longPasswordCostsNothing},
		{"USR-09", "passwords equal in their first 72 bytes are two", passwordsAreNotCut},
		{"USR-11", "spellings of one name are one user or refused", spellingsAreOneUser},
		{"USR-12", "a hundred logins at once queue for a bounded time", loginsQueue},
		{"USR-13", "a hostile stored hash is a refused login and an alarm", hostileHashIsRefused},
		{"USR-14", "wrong passwords from many addresses don't lock the victim out", victimIsNotLockedOut},
		{"USR-15", "other spellings and addresses count on one budget", evasionCounts},
		{"USR-18", "changing a password without the old one: there is no such request yet", noPasswordChange},
		{"USR-19", "giving oneself a role or a verified address", nobodyPromotesThemselves},
	}
}

func (a *authority) tryLogin(t testing.TB, name, password string) answer {
	t.Helper()
	return send(t, http.MethodPost, a.URL+"/api/authentication/login", "application/json", credentials(name, password))
}

// loginFrom logs in through a proxy that says where the request came from.
func (a *authority) loginFrom(t testing.TB, forwarded, name, password string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/api/authentication/login", strings.NewReader(credentials(name, password)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", forwarded)
	return do(t, req)
}

func (a *authority) disableUser(t testing.TB, name string) {
	t.Helper()
	users := a.stores(t).Users
	u, err := users.UserByUsername(t.Context(), name)
	if err == nil {
		err = users.DisableUser(t.Context(), u.ID, audit.New(audit.UserDisabled, audit.ByOperator("root")))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// claimsOf reads the claims of an access token without a look at its signature.
func claimsOf(t testing.TB, access string) map[string]any {
	t.Helper()
	parts := strings.Split(access, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func subjectOf(t testing.TB, got answer) string {
	t.Helper()
	var e envelope
	if err := json.Unmarshal(got.Body, &e); err != nil || e.Data == nil {
		t.Fatalf("login: %d %s", got.Status, got.Body)
	}
	return claimsOf(t, e.Data.AccessToken)["sub"].(string)
}

// fastest is the shortest of a few runs: what the work takes, whatever else the
// machine does meanwhile.
func fastest(do func()) time.Duration {
	best := time.Hour
	for range 3 {
		begun := time.Now()
		do()
		best = min(best, time.Since(begun))
	}
	return best
}

// wantSame compares answers, except for what differs in every answer.
func wantSame(t testing.TB, what string, got, want answer) {
	t.Helper()
	for _, a := range []answer{got, want} {
		a.Header.Del("Date")
		a.Header.Del("X-Request-Id")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is told from a wrong password (-wrong +got):\n%s", what, diff)
	}
}

// wantNoSurface asserts that requests of a feature that isn't there meet nothing.
func wantNoSurface(t testing.TB, a *authority, requests ...string) {
	t.Helper()
	for _, request := range requests {
		method, path, _ := strings.Cut(request, " ")
		got := send(t, method, a.URL+path, "application/json", `{"username":"x","email":"x@example.com","password":"x","newPassword":"x","role":"admin"}`)
		if got.Status != http.StatusNotFound && got.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d %s, want 404 or 405", request, got.Status, got.Body)
		}
	}
}

func loginTellsNothing(t *testing.T, a *authority) {
	a.register(t, "usr01")
	a.register(t, "usr01-disabled")
	a.disableUser(t, "usr01-disabled")
	wrong := a.tryLogin(t, "usr01", "not the password at all")
	if wrong.Status != http.StatusBadRequest || !strings.Contains(string(wrong.Body), `"Invalid credentials."`) {
		t.Fatalf("wrong password: %d %s", wrong.Status, wrong.Body)
	}
	wantSame(t, "an unknown user", a.tryLogin(t, "usr01-unknown", testPassword), wrong)
	wantSame(t, "a disabled user", a.tryLogin(t, "usr01-disabled", testPassword), wrong)
	wantSame(t, "a name that is none", a.tryLogin(t, "usr 01", testPassword), wrong)
	wantSame(t, "a missing name", a.tryLogin(t, "", testPassword), wrong)
}

// slowMemory is what one slow hash allocates.
const slowMemory = 64 << 20

// slowHashes makes one hash expensive against everything else in a login.
func slowHashes() []string {
	return []string{fmt.Sprintf("MINTMARK_PASSWORD_MEMORY_KIB=%d", slowMemory>>10), "MINTMARK_PASSWORD_TIME=2"}
}

// spawnSlow runs an authority with slow hashes, whose process nobody else uses.
func spawnSlow(t testing.TB) *process {
	t.Helper()
	return spawn(t, append(slowHashes(), "MINTMARK_DATA_DIR="+filepath.Join(t.TempDir(), "data"))...)
}

// hashes is how many slow hashes do costs, by the memory they take: nothing else
// allocates as much, and no load on the machine changes it.
func (p *process) hashes(t testing.TB, do func()) int {
	t.Helper()
	before := p.allocated(t)
	do()
	return int((p.allocated(t) - before) / slowMemory)
}

// allocated is how many bytes the process has allocated since its start.
func (p *process) allocated(t testing.TB) float64 {
	t.Helper()
	for line := range strings.Lines(string(send(t, http.MethodGet, p.Ops+"/metrics", "", "").Body)) {
		if number, ok := strings.CutPrefix(line, "go_memstats_alloc_bytes_total "); ok {
			bytes, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err != nil {
				t.Fatal(err)
			}
			return bytes
		}
	}
	t.Fatal("/metrics lacks go_memstats_alloc_bytes_total")
	return 0
}

func loginCostsTheSame(t *testing.T, _ *authority) {
	p := spawnSlow(t)
	p.register(t, "usr02")
	p.register(t, "usr02-disabled")
	p.disableUser(t, "usr02-disabled")
	for what, name := range map[string]string{"known": "usr02", "unknown": "usr02-unknown", "disabled": "usr02-disabled", "no name": "usr 02"} {
		if ran := p.hashes(t, func() { p.tryLogin(t, name, "not the password at all") }); ran != 1 {
			t.Errorf("%s user: %d hashes were run, want 1", what, ran)
		}
	}
}

func registerTaken(t *testing.T, a *authority) {
	a.register(t, "usr04")
	register := func(name, email string) string {
		_, e := a.firstParty(t, "register", map[string]string{"username": name, "email": email, "password": testPassword})
		return e.Message
	}
	for _, name := range []string{"usr04", "USR04", "Usr04", "ｕｓｒ０４"} {
		if got := register(name, "another-usr04@example.com"); got != "User already exists." {
			t.Errorf("name %q: %q", name, got)
		}
	}
	for _, email := range []string{"usr04@example.com", "USR04@EXAMPLE.COM", "Usr04@Example.com"} {
		if got := register("usr04-other", email); got != "User creation failed." {
			t.Errorf("address %q: %q", email, got)
		}
	}
	if got := register("usr.04", "usr.04@example.com"); got != "User created successfully." { // dots tell users apart
		t.Errorf("another name: %q", got)
	}
}

func noReset(t *testing.T, a *authority) {
	wantNoSurface(t, a,
		"POST /api/authentication/forgot-password", "POST /api/authentication/reset-password", "GET /api/authentication/reset-password?token=x",
		"POST /password/reset", "GET /password/reset?token=x", "POST /recovery", "GET /account/recover", "POST /account/recover")
}

func noPasswordChange(t *testing.T, a *authority) {
	wantNoSurface(t, a,
		"POST /api/authentication/change-password", "POST /api/authentication/password", "PUT /api/authentication/password",
		"PATCH /api/authentication/user", "POST /account/password", "PUT /account", "POST /admin/v1/users/x/password")
}

func hostChangesNoLink(t *testing.T, a *authority) {
	documents := []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/openapi.yaml"}
	for _, path := range documents {
		want := send(t, http.MethodGet, a.URL+path, "", "")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"X-Forwarded-Host", "X-Host", "X-Original-Host"} {
			req.Header.Set(name, "evil.example")
		}
		req.Header.Set("X-Forwarded-Proto", "https")
		req.Header.Set("Forwarded", "host=evil.example;proto=https")
		if got := do(t, req); string(got.Body) != string(want.Body) {
			t.Errorf("%s depends on the host of the request: %s", path, got.Body)
		}
		req.Host = "evil.example"
		if got := do(t, req); got.Status != http.StatusMisdirectedRequest {
			t.Errorf("%s for another host: %d, want 421", path, got.Status)
		}
	}
	noReset(t, a)
}

func longPasswordCostsNothing(t *testing.T, _ *authority) {
	a := spawnSlow(t)
	a.register(t, "usr08")
	for size, want := range map[int]int{256: 1, 1025: 0, 60 << 10: 0} {
		ran := a.hashes(t, func() {
			if got := a.tryLogin(t, "usr08", strings.Repeat("x", size)); got.Status != http.StatusBadRequest {
				t.Errorf("login with %d bytes: %d, want 400", size, got.Status)
			}
		})
		if ran != want {
			t.Errorf("login with %d bytes: %d hashes were run, want %d", size, ran, want)
		}
	}
	endless := strings.Repeat("x", 1<<20)
	if got := a.tryLogin(t, "usr08", endless); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("login with 1 MiB: %d, want 413", got.Status)
	}
	for size, want := range map[int]int{257: http.StatusBadRequest, 1 << 20: http.StatusRequestEntityTooLarge} {
		body := fmt.Sprintf(`{"username":"usr08-long","email":"usr08-long@example.com","password":%q}`, strings.Repeat("x", size))
		if got := send(t, http.MethodPost, a.URL+"/api/authentication/register", "application/json", body); got.Status != want {
			t.Errorf("register with %d bytes: %d, want %d", size, got.Status, want)
		}
	}
}

func passwordsAreNotCut(t *testing.T, a *authority) {
	common := strings.Repeat("nine brown foxes ", 5)[:72]
	body := fmt.Sprintf(`{"username":"usr09","email":"usr09@example.com","password":%q}`, common+" and a goat")
	if got := send(t, http.MethodPost, a.URL+"/api/authentication/register", "application/json", body); got.Status != http.StatusOK {
		t.Fatalf("register: %d %s", got.Status, got.Body)
	}
	for _, end := range []string{"", " and a hen", " and a goa", " and a goat "} {
		if got := a.tryLogin(t, "usr09", common+end); got.Status != http.StatusBadRequest {
			t.Errorf("another password with the same start: %d, want 400", got.Status)
		}
	}
	if got := a.tryLogin(t, "usr09", common+" and a goat"); got.Status != http.StatusOK {
		t.Errorf("the password: %d, want 200", got.Status)
	}
}

func spellingsAreOneUser(t *testing.T, a *authority) {
	a.register(t, "admin11")
	want := subjectOf(t, a.tryLogin(t, "admin11", testPassword))
	same := []string{"ADMIN11", "Admin11", "ａｄｍｉｎ１１", "ADMİN11", "admın11"}
	refused := []string{"admin11 ", " admin11", "ad\u200bmin11", "ⓐdmin11", "ad\u00admin11", "аdmin11" /* Cyrillic а */, "admin11\u0000", "ad\u202emin11"}
	for i, name := range append(same, refused...) {
		email := fmt.Sprintf("usr11-%d@example.com", i)
		if _, e := a.firstParty(t, "register", map[string]string{"username": name, "email": email, "password": testPassword}); e.StatusCode != http.StatusBadRequest {
			t.Errorf("register %+q: %d %s, want 400", name, e.StatusCode, e.Message)
		}
	}
	for _, name := range same {
		if got := subjectOf(t, a.tryLogin(t, name, testPassword)); got != want {
			t.Errorf("%+q is another user than admin11", name)
		}
	}
	for _, name := range refused {
		if got := a.tryLogin(t, name, testPassword); got.Status != http.StatusBadRequest {
			t.Errorf("log in %+q: %d, want 400", name, got.Status)
		}
	}
}

func nobodyPromotesThemselves(t *testing.T, a *authority) {
	wantNoSurface(t, a,
		"PATCH /api/authentication/me", "PATCH /api/authentication/register", "PUT /api/authentication/login", "GET /api/authentication/me",
		"PATCH /account", "PUT /users/me", "PATCH /oauth/userinfo", "PATCH /scim/v2/Me")
	for _, extra := range []string{`"role":"admin"`, `"roles":["admin"]`, `"email_verified":true`, `"emailVerified":"true"`, `"id":"1"`, `"tenant":"x"`, `"isAdmin":true`} {
		body := fmt.Sprintf(`{"username":"usr19","email":"usr19@example.com","password":%q,%s}`, testPassword, extra)
		if got := send(t, http.MethodPost, a.URL+"/api/authentication/register", "application/json", body); got.Status != http.StatusBadRequest {
			t.Errorf("register with %s: %d, want 400", extra, got.Status)
		}
	}
	if got := a.tryLogin(t, "usr19", testPassword); got.Status != http.StatusBadRequest {
		t.Errorf("a refused registration made a user: login %d", got.Status)
	}
}
