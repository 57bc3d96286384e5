package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/telemetry"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// authority is one running authority, as a client sees it.
type authority struct {
	URL    string // public listener, which is also the issuer of an embedded one
	Ops    string // operations listener
	Issuer string
	cfg    config.Config
	Log    *syncBuffer
	Stop   func() // drains and waits; called at the end of the test by itself
}

// quick makes an authority fit for tests: no limits, and password hashes that are cheap and run at once, however many, so
// that no login has to queue on a busy machine.
func quick() []string {
	return []string{
		"MINTMARK_HTTP_ADDR=127.0.0.1:0", "MINTMARK_OPS_ADDR=127.0.0.1:0",
		"MINTMARK_RATE_LOGIN=off", "MINTMARK_RATE_TOKEN=off", "MINTMARK_RATE_REGISTER=off",
		"MINTMARK_PASSWORD_MEMORY_KIB=8192", "MINTMARK_PASSWORD_TIME=1", "MINTMARK_PASSWORD_MAX_CONCURRENT=64",
		"MINTMARK_REGISTRATION=open", "MINTMARK_LOG_FORMAT=json", "MINTMARK_LOG_LEVEL=debug",
	}
}

// atOnce lets a replica end without waiting for balancers. Earlier programs don't know it.
const atOnce = "MINTMARK_SHUTDOWN_DELAY=0s"

// startEmbedded starts an authority on SQLite in a fresh directory; later
// settings (NAME=value) win over earlier ones.
func startEmbedded(t testing.TB, settings ...string) *authority {
	t.Helper()
	return start(t, append([]string{"MINTMARK_DATA_DIR=" + t.TempDir()}, settings...)...)
}

// cluster is what replicas share.
type cluster struct {
	Postgres, Redis string // URLs, perhaps of proxies
	root            string
	issuer          string
}

// newCluster makes a fresh, migrated database and a Redis for replicas.
func newCluster(t testing.TB) *cluster {
	t.Helper()
	return clusterOver(t, migratedPostgres(t))
}

// newClusterOn migrates a Postgres of the test's own.
func newClusterOn(t testing.TB, postgres string) *cluster {
	t.Helper()
	if err := migrate(postgres); err != nil {
		t.Fatal(err)
	}
	return clusterOver(t, postgres)
}

func clusterOver(t testing.TB, postgres string) *cluster {
	t.Helper()
	return &cluster{Postgres: postgres, Redis: testserver.Redis(t), root: secret.GenerateRoots().Encode().Reveal(), issuer: "http://localhost:1"}
}

// startReplica starts one authority over the cluster. All replicas share one
// issuer, since a balancer would stand in front of them.
func (c *cluster) startReplica(t testing.TB, settings ...string) *authority {
	t.Helper()
	return start(t, append(c.settings(), settings...)...)
}

func (c *cluster) settings() []string {
	return []string{
		"MINTMARK_DATABASE_URL=" + c.Postgres, "MINTMARK_REDIS_URL=" + c.Redis,
		"MINTMARK_ROOT_SECRET=" + c.root, "MINTMARK_ISSUER=" + c.issuer,
	}
}

func migratedPostgres(t testing.TB) string {
	t.Helper()
	return testserver.PostgresTemplate(t, "mintmark", migrate)
}

func migrate(postgres string) error {
	database, err := db.Postgres(postgres)
	if err != nil {
		return err
	}
	return database.Up(context.Background())
}

func start(t testing.TB, settings ...string) *authority {
	t.Helper()
	cfg, err := config.Load(nil, lastOfEach(slices.Concat(quick(), []string{atOnce}, settings)), nil)
	if err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	logger := telemetry.NewLog(log, slog.LevelDebug, true)
	a, err := app.Open(t.Context(), cfg, logger)
	for end := time.Now().Add(patience); errors.Is(err, context.DeadlineExceeded) && time.Now().Before(end); { // a busy machine: as after a restart
		a, err = app.Open(t.Context(), cfg, logger)
	}
	if err != nil {
		t.Fatal(err)
	}
	info, err := a.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- a.Run(ctx, func() { close(ready) }) }()
	<-ready
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("authority ended: %v", err)
		}
	})
	t.Cleanup(stop)
	return &authority{URL: "http://" + info.Public, Ops: "http://" + info.Operations, Issuer: info.Issuer, cfg: cfg, Log: log, Stop: stop}
}

// lastOfEach keeps the last setting of each name.
func lastOfEach(settings []string) []string {
	at := make(map[string]int)
	var kept []string
	for _, s := range settings {
		name, _, _ := strings.Cut(s, "=")
		if i, ok := at[name]; ok {
			kept[i] = s
			continue
		}
		at[name] = len(kept)
		kept = append(kept, s)
	}
	return kept
}

// answer is an HTTP answer, read whole.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// envelope is the body of the first-party API.
type envelope struct {
	Message    string `json:"message"`
	StatusCode int    `json:"statusCode"`
	Data       *struct {
		AccessToken  string   `json:"accessToken"`
		RefreshToken string   `json:"refreshToken"`
		ExpiresIn    int      `json:"expiresIn"`
		Errors       []string `json:"errors"`
	} `json:"data"`
}

// pair is what a login gives.
type pair struct{ Access, Refresh string }

const (
	testUser     = "alice"
	testPassword = "violet tram seven umbrellas"
)

// send sends one request and reads the answer.
func send(t testing.TB, method, target, contentType, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return do(t, req)
}

func do(t testing.TB, req *http.Request) answer {
	t.Helper()
	got, err := exchange(httpClient(), req)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func exchange(client *http.Client, req *http.Request) (answer, error) {
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{Status: res.StatusCode, Header: res.Header, Body: body}, err
}

func httpClient() *http.Client {
	return &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// firstParty posts JSON to an endpoint of the first-party API.
func (a *authority) firstParty(t testing.TB, verb string, body any) (answer, envelope) {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	got := send(t, http.MethodPost, a.URL+"/api/authentication/"+verb, "application/json", string(encoded))
	var e envelope
	if err := json.Unmarshal(got.Body, &e); err != nil {
		t.Fatalf("%s answered %d %q: %v", verb, got.Status, got.Body, err)
	}
	return got, e
}

// form posts a form to an OAuth endpoint and decodes the answer.
func (a *authority) form(t testing.TB, path string, parameters url.Values) (answer, map[string]any) {
	t.Helper()
	got := send(t, http.MethodPost, a.URL+path, "application/x-www-form-urlencoded", parameters.Encode())
	var m map[string]any
	if err := json.Unmarshal(got.Body, &m); err != nil {
		t.Fatalf("%s answered %d %q: %v", path, got.Status, got.Body, err)
	}
	return got, m
}

// register adds a user of that name with the test password.
func (a *authority) register(t testing.TB, name string) {
	t.Helper()
	body := map[string]string{"username": name, "email": name + "@example.com", "password": testPassword}
	got, e := a.firstParty(t, "register", body)
	for end := time.Now().Add(patience); got.Status == http.StatusServiceUnavailable && time.Now().Before(end); {
		select {
		case <-time.After(time.Second): // what Retry-After asks for at the least
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
		got, e = a.firstParty(t, "register", body)
	}
	if got.Status != http.StatusOK {
		t.Fatalf("register %s: %d %s", name, got.Status, e.Message)
	}
}

// login logs the user in with the test password; it retries while the authority is busy.
func (a *authority) login(t testing.TB, name string) pair {
	t.Helper()
	got, e := a.firstParty(t, "login", map[string]string{"username": name, "password": testPassword})
	for end := time.Now().Add(patience); got.Status == http.StatusServiceUnavailable && time.Now().Before(end); {
		select {
		case <-time.After(time.Second): // what Retry-After asks for at the least
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
		got, e = a.firstParty(t, "login", map[string]string{"username": name, "password": testPassword})
	}
	if got.Status != http.StatusOK {
		t.Fatalf("log in %s: %d %s", name, got.Status, e.Message)
	}
	return pair{e.Data.AccessToken, e.Data.RefreshToken}
}

// refresh exchanges a pair; the status reports whether it was granted.
func (a *authority) refresh(t testing.TB, p pair) (pair, answer) {
	t.Helper()
	got, e := a.firstParty(t, "refresh-token", map[string]string{"accessToken": p.Access, "refreshToken": p.Refresh})
	if got.Status != http.StatusOK {
		return pair{}, got
	}
	return pair{e.Data.AccessToken, e.Data.RefreshToken}, got
}

// refreshGrant exchanges a refresh token at the token endpoint.
func (a *authority) refreshGrant(t testing.TB, refreshToken string) (answer, map[string]any) {
	t.Helper()
	return a.form(t, "/oauth/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"first-party"}, "refresh_token": {refreshToken}})
}

// stores opens the durable store beside the running authority, as operators do.
func (a *authority) stores(t testing.TB) *app.Stores {
	t.Helper()
	s, err := app.OpenStores(t.Context(), a.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// syncBuffer is a log that a test reads while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
