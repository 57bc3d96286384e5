package verifier_test

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// live is an issuer on a real listener.
func live(t *testing.T) (*issuer, *listServer, *httptest.Server) {
	t.Helper()
	i := newIssuer(firstKey())
	server := httptest.NewUnstartedServer(i)
	i.address = "http://" + server.Listener.Addr().String()
	s := serveList(i)
	server.Start()
	t.Cleanup(server.Close)
	return i, s, server
}

// awaitKeys waits until v, whose clock is the machine's, has its keys: a busy machine may need for itself the two seconds
// that one call waits.
func awaitKeys(t testing.TB, v *verifier.Verifier) {
	t.Helper()
	eventually(t, func() error { return v.Wait(t.Context()) })
}

// follow waits until v has the list at uri, too.
func follow(t testing.TB, v *verifier.Verifier, uri string) {
	t.Helper()
	awaitKeys(t, v)
	eventually(t, func() error { return v.Follow(t.Context(), uri) })
}

// patience is what a busy machine may take.
const patience = 50 * time.Second

func eventually(t testing.TB, works func() error) {
	t.Helper()
	turns := time.NewTicker(10 * time.Millisecond)
	defer turns.Stop()
	var problem error
	for began := time.Now(); time.Since(began) < patience; <-turns.C {
		if problem = works(); problem == nil {
			return
		}
	}
	t.Error(problem) // which ends no test that is not this goroutine's
}

// untilRefused asks again and again, as a client would, until raw is refused.
func untilRefused(t *testing.T, v *verifier.Verifier, raw string) {
	t.Helper()
	requests := time.NewTicker(time.Millisecond)
	defer requests.Stop()
	for began := time.Now(); time.Since(began) < patience; <-requests.C {
		if _, err := v.Verify(t.Context(), raw); err != nil {
			return
		}
	}
	t.Fatal("the token is still accepted")
}

// TestARevocationArrivesOverARealConnection has the client of the verifier's own, and clients that a service may bring.
func TestARevocationArrivesOverARealConnection(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]verifier.Option{
		"own client":            nil,
		"short client timeout":  {verifier.WithHTTPClient(&http.Client{Timeout: 200 * time.Millisecond})},
		"short header timeouts": {verifier.WithHTTPClient(&http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 500 * time.Millisecond}})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, s, server := live(t)
			v, err := verifier.New(s.issuer.url(), audience, append(opts, verifier.WithLogger(slog.New(slog.DiscardHandler)))...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(v.Close)
			follow(t, v, s.uri)
			mustVerify(t, v, s.listed(1))
			for idx := 2; idx < 6; idx++ {
				raw := s.listed(idx)
				mustVerify(t, v, raw)
				s.revoke(idx)
				untilRefused(t, v, raw)
				server.CloseClientConnections() // the next one has to come by a new one
			}
			mustVerify(t, v, s.listed(1))
		})
	}
}

// TestNothingIsLeftBehindAfterClose is not parallel: it looks at every goroutine there is.
func TestNothingIsLeftBehindAfterClose(t *testing.T) {
	before := goleak.IgnoreCurrent()
	i := newIssuer(firstKey())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i.address = "http://" + listener.Addr().String()
	s := serveList(i)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: i}}
	server.Start()
	var wg sync.WaitGroup
	for range 4 {
		v, err := verifier.New(i.address, audience, verifier.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			follow(t, v, s.uri)
			mustVerify(t, v, s.listed(1))
			v.Verify(t.Context(), good(firstKey(), "unknown", time.Now()))
			v.Close()
		})
	}
	wg.Wait()
	server.Close()
	goleak.VerifyNone(t, before)
}

func TestAVerifierThatIsDroppedIsCollected(t *testing.T) {
	t.Parallel()
	i := newIssuer(firstKey())
	s := serveList(i)
	turns := time.NewTicker(time.Millisecond)
	defer turns.Stop()
	waiting := func(n int32, meanwhile func()) bool {
		for range 30_000 {
			if s.waiting.Load() == n {
				return true
			}
			meanwhile()
			<-turns.C
		}
		return false
	}
	use := func() {
		v, err := verifier.New(issuerURL, audience, verifier.WithHTTPClient(&http.Client{Transport: i}), introspection())
		if err != nil {
			t.Fatal(err)
		}
		follow(t, v, s.uri)
		mustVerify(t, v, s.listed(1))
		if !waiting(1, func() {}) {
			t.Fatal("its list is not followed")
		}
		runtime.KeepAlive(v)
	}
	if use(); !waiting(0, runtime.GC) {
		t.Error("its list is still followed")
	}
}

func TestAVerifierThatOnlyReadsKeysLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for range 10 {
		v, err := verifier.New(issuerURL, audience, verifier.WithHTTPClient(&http.Client{Transport: newIssuer(firstKey())}))
		if err != nil {
			t.Fatal(err)
		}
		awaitKeys(t, v)
		mustVerify(t, v, good(firstKey(), "first", time.Now()))
	}
	goleak.VerifyNone(t, before) // none of them was closed
}
