package e2e_test

import (
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// TestAVerifierRefusesTheTokensOfARevokedKeyWithinSeconds is JWS-33, with an operator's command in another process and a
// service whose keys are fresh for minutes yet: the status list tells it that they have changed. The service's clock
// stands still meanwhile, so that neither the age of its keys nor the end of a cool-down has it read them.
func TestAVerifierRefusesTheTokensOfARevokedKeyWithinSeconds(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, other := c.startReplica(t), c.startReplica(t)
	a.register(t, testUser)
	p := a.login(t, testUser)
	var stopped atomic.Pointer[time.Time] // nil while the service's clock goes
	follower := verifierOf(t, a, verifier.WithClock(func() time.Time {
		if at := stopped.Load(); at != nil {
			return *at
		}
		return time.Now()
	}))
	eventually(t, func() bool { // its first look may take a busy machine longer than a verifier waits
		_, err := follower.Verify(t.Context(), p.Access)
		return err == nil
	})
	var header struct{ Kid string }
	decodePart(t, p.Access, 0, &header)

	now := time.Now()
	stopped.Store(&now)
	command(t, ground{settings: c.settings()}, mintmark(t), 0, "keys", "revoke", header.Kid, "--why", "stolen", "--flush-after", "0s", "--yes")
	revoked, polls := time.Now(), 0
	eventually(t, func() bool {
		polls++
		_, err := follower.Verify(t.Context(), p.Access)
		return errors.Is(err, verifier.ErrInvalidToken)
	})
	t.Logf("refused %v after the command, at the poll number %d", time.Since(revoked).Round(time.Millisecond), polls)
	stopped.Store(nil)
	fresh := a.login(t, testUser)
	eventually(t, func() bool {
		_, err := follower.Verify(t.Context(), fresh.Access)
		return err == nil
	})
	for _, replica := range []*authority{a, other} {
		eventually(t, func() bool {
			var set struct{ Keys []struct{ Kid string } }
			if err := json.Unmarshal(send(t, "GET", replica.URL+"/.well-known/jwks.json", "", "").Body, &set); err != nil {
				t.Fatal(err)
			}
			for _, key := range set.Keys {
				if key.Kid == header.Kid {
					return false
				}
			}
			return true
		})
	}
}
