package verifier

import (
	"testing"
	"time"
)

func TestThePaceStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	for _, what := range []polled{failed, unchanged, changed, untaggedChange} {
		for _, took := range []time.Duration{0, time.Second, 2 * time.Second, 10 * time.Second, 30 * time.Second} {
			for _, random := range []float64{0, 0.5, 0.999} {
				var p pace
				var spent time.Duration
				const rounds = 50
				for range rounds {
					var pause time.Duration
					p, pause = p.next(what, took, random)
					spent += took + pause
					if pause < 0 || pause > maxBackoff {
						t.Fatalf("%v after %v: pause of %v", what, took, pause)
					}
					if p.wait() < 0 || p.wait() > maxPoll {
						t.Fatalf("%v after %v: asks to wait %v", what, took, p.wait())
					}
				}
				if spent < rounds/8*time.Second { // eight a second, at worst
					t.Errorf("%v after %v: %d requests in %v", what, took, rounds, spent)
				}
			}
		}
	}
}

func TestNewsIsFollowedByTheNextRequestAtOnce(t *testing.T) {
	t.Parallel()
	var p pace
	for _, took := range []time.Duration{0, 10 * time.Second, 25 * time.Second, 0} { // the first list, news, none, news
		var pause time.Duration
		if p, pause = p.next(changed, took, 0.5); pause != 0 {
			t.Errorf("after %v: a pause of %v", took, pause)
		}
	}
}
