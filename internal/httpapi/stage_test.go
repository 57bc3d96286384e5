package httpapi_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	clocks "github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/oauth"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
	"github.com/mintmark-auth/mintmark/internal/store/sqlite"
	"github.com/mintmark-auth/mintmark/internal/user"
)

const (
	issuer   = "https://auth.example.com"
	audience = "https://api.example.com"
	password = "violet tram seven umbrellas"
	root     = "1:7xoUYC03xBXivWThN3bdbOscz/i44SZyy5zeCCvlaaM="
	agent    = "app/1"

	jsonBody = "application/json"
	formBody = "application/x-www-form-urlencoded"
)

func begin() time.Time { return time.Date(2026, 11, 23, 7, 8, 9, 0, time.UTC) }

// clock is the time that a test sets, for the database and the limits.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// stage is the transport over real parts, on a SQLite file of its own, with a clock
// that stands still until a test moves it.
type stage struct {
	*httpapi.Server
	clock   *clock
	file    string
	store   *sqlite.Store
	clients *client.Directory
	keys    *keyring.Keyring
	lists   *revocation.Lists
	events  *audit.Queue
	log     *record
	ready   error    // what Ready says
	notes   []string // and what Notes says

	mu       sync.Mutex
	observed []observed // guarded by mu

	public, operations http.Handler
}

// observed is a request as an Observer hears of it.
type observed struct {
	route, method string
	status        int
}

// Began implements [httpapi.Observer].
func (s *stage) Began() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observed = append(s.observed, observed{})
}

// Served implements [httpapi.Observer].
func (s *stage) Served(route, method string, status int, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observed[len(s.observed)-1] = observed{route, method, status}
}

// record is a log that requests may write to at once.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (r *record) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(line)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// newStage opens a transport that change may change before it is built.
func newStage(t *testing.T, change func(*httpapi.Config)) *stage {
	t.Helper()
	s := &stage{clock: &clock{now: begin()}, file: filepath.Join(t.TempDir(), "mintmark.db"), log: &record{}}
	if err := os.WriteFile(s.file, seed(t), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.store, err = sqlite.Open(t.Context(), sqlite.Config{Path: s.file, Now: s.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	s.build(t, change)
	return s
}

func (s *stage) build(t *testing.T, change func(*httpapi.Config)) {
	t.Helper()
	roots, err := secret.ParseRoots(root)
	if err != nil {
		t.Fatal(err)
	}
	s.keys = keyring.New(s.store, keyring.NewSealer(issuer, roots), keyPolicy(), keyring.DatabaseClock{})
	s.clients = client.NewDirectory(more{s.store})
	s.lists = revocation.New(revocation.Config{Issuer: issuer, AccessTTL: 5 * time.Minute, Store: s.store, Signer: s.keys.Signer})
	for _, read := range []func(context.Context) error{s.keys.Start, s.clients.Refresh, s.lists.Refresh} {
		if err := read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.events = audit.NewQueue(s.store)
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	limits := memory.NewLimits(s.clock.Now, 1000)
	config := httpapi.Config{
		Issuer: issuer, Capabilities: oauth.Capabilities{GrantTypes: []string{oauth.GrantRefreshToken}, AuthMethods: []string{"none"}}, Keys: s.keys, Lists: s.lists,
		Limits: limits, LocalLimits: memory.NewLimits(s.clock.Now, 1000), CORSOrigins: []string{page, "https://other.example"},
		Observer: s, Ready: func() error { return s.ready }, Notes: func() []string { return s.notes }, Details: func() []string { return []string{"postgres: up"} }, Log: log,
		PublicHosts: httpapi.AnyHost(), OpsHosts: httpapi.OnlyHosts("example.com"),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("metric 1\n")) }),
	}
	config.Authority = authority.New(authority.Config{
		Rules: authority.Rules{
			Issuer: issuer, Audience: audience, AccessTTL: 5 * time.Minute,
			Lifetimes: authority.Lifetimes{IdleTTL: 30 * 24 * time.Hour, MaxTTL: 180 * 24 * time.Hour, Grace: 30 * time.Second}, MaxSessions: 100,
			Password: user.NewRules(12), Registration: true,
		},
		Stores: authority.Stores{Users: s.store, Clients: s.clients, Sessions: s.store, States: s.store, Limits: limits},
		Machinery: authority.Machinery{
			Mint: session.NewMint(issuer, roots), Keys: s.keys, Lists: s.lists, Hasher: hasher(t),
			Events: s.events, Checkpoints: session.NewCheckpoints(s.store), Observer: quiet{}, Log: log,
			Clocks: clocks.NewWatch(s.clock.Now),
		},
	})
	if change != nil {
		change(&config)
	}
	if s.Server, err = httpapi.New(config); err != nil {
		t.Fatal(err)
	}
	s.public, s.operations = s.Public(), s.Operations()
}

// quiet is an [authority.Observer] that counts nothing.
type quiet struct{}

func (quiet) Refreshed(string) {}
func (quiet) LoggedIn(string)  {}

// more is the store of clients with two that no command makes yet.
type more struct{ client.Store }

func (m more) ClientsChanged(ctx context.Context, after client.Mark, limit int) ([]client.Change, error) {
	page, err := m.Store.ClientsChanged(ctx, after, limit)
	if len(page) == 0 {
		return page, err
	}
	mark := page[len(page)-1].Mark
	return append(page,
		client.Change{Mark: mark, Client: client.Client{ID: "keeps-secrets", Kind: client.Confidential, GrantTypes: []string{"refresh_token"}}},
		client.Change{Mark: mark, Client: client.Client{ID: "no-grants", Kind: client.Public}},
		client.Change{Mark: mark, Client: client.Client{ID: "disabled", Kind: client.Public, GrantTypes: []string{"refresh_token"}, DisabledAt: begin()}},
	), err
}

func keyPolicy() keyring.Policy {
	return keyring.Policy{RotateEvery: 30 * 24 * time.Hour, PublishAhead: 48 * time.Hour, Retain: 24 * time.Hour}
}

func hasher(tb testing.TB) *user.Hasher {
	tb.Helper()
	h, err := user.NewHasher(user.Params{MemoryKiB: 8, Time: 1, Threads: 1}, 2, time.Minute)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// seeding makes the database that every stage starts from: a signing key takes long
// to draw.
var seeding struct {
	sync.Once
	file []byte
}

func seed(t *testing.T) []byte {
	t.Helper()
	seeding.Do(func() {
		file := filepath.Join(t.TempDir(), "seed.db")
		if err := db.SQLite(file).Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		at := begin().Add(-time.Hour)
		store, err := sqlite.Open(t.Context(), sqlite.Config{Path: file, Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		roots, err := secret.ParseRoots(root)
		if err != nil {
			t.Fatal(err)
		}
		keys := keyring.New(store, keyring.NewSealer(issuer, roots), keyPolicy(), keyring.DatabaseClock{})
		for _, build := range []func(context.Context) error{keys.Start, keys.Maintain} { // the first key and a standby
			if err := build(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		accounts := authority.Accounts{Users: store, Rules: user.NewRules(12), Hasher: hasher(t)}
		for _, name := range []string{"alice", "bob"} {
			r := user.Registration{Username: name, Email: name + "@example.com", Password: secret.NewString(password)}
			if _, err := accounts.Add(t.Context(), r, audit.New(audit.UserCreated, audit.ByOperator("root"))); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if seeding.file, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	})
	if seeding.file == nil {
		t.Fatal("the database that every stage starts from could not be made")
	}
	return seeding.file
}

// break makes every statement of a kind fail, such as "INSERT ON sessions".
func (s *stage) breakAt(t *testing.T, statement string) {
	t.Helper()
	handle, err := sql.Open("sqlite", "file:"+s.file+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	_, err = handle.ExecContext(t.Context(), "CREATE TRIGGER broken BEFORE "+statement+" BEGIN SELECT RAISE(ABORT, 'the disk holds secrets'); END")
	if err != nil {
		t.Fatal(err)
	}
}

// asked is a request; what is zero takes the usual value.
type asked struct {
	method, path string
	body, typ    string // typ: the content type
	from         string // the peer's address
	header       http.Header
	raw          func(*http.Request)
}

// ask sends a request to the public surface, and holds the answer against what all
// answers have in common.
func (s *stage) ask(t *testing.T, a asked) *httptest.ResponseRecorder {
	t.Helper()
	return s.askOf(t, s.public, a)
}

func (s *stage) askOf(t *testing.T, surface http.Handler, a asked) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), a.method, a.path, strings.NewReader(a.body))
	if a.from == "" {
		a.from = "192.0.2.7"
	}
	req.RemoteAddr = a.from + ":1234"
	req.Header.Set("User-Agent", agent)
	if a.typ != "" {
		req.Header.Set("Content-Type", a.typ)
	}
	for name, values := range a.header {
		req.Header[name] = values
	}
	if a.raw != nil {
		a.raw(req)
	}
	got := httptest.NewRecorder()
	surface.ServeHTTP(got, req)
	wantProtected(t, a, got)
	return got
}

// wantProtected holds what every answer carries, whatever it is.
func wantProtected(t *testing.T, a asked, got *httptest.ResponseRecorder) {
	t.Helper()
	header := got.Result().Header
	for name, want := range map[string]string{
		"X-Content-Type-Options":    "nosniff",
		"X-Frame-Options":           "DENY",
		"Referrer-Policy":           "no-referrer",
		"Content-Security-Policy":   "default-src 'none'; frame-ancestors 'none'",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
	} {
		if values := header.Values(name); len(values) != 1 || values[0] != want {
			t.Errorf("%s %.60s: %d with %s %q, want %q", a.method, a.path, got.Code, name, values, want)
		}
	}
	cache := header.Get("Cache-Control")
	document := got.Code == http.StatusOK || got.Code == http.StatusNotModified
	if cache != "no-store" && (!document || !strings.HasPrefix(cache, "public, ")) {
		t.Errorf("%s %.60s: %d with Cache-Control %q", a.method, a.path, got.Code, cache)
	}
	if id := header.Get("X-Request-Id"); len(id) != 36 && id != a.header.Get("X-Request-Id") {
		t.Errorf("%s %.60s: %d with X-Request-Id %q, want a UUID", a.method, a.path, got.Code, id)
	}
	if got.Code >= 400 && got.Code != 499 && strings.HasPrefix(got.Body.String(), "{") {
		if header.Get("Content-Type") != "application/json; charset=utf-8" || header.Get("Pragma") != "no-cache" {
			t.Errorf("%s %.60s: %d as %q, Pragma %q", a.method, a.path, got.Code, header.Get("Content-Type"), header.Get("Pragma"))
		}
	}
}

// tokens are what a login gives.
type tokens struct {
	Access  string `json:"accessToken"`
	Refresh string `json:"refreshToken"`
}

func encode(t *testing.T, body any) string {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// post sends JSON to an endpoint of the first-party API.
func (s *stage) post(t *testing.T, verb string, body any) *httptest.ResponseRecorder {
	t.Helper()
	return s.ask(t, asked{method: "POST", path: "/api/authentication/" + verb, typ: jsonBody, body: encode(t, body)})
}

func credentials(name string) map[string]string {
	return map[string]string{"username": name, "password": password}
}

func (s *stage) login(t *testing.T, name string) tokens {
	t.Helper()
	return granted(t, s.post(t, "login", credentials(name)))
}

func granted(t *testing.T, got *httptest.ResponseRecorder) tokens {
	t.Helper()
	var answer struct{ Data tokens }
	if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil || got.Code != http.StatusOK {
		t.Fatalf("%d %s, want tokens", got.Code, got.Body)
	}
	return answer.Data
}

// grant posts a form to an OAuth endpoint.
func (s *stage) grant(t *testing.T, path, form string) *httptest.ResponseRecorder {
	t.Helper()
	return s.ask(t, asked{method: "POST", path: path, typ: formBody, body: form})
}

func refreshForm(refresh string) string {
	return "grant_type=refresh_token&client_id=first-party&refresh_token=" + refresh
}

// bearer asks for the sessions of whom an access token speaks.
func (s *stage) bearer(t *testing.T, access string) *httptest.ResponseRecorder {
	t.Helper()
	return s.ask(t, asked{method: "GET", path: sessionsPath, header: http.Header{"Authorization": {"Bearer " + access}}})
}

const sessionsPath = "/api/authentication/sessions"

// wantAnswer compares status and body.
func wantAnswer(t *testing.T, what string, got *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if got.Code != status || got.Body.String() != body {
		t.Errorf("%s: %d %s\nwant %d %s", what, got.Code, got.Body, status, body)
	}
}

// wantUnavailable wants the answer of an authority that can't tell.
func wantUnavailable(t *testing.T, what string, got *httptest.ResponseRecorder) {
	t.Helper()
	after := got.Header().Get("Retry-After")
	if got.Code != http.StatusServiceUnavailable || len(after) != 1 || !strings.Contains("123", after) {
		t.Errorf("%s: %d, Retry-After %q, %s; want 503 and 1 to 3", what, got.Code, after, got.Body)
	}
	if body := got.Body.String(); strings.Contains(body, "disk") || strings.Contains(body, "sql") || !strings.Contains(strings.ToLower(body), "temporarily") {
		t.Errorf("%s: the answer says %s", what, got.Body)
	}
}
