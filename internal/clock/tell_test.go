package clock_test

import (
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

func TestTheWrongClockIsNamedWithItsOffset(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(ahead time.Duration) time.Time { return noon.Add(ahead) }
	for want, c := range map[string]clock.Clocks{
		"": {Machine: noon, Database: at(clock.Tolerance), Redis: at(time.Second)},
		"the clock of the database is 45s ahead of this machine's and Redis's":  {Machine: noon, Database: at(46 * time.Second), Redis: at(time.Second)},
		"the clock of Redis is 1h0m0s behind this machine's and the database's": {Machine: noon, Database: noon, Redis: at(-time.Hour)},
		"the clock of this machine is 11s ahead of the database's and Redis's":  {Machine: at(11 * time.Second), Database: noon, Redis: noon},
		"the clock of the database is 744h0m0s ahead of this machine's":         {Machine: noon, Database: at(31 * 24 * time.Hour)},
		"the clock of the database is 45s behind this machine's":                {Machine: at(45 * time.Second), Database: noon},
		"the clocks disagree: this machine +0s, the database +1h0m0s, Redis -1h0m0s": {
			Machine: noon, Database: at(time.Hour), Redis: at(-time.Hour),
		},
	} {
		if got := c.Disagreement(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
