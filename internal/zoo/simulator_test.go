package zoo_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// changing publishes key a for a minute, then key b alone.
type changing struct{ began time.Time }

func (c changing) RoundTrip(r *http.Request) (*http.Response, error) {
	kid := "a"
	if time.Since(c.began) >= time.Minute {
		kid = "b"
	}
	body := io.NopCloser(strings.NewReader(`{"keys":[{"kid":"` + kid + `"}]}`))
	return &http.Response{StatusCode: http.StatusOK, Body: body, Request: r, Header: make(http.Header)}, nil
}

func TestModelsFetchWhenTheySay(t *testing.T) {
	type step struct {
		at   time.Duration
		kid  string
		want bool
	}
	const m, s = time.Minute, time.Second
	cases := map[string]struct {
		model model
		steps []step
	}{
		"a cache serves until its end":               {model{ttl: 10 * m}, []step{{0, "a", true}, {2 * m, "b", false}, {10*m - 1, "a", true}, {10 * m, "b", true}, {10 * m, "a", false}}},
		"an old set serves once more":                {model{ttl: 10 * m, behind: true}, []step{{0, "a", true}, {12 * m, "a", true}, {12 * m, "a", false}, {12 * m, "b", true}}},
		"a timer needs no token":                     {model{ttl: 10 * m, timer: true}, []step{{9 * m, "b", true}, {9 * m, "a", false}}},
		"a timer does not look at tokens":            {model{ttl: 10 * m, timer: true}, []step{{0, "a", true}, {10*m - s, "b", false}, {10*m + s, "b", true}}},
		"an unknown kid is looked up":                {model{ttl: time.Hour, unknown: fetchForIt}, []step{{0, "a", true}, {2 * m, "a", true}, {2 * m, "b", true}, {2 * m, "a", false}}},
		"but not again within the cool-down":         {model{ttl: time.Hour, unknown: fetchForIt, cooldown: 30 * s}, []step{{0, "a", true}, {50 * s, "x", false}, {79 * s, "b", false}, {80 * s, "b", true}}},
		"an unknown kid helps the next":              {model{ttl: time.Hour, unknown: fetchAfter, cooldown: 5 * m}, []step{{0, "a", true}, {2 * m, "b", false}, {2 * m, "b", true}, {2 * m, "a", false}}},
		"the last good set serves for a while":       {model{ttl: 2 * m, lastGood: time.Hour}, []step{{0, "a", true}, {3 * m, "b", true}, {time.Hour - 1, "a", true}, {time.Hour, "a", false}}},
		"a key that is kept is never looked up":      {model{ttl: 5 * m, unknown: fetchForIt, keepsKey: true}, []step{{0, "a", true}, {2 * m, "b", true}, {9 * time.Hour, "a", true}}},
		"without its last good set a key goes early": {aspNetWithout(), []step{{0, "a", true}, {2 * m, "b", false}, {2 * m, "a", false}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				verify, err := simulated(c.model)(t.Context(), &http.Client{Transport: changing{began}})
				if err != nil {
					t.Fatal(err)
				}
				for _, step := range c.steps {
					time.Sleep(time.Until(began.Add(step.at)))
					if got := verify(t.Context(), ticket{kid: step.kid}) == nil; got != step.want {
						t.Errorf("key %s after %s: accepted %v, want %v", step.kid, step.at, got, step.want)
					}
				}
			})
		})
	}
}

func aspNetWithout() model {
	m := aspNet
	m.lastGood = 0
	return m
}
