package duration_test

import (
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/duration"
)

func TestADurationEndsWithItsSmallestUnit(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"0s", "800ms", "10s", "1m", "10m", "1m10s", "1h", "1h10m", "720h", "1h0m30s", "-1h"} {
		d, err := time.ParseDuration(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := duration.Spell(d); got != want {
			t.Errorf("%s is spelled %s", want, got)
		}
	}
}
