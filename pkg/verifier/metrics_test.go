package verifier_test

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
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

// TestAListThatIsRefusedIsToldApartFromOneThatCannotBeRead: a service that refuses every list
// learns of no revocation, although its issuer answers.
func TestAListThatIsRefusedIsToldApartFromOneThatCannotBeRead(t *testing.T) {
	t.Parallel()
	hour := time.Hour / time.Second
	for name, c := range map[string]struct {
		answer  func(s *listServer) string // "": 500
		refused bool
		logged  string
	}{
		"from the future": {func(s *listServer) string {
			return s.token(make([]byte, 8), nil, set{"iat": time.Now().Unix() + int64(hour), "exp": time.Now().Unix() + 2*int64(hour)})
		}, true, "a status list is refused"},
		"expired": {func(s *listServer) string {
			return s.token(make([]byte, 8), nil, set{"iat": time.Now().Unix() - int64(hour), "exp": time.Now().Unix()})
		}, true, "a status list is refused"},
		"of another issuer": {func(s *listServer) string { return s.token(make([]byte, 8), nil, set{"iss": "x"}) }, true, "a status list is refused"},
		"no list":           {func(*listServer) string { return "x" }, true, "a status list is refused"},
		"no answer":         {func(*listServer) string { return "" }, false, "a status list could not be read"},
	} {
		synctest.Test(t, func(t *testing.T) {
			i, log := newIssuer(firstKey()), new(logged)
			s := serveList(i)
			if text := c.answer(s); text != "" {
				s.answer(text)
			} else {
				s.says(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
			}
			var failures, refused int
			v := i.verifier(t, verifier.WithLogger(slog.New(log)), verifier.WithMetrics(verifier.Metrics{Fetched: func(what string, _ time.Duration, err error) {
				if what == "status list" && err != nil {
					failures++
					if errors.Is(err, verifier.ErrRefused) {
						refused++
					}
				}
			}}))
			mustVerify(t, v, s.listed(1))
			time.Sleep(5 * time.Second)
			synctest.Wait()
			v.Close()
			if failures == 0 || (refused == failures) != c.refused || (refused == 0) == c.refused {
				t.Errorf("%s: %d of %d failures are refusals", name, refused, failures)
			}
			if got := log.messages(); !slices.Contains(got, c.logged) {
				t.Errorf("%s: the log has %q, want %q", name, got, c.logged)
			}
		})
	}
}

// TestAListIsNotRefusedBecauseItsKeyCannotBeRead: it may be a good one, by a key that is new.
func TestAListIsNotRefusedBecauseItsKeyCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i, down := newIssuer(firstKey()), false
		s := serveList(i)
		var unread, refused int
		v := i.verifier(t, verifier.WithMetrics(verifier.Metrics{Fetched: func(what string, _ time.Duration, err error) {
			switch {
			case !down || what != "status list":
			case errors.Is(err, verifier.ErrRefused):
				refused++
			case errors.Is(err, verifier.ErrKeysUnavailable):
				unread++
			}
		}}))
		mustVerify(t, v, s.listed(1))
		time.Sleep(time.Minute)
		synctest.Wait()
		i.fail()
		down = true
		s.answer(s.token(make([]byte, 8), set{"kid": "second"}, nil))
		time.Sleep(time.Minute)
		synctest.Wait()
		v.Close()
		if unread == 0 || refused != 0 {
			t.Errorf("%d lists could not be checked, %d were refused; want some and none", unread, refused)
		}
	})
}
