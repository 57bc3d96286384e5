package memory_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
)

// model is what [memory.Limits] promises of one of its sixteen parts, without a queue.
type model struct {
	bound int
	held  map[string]counter
}

type counter struct {
	arrival time.Time
	per     time.Duration
}

func (c counter) used(now time.Time) float64 { return float64(c.arrival.Sub(now)) / float64(c.per) }

func (m *model) take(key string, now time.Time, rate ratelimit.Rate) ratelimit.Decision {
	next, decision := ratelimit.Take(m.held[key].arrival, now, rate)
	if !decision.Allowed {
		return decision
	}
	if _, known := m.held[key]; !known && len(m.held) == m.bound {
		delete(m.held, m.leastUsed(now))
	}
	m.held[key] = counter{next, rate.Per}
	for range 2 {
		if least := m.leastUsed(now); !m.held[least].arrival.After(now) {
			delete(m.held, least)
		}
	}
	return decision
}

func (m *model) leastUsed(now time.Time) (key string) {
	for k, c := range m.held {
		if key == "" || c.used(now) < m.held[key].used(now) {
			key = k
		}
	}
	return key
}

// TestTheLeastUsedCounterGoesFirst walks random tries of more keys than there is room
// for, and wants every decision, and the number of keys held, as the model has them.
func TestTheLeastUsedCounterGoesFirst(t *testing.T) {
	t.Parallel()
	const parts, room = 16, 5
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, seed))
		now := start
		limits := memory.NewLimits(func() time.Time { return now }, parts*room)
		var models [parts]model
		for i := range models {
			models[i] = model{bound: room, held: map[string]counter{}}
		}
		for step := range 3000 {
			now = now.Add(time.Duration(1 + random.IntN(1000))) // no two arrivals are equal
			if random.IntN(20) == 0 {
				now = now.Add(time.Duration(random.IntN(int(20 * time.Second))))
			}
			key := fmt.Sprint("key", random.IntN(parts*room*2))
			rate := ratelimit.Rate{Limit: 1 + random.IntN(5), Per: []time.Duration{time.Second, time.Minute}[random.IntN(2)]}
			part := &models[sha256.Sum256([]byte(key))[31]%parts]
			got, err := limits.Take(t.Context(), key, rate)
			if want := part.take(key, now, rate); err != nil || got != want {
				t.Fatalf("seed %d, step %d: %+v, %v; want %+v", seed, step, got, err, want)
			}
			_ = limits.Len() // gives the locks back
		}
		held := 0
		for _, part := range models {
			held += len(part.held)
		}
		if got := limits.Len(); got != held {
			t.Errorf("seed %d: %d keys are held, want %d", seed, got, held)
		}
	}
}

func TestTheBoundIsRoundedUpToSixteen(t *testing.T) {
	t.Parallel()
	for bound, want := range map[int]int{-1: 16, 0: 16, 1: 16, 16: 16, 17: 32, 32: 32, 33: 48} {
		limits := memory.NewLimits(fixed, bound)
		for i := range 1000 {
			take(t, limits, fmt.Sprint("flood", i), ratelimit.Rate{Limit: 1, Per: time.Hour})
		}
		if got := limits.Len(); got != want {
			t.Errorf("bound %d: %d keys are held, want %d", bound, got, want)
		}
	}
}

// TestAKeyIsForgottenAtItsArrivalTime tries one key until it falls into the part of
// another whose time has just come.
func TestAKeyIsForgottenAtItsArrivalTime(t *testing.T) {
	t.Parallel()
	part := func(key string) byte { return sha256.Sum256([]byte(key))[31] % 16 }
	neighbour := "neighbour"
	for part(neighbour) != part("key") {
		neighbour += "x"
	}
	rate := ratelimit.Rate{Limit: 1, Per: time.Minute}
	for after, want := range map[time.Duration]int{time.Minute - 1: 2, time.Minute: 1} {
		now := start
		limits := memory.NewLimits(func() time.Time { return now }, 160)
		take(t, limits, "key", rate)
		now = now.Add(after)
		take(t, limits, neighbour, rate)
		if got := limits.Len(); got != want {
			t.Errorf("%s later, %d keys are held, want %d", after, got, want)
		}
	}
}
