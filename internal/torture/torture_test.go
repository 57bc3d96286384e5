package torture_test

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/torture"
)

const audience = "https://orders.example.com"

// pool are keys that all runs share, as each run needs nine.
var pool = sync.OnceValue(func() []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, 10)
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 1088) // enough for PS512, odd in base64, and cheap
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// fromPool gives each run its keys in the same order.
func fromPool() func() (*rsa.PrivateKey, error) {
	at := -1
	return func() (*rsa.PrivateKey, error) {
		at++
		return pool()[at%len(pool())], nil
	}
}

// late is the name of an issuer that starts after who trusts it.
type late struct{ atomic.Value }

func (l *late) is(url string) { l.Store(url) }
func (l *late) name() string  { return l.Load().(string) }

// inTime is how long a service may take to notice what the issuer changed: this one notices at once, on a machine that is
// not busy. A service that never does gets no more than brief, as nobody waits for it.
const (
	inTime = 20 * time.Second
	brief  = 100 * time.Millisecond
)

// tortured runs the catalogue against a service with faults and an issuer of our own.
func tortured(t *testing.T, change func(*torture.Config), faults ...fault) *torture.Report {
	t.Helper()
	var issuer late
	now := fast()
	s := &service{issuer: issuer.name, audience: audience, scope: "orders:read", now: now, faults: faults}
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	cfg := torture.Config{
		Target: torture.Target{URL: server.URL}, OwnIssuer: "127.0.0.1:0", Audience: audience, Scope: s.scope,
		KeysWithin: inTime, RevokedWithin: inTime,
		Now: now, Ready: issuer.is,
	}
	if change != nil {
		change(&cfg)
	}
	report, err := torture.Run(t.Context(), cfg.WithKeys(fromPool()))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// failures are the cases that went wrong, each with its verdict.
func failures(r *torture.Report) []string {
	var all []string
	for _, one := range r.Results {
		if one.Verdict.Failed() {
			all = append(all, one.Case.ID+": "+string(one.Verdict))
		}
	}
	slices.Sort(all)
	return all
}

func TestAServiceThatVerifiesByTheBookPassesEverything(t *testing.T) {
	t.Parallel()
	report := tortured(t, nil)
	if report.Failed() || report.Count(torture.Passed) != len(torture.Catalogue()) {
		t.Errorf("%v, stopped: %q", failures(report), report.Stopped)
	}
	for _, one := range report.Results {
		for _, o := range one.Outcomes {
			if o.Remark != "" && one.Case.ID != "keys-flood" || o.Verdict != torture.Passed {
				t.Errorf("%s, %s: %s, %s", one.Case.ID, o.Sent, o.Got, o.Remark)
			}
		}
	}
}
