package app_test

import (
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
)

// TestAKeyIsRetainedForAsLongAsAnythingItSignedIsGood: a token at a verifier whose keys are as old as
// its cache allows, or a status list, which lives two epochs longer than a token.
func TestAKeyIsRetainedForAsLongAsAnythingItSignedIsGood(t *testing.T) {
	t.Parallel()
	const access, jwksMaxAge = time.Hour, 5 * time.Minute
	least := access + max(2*revocation.Epoch, jwksMaxAge+keyring.MaxAge)
	for retain, good := range map[time.Duration]bool{least: true, least - time.Second: false} {
		_, err := config.Load(nil, []string{"MINTMARK_ACCESS_TOKEN_TTL=" + access.String(), "MINTMARK_KEYS_RETAIN=" + retain.String()}, nil)
		if (err == nil) != good {
			t.Errorf("retain %s: %v, want it accepted: %v", retain, err, good)
		}
	}
}
