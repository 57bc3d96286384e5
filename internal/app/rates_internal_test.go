package app

import (
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
)

// TestAnAccountHasAHundredTriesAnHourFromStrangers, or as many as one of them has, and no bound where they have none.
func TestAnAccountHasAHundredTriesAnHourFromStrangers(t *testing.T) {
	t.Parallel()
	for perUser, want := range map[ratelimit.Rate]ratelimit.Rate{
		{Limit: 10, Per: time.Minute}:  {Limit: 100, Per: time.Hour},
		{Limit: 500, Per: time.Minute}: {Limit: 500, Per: time.Hour},
		{}:                             {},
	} {
		if got := accountRate(perUser); got != want {
			t.Errorf("%+v: %+v, want %+v", perUser, got, want)
		}
	}
}
