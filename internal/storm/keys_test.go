package storm_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/store/postgres"
	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// The default times in small: verifiers here read the keys every 5 s where others do
// every hour, and a key is published 15 s ahead where the default is 48 h.
const (
	publishAhead   = 15 * time.Second
	tokenLives     = 15 * time.Second
	emergencyEvery = 20 * time.Second
	tokenHolders   = 8
	// In a short run there are two emergencies, and a replica is killed after the second.
	fewEmergencies = 2
	verifications  = 2_000 // at least, for each emergency
)

// TestEmergenciesMeetNoVerifierUnprepared has operators switch the signing key every
// 20 s on three replicas, one of which is killed after every second switch, while
// clients refresh and services of three kinds verify what they get: K1 to K4 over
// real processes.
func TestEmergenciesMeetNoVerifierUnprepared(t *testing.T) {
	t.Parallel()
	s := newStage(t, testserver.StartRedis(t).URL())
	front := newFront(t, s)
	newCaller(t).register(t, front.up())
	services := startServices(t, front.URL)
	holders := holdTokens(t, front, services)
	signers := watchSigners(t, s)

	choose := rand.New(rand.NewPCG(seedOf(t), 1))
	began, lasting, emergencies, kills := time.Now(), long(t), 0, 0
	for emergencies < fewEmergencies || time.Since(began) < lasting {
		wait(emergencyEvery)
		front.twoOperators(t, choose.IntN(3), choose.IntN(3))
		emergencies++
		if emergencies%2 == 0 {
			front.kill(t, choose.IntN(3))
			kills++
		}
	}
	wanted := int64(emergencies * verifications)
	eventually(t, "enough is verified, some of it under the last key", func() bool {
		return holders.rejected.Load() > 0 || holders.count() >= wanted && holders.knows(signers.newest(t))
	})
	holders.stop()
	signers.stop()
	holders.judge(t, signers)

	t.Logf("%d emergencies, %d kills, %d tokens under %d keys, %d verifications: %d rejected, %d tokens with an unpublished kid, %d instants watched, %d without exactly one signer",
		emergencies, kills, holders.tokens.Load(), len(holders.kids()), holders.count(), holders.rejected.Load(), holders.unpublished.Load(), signers.watched, signers.wrong)
	if holders.rejected.Load() > 0 || holders.unpublished.Load() > 0 || signers.wrong > 0 {
		t.Errorf("%s\n%s", holders.first(), signers.last)
	}
	if len(holders.kids()) <= emergencies/2 {
		t.Errorf("%d emergencies, but tokens under %d keys only: nothing was tried", emergencies, len(holders.kids()))
	}
	if t.Failed() {
		s.complain(t)
	}
}

// front is the issuer that services know: what it publishes, from a replica that is up.
type front struct {
	*httptest.Server
	stage *stage
	down  atomic.Int32 // the replica that is down, or -1
	next  atomic.Uint32
}

func newFront(t *testing.T, s *stage) *front {
	f := &front{stage: s}
	f.down.Store(-1)
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	for range 3 {
		s.addReplica(t, "MINTMARK_ISSUER="+f.URL, "MINTMARK_KEYS_PUBLISH_AHEAD="+publishAhead.String(), "MINTMARK_ACCESS_TOKEN_TTL="+tokenLives.String())
	}
	return f
}

// ServeHTTP passes a document on.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for range 20 {
		header, body, err := fetch(f.up() + r.URL.Path)
		if err != nil {
			wait(50 * time.Millisecond)
			continue
		}
		w.Header().Set("Content-Type", header.Get("Content-Type"))
		w.Header().Set("Cache-Control", header.Get("Cache-Control"))
		_, _ = w.Write(body) // the service may have gone
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}

// up is the address of the next replica that is not down.
func (f *front) up() string {
	for {
		i := int(f.next.Add(1)) % len(f.stage.replicas)
		if i != int(f.down.Load()) {
			return "http://" + f.stage.replicas[i].web.Addr()
		}
	}
}

func fetch(address string) (http.Header, []byte, error) {
	response, err := http.Get(address)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return response.Header, body, err
}

// kill ends a replica by SIGKILL, under load, and starts it again.
func (f *front) kill(t *testing.T, i int) {
	r := f.stage.replicas[i]
	r.life.Load().kill()
	f.down.Store(int32(i))
	wait(500 * time.Millisecond)
	r.start(t)
	f.down.Store(-1)
}

// twoOperators order the same emergency at the same time, at two replicas: one does it,
// the other is refused.
func (f *front) twoOperators(t *testing.T, replicas ...int) {
	codes := make([]int, len(replicas))
	said := make([]string, len(replicas))
	var group sync.WaitGroup
	for n, i := range replicas {
		group.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "keys", "rotate", "--emergency", "--why", "a storm", "--yes")
			cmd.Env = append([]string{asMintmark + "=1", "PATH=" + os.Getenv("PATH")}, f.stage.replicas[i].settings...)
			if _, err := cmd.StdinPipe(); err != nil { // for endWithParent
				t.Error(err)
			}
			out, _ := cmd.CombinedOutput()
			codes[n], said[n] = cmd.ProcessState.ExitCode(), string(out)
		})
	}
	group.Wait()
	if slices.Sort(codes); !slices.Equal(codes, []int{0, 4}) {
		t.Errorf("two operators: exit codes %v, want 0 and 4\n%s", codes, strings.Join(said, ""))
	}
}

// service is one resource service with a verifier of its kind.
type service struct {
	kind   string
	verify func(ctx context.Context, raw string) error
}

func startServices(t *testing.T, issuer string) []service {
	ctx := t.Context()
	ours, err := verifier.New(issuer, issuer)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		t.Fatal(err)
	}
	theirs := provider.VerifierContext(ctx, &oidc.Config{ClientID: issuer, SupportedSigningAlgs: []string{"RS256"}})
	storage, err := jwkset.NewStorageFromHTTP(issuer+"/.well-known/jwks.json", jwkset.HTTPClientStorageOptions{Ctx: ctx, RefreshInterval: publishAhead / 3})
	if err != nil {
		t.Fatal(err)
	}
	client, err := jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
		HTTPURLs: map[string]jwkset.Storage{issuer: storage}, RefreshUnknownKID: rate.NewLimiter(rate.Every(5*time.Minute), 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: client})
	if err != nil {
		t.Fatal(err)
	}
	return []service{
		{"pkg/verifier", func(ctx context.Context, raw string) error { _, err := ours.Verify(ctx, raw); return err }},
		{"go-oidc", func(ctx context.Context, raw string) error { _, err := theirs.Verify(ctx, raw); return err }},
		{"keyfunc", func(ctx context.Context, raw string) error {
			_, err := jwt.Parse(raw, keys.KeyfuncCtx(ctx), jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(issuer), jwt.WithAudience(issuer))
			return err
		}},
	}
}

// holders are clients that get token after token and take each to every service, at
// once and again until shortly before it expires.
type holders struct {
	front    *front
	services []service
	done     chan struct{}
	holding  sync.WaitGroup

	tokens, verified, rejected, unpublished atomic.Int64

	mu       sync.Mutex
	struck   map[string][]time.Time // when tokens were, by kid, in database time; guarded by mu
	problems []string               // the first few; guarded by mu
}

func holdTokens(t *testing.T, f *front, services []service) *holders {
	h := &holders{front: f, services: services, done: make(chan struct{}), struck: make(map[string][]time.Time)}
	for range tokenHolders {
		c := newCaller(t)
		pair := c.login(f.up(), patient)
		if pair.outcome != granted {
			t.Fatalf("log in: %+v", pair)
		}
		for _, s := range services { // at their first token they look for the keys, for which a busy machine takes its time
			eventually(t, s.kind+" has the keys", func() bool { return s.verify(t.Context(), pair.access) == nil })
		}
		h.holding.Go(func() {
			for {
				select {
				case <-h.done:
					return
				default:
					pair = h.hold(c, pair)
				}
			}
		})
	}
	return h
}

// hold takes a token to the services for a while and refreshes it.
func (h *holders) hold(c caller, pair answer) answer {
	h.tokens.Add(1)
	h.note(pair.access)
	for begun, n := time.Now(), 0; n < 30 && time.Since(begun) < tokenLives/2; n++ {
		for _, s := range h.services {
			h.verified.Add(1)
			ctx, cancel := context.WithTimeout(context.Background(), patient)
			if err := s.verify(ctx, pair.access); err != nil {
				h.rejected.Add(1)
				h.complain(s.kind + ": " + err.Error())
			}
			cancel()
		}
		wait(time.Duration(rand.IntN(100)) * time.Millisecond)
	}
	next := persist(func() answer { return c.refresh(h.front.up(), pair.token, patient) })
	if next.outcome != granted {
		h.complain(fmt.Sprintf("a refresh was answered %+v", next))
		h.rejected.Add(1)
		return pair
	}
	return next
}

// note looks whether the kid of a new token is in the JWKS of every replica that is up.
func (h *holders) note(raw string) {
	kid, at := originOf(raw)
	h.mu.Lock()
	h.struck[kid] = append(h.struck[kid], at)
	h.mu.Unlock()
	for i, r := range h.front.stage.replicas {
		_, body, err := fetch("http://" + r.web.Addr() + "/.well-known/jwks.json")
		if err != nil || int(h.front.down.Load()) == i {
			continue
		}
		if !strings.Contains(string(body), kid) {
			h.unpublished.Add(1)
			h.complain("replica " + r.web.Addr() + " does not publish " + kid)
		}
	}
}

func (h *holders) complain(problem string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.problems) < 10 {
		h.problems = append(h.problems, time.Now().Format(time.TimeOnly)+" "+problem)
	}
}

func (h *holders) first() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.problems, "\n")
}

func (h *holders) count() int64 { return h.verified.Load() }

// knows reports whether somebody has a token under that key.
func (h *holders) knows(kid string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.struck[kid]) > 0
}

func (h *holders) kids() map[string][]time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.struck
}

// judge holds every token against the table as it is in the end (K4): the key that
// signed it did so by the table, or had retired no longer ago than a replica that is
// cut off may sign.
func (h *holders) judge(t *testing.T, w *signers) {
	t.Helper()
	stored, _, err := w.store.SigningKeys(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]keyring.Key, len(stored))
	for i, s := range stored {
		keys[i] = s.Key
	}
	late := time.Duration(0)
	for _, key := range keys {
		retired, ok := keyring.RetiresAt(key, keys)
		for _, at := range h.kids()[key.KID] {
			if at.Before(key.ActivatesAt.Truncate(time.Second)) {
				t.Errorf("%s signed at %s, before its turn at %s", key.KID, at, key.ActivatesAt)
			}
			if ok {
				late = max(late, at.Sub(retired))
			}
		}
	}
	t.Logf("a replica signed with a retired key for %s at most, by the second", late.Truncate(time.Second))
	if late > keyring.MaxAge {
		t.Errorf("a replica signed with a key that had retired %s before", late)
	}
}

func (h *holders) stop() {
	close(h.done)
	h.holding.Wait()
}

// signers watches the table for instants at which not exactly one key signs (K1).
type signers struct {
	store          *postgres.Store
	watched, wrong int
	last           string // what was wrong last
	done           chan struct{}
	watching       sync.WaitGroup
}

func watchSigners(t *testing.T, s *stage) *signers {
	store, err := postgres.Open(t.Context(), postgres.Config{URL: s.postgres.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w := &signers{store: store, done: make(chan struct{})}
	w.watching.Go(func() {
		for {
			select {
			case <-w.done:
				return
			case <-time.After(20 * time.Millisecond):
				stored, now, err := store.SigningKeys(context.Background())
				if err != nil {
					continue
				}
				w.look(stored, now)
			}
		}
	})
	return w
}

// newest is the key whose turn came last.
func (w *signers) newest(t testing.TB) (kid string) {
	t.Helper()
	stored, now, err := w.store.SigningKeys(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	for _, s := range stored {
		if at := s.ActivatesAt; !at.After(now) && at.After(last) {
			kid, last = s.KID, at
		}
	}
	return kid
}

func (w *signers) look(stored []keyring.Stored, now time.Time) {
	keys := make([]keyring.Key, len(stored))
	for i, s := range stored {
		keys[i] = s.Key
	}
	policy := keyring.Policy{PublishAhead: publishAhead, Retain: 24 * time.Hour}
	var signing []string
	for i, k := range keys {
		if keyring.StateAt(k, keys, now, policy) == keyring.Signing && stored[i].Sealed != nil {
			signing = append(signing, k.KID)
		}
	}
	w.watched++
	if len(signing) != 1 {
		w.wrong++
		w.last = "at " + now.String() + " these sign: " + strings.Join(signing, ", ")
	}
}

func (w *signers) stop() {
	close(w.done)
	w.watching.Wait()
}

// originOf reads which key signed a token, and when by the database's clock.
func originOf(raw string) (kid string, at time.Time) {
	var read struct {
		KID string
		IAT int64
	}
	for _, part := range strings.Split(raw, ".")[:2] {
		decoded, _ := base64.RawURLEncoding.DecodeString(part)
		_ = json.Unmarshal(decoded, &read)
	}
	return read.KID, time.Unix(read.IAT, 0)
}
