package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// TestRootSecretChangesInTwoRollingRestartsWithoutALogout follows the runbook:
// append the new secret everywhere, then move it first, one replica after another.
func TestRootSecretChangesInTwoRollingRestartsWithoutALogout(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	first := c.root
	second := "2:" + strings.TrimPrefix(secret.GenerateRoots().Encode().Reveal(), "1:")
	replicas := []*authority{c.startReplica(t), c.startReplica(t)}
	replicas[0].register(t, testUser)
	p := replicas[0].login(t, testUser)
	idle := replicas[1].login(t, testUser) // refreshed only at the end

	refreshEverywhere := func(when string) {
		t.Helper()
		for i, a := range replicas {
			next, got := a.refresh(t, p)
			if got.Status != http.StatusOK {
				t.Fatalf("%s, replica %d: %d %s", when, i, got.Status, got.Body)
			}
			p = next
		}
	}
	for _, roots := range []string{first + "," + second, second + "," + first} {
		for i := range replicas {
			replicas[i].Stop()
			c.root = roots
			replicas[i] = c.startReplica(t)
			refreshEverywhere("while replicas differ")
		}
	}
	if _, got := replicas[0].refresh(t, idle); got.Status != http.StatusOK {
		t.Errorf("a session from before both restarts: %d %s", got.Status, got.Body)
	}
}
