package ratelimit_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
)

var start = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func TestTake(t *testing.T) {
	t.Parallel()
	perMinute := ratelimit.Rate{Limit: 6, Per: time.Minute} // one each 10 s
	in := func(d time.Duration) time.Time { return start.Add(d) }
	tests := map[string]struct {
		arrival time.Time
		rate    ratelimit.Rate
		allowed bool
		after   time.Time
		retry   time.Duration
	}{
		"the first try":                      {time.Time{}, perMinute, true, in(10 * time.Second), 0},
		"after a long pause":                 {in(-time.Hour), perMinute, true, in(10 * time.Second), 0},
		"arrival right now":                  {start, perMinute, true, in(10 * time.Second), 0},
		"within the burst":                   {in(25 * time.Second), perMinute, true, in(35 * time.Second), 0},
		"the last of the burst":              {in(50 * time.Second), perMinute, true, in(time.Minute), 0},
		"a nanosecond too early":             {in(50*time.Second + 1), perMinute, false, in(50*time.Second + 1), 1},
		"the burst is spent":                 {in(time.Minute), perMinute, false, in(time.Minute), 10 * time.Second},
		"a little ahead":                     {in(70 * time.Second), perMinute, false, in(70 * time.Second), 20 * time.Second},
		"far ahead: the clock went back":     {in(70*time.Second + 1), perMinute, true, in(10 * time.Second), 0},
		"a month ahead":                      {in(31 * 24 * time.Hour), perMinute, true, in(10 * time.Second), 0},
		"one per hour, first":                {time.Time{}, ratelimit.Rate{Limit: 1, Per: time.Hour}, true, in(time.Hour), 0},
		"one per hour, second":               {in(time.Hour), ratelimit.Rate{Limit: 1, Per: time.Hour}, false, in(time.Hour), time.Hour},
		"the zero rate allows everything":    {in(time.Hour), ratelimit.Rate{}, true, in(time.Hour), 0},
		"no limit allows everything":         {in(time.Hour), ratelimit.Rate{Per: time.Hour}, true, in(time.Hour), 0},
		"a negative limit allows everything": {in(time.Hour), ratelimit.Rate{Limit: -1, Per: time.Hour}, true, in(time.Hour), 0},
		"no period allows everything":        {in(time.Hour), ratelimit.Rate{Limit: 1}, true, in(time.Hour), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, d := ratelimit.Take(tt.arrival, start, tt.rate)
			if want := (ratelimit.Decision{Allowed: tt.allowed, RetryAfter: tt.retry}); d != want {
				t.Errorf("decision = %+v, want %+v", d, want)
			}
			if !after.Equal(tt.after) {
				t.Errorf("arrival after = %s, want %s", after, tt.after)
			}
		})
	}
}

func TestABurstIsExactlyTheLimit(t *testing.T) {
	t.Parallel()
	for _, per := range []time.Duration{time.Second, time.Minute, time.Hour, 7 * time.Millisecond} {
		for _, limit := range []int{1, 2, 3, 5, 7, 50, 60, 99, 1000, 99_999} {
			var arrival time.Time
			allowed := 0
			for range limit + 10 {
				next, d := ratelimit.Take(arrival, start, ratelimit.Rate{Limit: limit, Per: per})
				arrival = next
				if d.Allowed {
					allowed++
				}
			}
			if allowed != limit {
				t.Errorf("%d per %s: %d tries passed at once", limit, per, allowed)
			}
		}
	}
}

// TestNoWindowPassesMoreThanTheRate walks random tries and wants, for every pair
// of allowed tries, no more between them than the burst and what came back since.
func TestNoWindowPassesMoreThanTheRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rate := drawRate(rt)
		interval := rate.Per / time.Duration(rate.Limit)
		var arrival time.Time
		var passed []time.Time
		now := start
		for range rapid.IntRange(1, 60).Draw(rt, "tries") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 2*int64(interval)).Draw(rt, "pause")))
			next, d := ratelimit.Take(arrival, now, rate)
			if d.Allowed {
				passed = append(passed, now)
			}
			arrival = next
		}
		for i := range passed {
			for j := i; j < len(passed); j++ {
				window := passed[j].Sub(passed[i])
				if got, most := j-i+1, rate.Limit+int(window/interval); got > most {
					rt.Fatalf("%d tries passed within %s, want at most %d", got, window, most)
				}
			}
		}
	})
}

func TestARefusalChangesNothingAndRetryAfterIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rate := drawRate(rt)
		ahead := time.Duration(rapid.Int64Range(-int64(rate.Per), 3*int64(rate.Per)).Draw(rt, "ahead"))
		arrival := start.Add(ahead)
		after, d := ratelimit.Take(arrival, start, rate)
		if d.Allowed {
			if d.RetryAfter != 0 || !after.After(start) {
				rt.Fatalf("allowed with %+v, arrival %s", d, after)
			}
			return
		}
		if !after.Equal(arrival) || d.RetryAfter <= 0 {
			rt.Fatalf("refused with %+v, arrival moved by %s", d, after.Sub(arrival))
		}
		if _, early := ratelimit.Take(arrival, start.Add(d.RetryAfter-1), rate); early.Allowed {
			rt.Fatalf("allowed before the %s it told to wait", d.RetryAfter)
		}
		if _, due := ratelimit.Take(arrival, start.Add(d.RetryAfter), rate); !due.Allowed {
			rt.Fatalf("refused after the %s it told to wait", d.RetryAfter)
		}
	})
}

// TestAClockThatGoesBackPassesNoMore lets the clock jump: time that passes twice
// gives its tries once, but after a jump so far back that a caller would be kept out for it.
func TestAClockThatGoesBackPassesNoMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rate := drawRate(rt)
		interval := rate.Per / time.Duration(rate.Limit)
		var arrival time.Time
		now, earliest, latest := start, start, start
		passed, jumps := 0, 0
		burst := interval * time.Duration(rate.Limit)
		for range rapid.IntRange(1, 60).Draw(rt, "tries") {
			now = now.Add(time.Duration(rapid.Int64Range(-int64(rate.Per), int64(rate.Per)).Draw(rt, "step")))
			if now.Before(earliest) {
				earliest = now
			}
			if now.After(latest) {
				latest = now
			}
			next, d := ratelimit.Take(arrival, now, rate)
			switch far := arrival.Sub(now) > burst+10*time.Second; {
			case far:
				jumps++
			case next.Before(arrival):
				rt.Fatalf("the arrival time fell from %s to %s", arrival, next)
			}
			arrival = next
			if d.Allowed {
				passed++
			}
		}
		if most := (1+jumps)*rate.Limit + int(latest.Sub(earliest)/interval); passed > most {
			rt.Fatalf("%d tries passed while the clock showed a span of %s, want at most %d", passed, latest.Sub(earliest), most)
		}
	})
}

func drawRate(rt *rapid.T) ratelimit.Rate {
	return ratelimit.Rate{
		Limit: rapid.IntRange(1, 20).Draw(rt, "limit"),
		Per:   time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(time.Hour)).Draw(rt, "per")),
	}
}

// script is a store that answers as told.
type script struct {
	decision ratelimit.Decision
	err      error
	takes    int
}

func (s *script) Take(context.Context, string, ratelimit.Rate) (ratelimit.Decision, error) {
	s.takes++
	return s.decision, s.err
}

func TestSpendTurnsARefusalIntoExceeded(t *testing.T) {
	t.Parallel()
	rate := ratelimit.Rate{Limit: 1, Per: time.Second}
	if err := ratelimit.Spend(t.Context(), &script{decision: ratelimit.Decision{Allowed: true}}, "k", rate); err != nil {
		t.Errorf("allowed: %v", err)
	}
	err := ratelimit.Spend(t.Context(), &script{decision: ratelimit.Decision{RetryAfter: 3 * time.Second}}, "k", rate)
	exceeded, ok := errors.AsType[*ratelimit.Exceeded](err)
	if !ok || exceeded.RetryAfter != 3*time.Second || exceeded.Error() != "too many requests; retry after 3s" {
		t.Errorf("refused: %v", err)
	}
	down := errors.New("down")
	if err := ratelimit.Spend(t.Context(), &script{err: down}, "k", rate); !errors.Is(err, down) {
		t.Errorf("store down: %v, want %v", err, down)
	}
	unlimited := &script{err: down}
	if err := ratelimit.Spend(t.Context(), unlimited, "k", ratelimit.Rate{Limit: math.MaxInt}); err != nil || unlimited.takes != 0 {
		t.Errorf("an unlimited rate asked the store %d times: %v", unlimited.takes, err)
	}
}
