package verifier_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

func TestMetricsCountOutcomesAndFetches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var outcomes, fetches = map[verifier.Outcome]int{}, map[string]int{}
		i := newIssuer(firstKey())
		s := serveList(i)
		v := i.verifier(t, verifier.WithMetrics(verifier.Metrics{
			Verified: func(o verifier.Outcome) { outcomes[o]++ },
			Fetched: func(what string, _ time.Duration, err error) {
				if err != nil {
					what += " in vain"
				}
				fetches[what]++
			},
		}))
		raw := s.listed(1)
		mustVerify(t, v, raw)
		mustVerify(t, v, raw)
		mustRefuse(t, v, "garbage")
		mustRefuse(t, v, good(secondKey(), "first", time.Now()))
		s.revoke(1)
		synctest.Wait()
		mustRefuse(t, v, raw)
		mustRefuse(t, v, s.listed(1))
		i.fail()
		time.Sleep(10 * time.Second)
		mustRefuse(t, v, good(secondKey(), "second", time.Now()))
		v.Close()
		want := map[verifier.Outcome]int{verifier.Valid: 1, verifier.Cached: 1, verifier.Invalid: 2, verifier.Revoked: 2, verifier.Unavailable: 1}
		if diff := cmp.Diff(outcomes, want); diff != "" {
			t.Errorf("outcomes (-got +want):\n%s", diff)
		}
		if diff := cmp.Diff(fetches, map[string]int{"keys": 1, "keys in vain": 1, "status list": 5}); diff != "" {
			t.Errorf("fetches (-got +want):\n%s", diff)
		}
	})
}
