package torture_test

import (
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/torture"
)

const audience = "https://orders.example.com"

// pool are keys that all runs share, as each run needs six.
var pool = sync.OnceValue(func() []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, 6)
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
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

// tortured runs the catalogue against a service with faults and an issuer of our own.
func tortured(t *testing.T, change func(*torture.Config), faults ...fault) *torture.Report {
	t.Helper()
	var issuer string
	s := &service{issuer: func() string { return issuer }, audience: audience, scope: "orders:read", now: time.Now, faults: faults}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cfg := torture.Config{
		Target: torture.Target{URL: server.URL}, OwnIssuer: "127.0.0.1:0", Audience: audience, Scope: s.scope,
		Timeout: 2 * time.Second, Leeway: 0, KeysWithin: 100 * time.Millisecond, RevokedWithin: 100 * time.Millisecond,
		Ready: func(url string) { issuer = url },
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
			if o.Remark != "" && one.Case.ID != "keys-flood" {
				t.Errorf("%s, %s: %s", one.Case.ID, o.Sent, o.Remark)
			}
		}
	}
}

var _ = maps.Keys[map[string]int]
var _ = strings.Join
