package tokensource

import (
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/config"
)

// TestTimesThatDependOnEachOtherAreInOrder: those of a client, and those of the authority that it talks to.
func TestTimesThatDependOnEachOtherAreInOrder(t *testing.T) {
	t.Parallel()
	authority, err := config.Load(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authority.RefreshGrace != defaultGrace {
		t.Errorf("the grace of an authority is %v unless it is told otherwise, and a client counts on %v", authority.RefreshGrace, defaultGrace)
	}
	for grace, want := range map[time.Duration]bool{maxGrace: true, maxGrace + time.Second: false} {
		if _, err := config.Load(nil, []string{"MINTMARK_REFRESH_GRACE=" + grace.String()}, nil); (err == nil) != want {
			t.Errorf("an authority with a grace of %v: %v; allowed %t is what a client allows", grace, err, want)
		}
	}
	for _, c := range []struct {
		why        string
		less, more time.Duration
	}{
		{"the shortest grace is one", minGrace, defaultGrace},
		{"an attempt that was given up is over before the next token is presented", slow, settle},
		{"three attempts fit into the shortest grace", 3 * timeout(minGrace), minGrace},
		{"three attempts fit into the longest grace", 3 * timeout(maxGrace), maxGrace},
		{"pauses grow", minPause, maxPause},
		{"so do those between flights", minBackoff, maxBackoff},
		{"a client that is told to wait is patient", maxBackoff, maxRetryAfter},
	} {
		if c.less > c.more {
			t.Errorf("%s: %v is more than %v", c.why, c.less, c.more)
		}
	}
}
