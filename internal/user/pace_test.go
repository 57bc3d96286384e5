package user_test

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/user"
)

// takesByWork lets every hash take a millisecond per 8 KiB and pass.
func takesByWork(hasher *user.Hasher) {
	hasher.WatchDerive(func(derive user.Derive) user.Derive {
		return func(password, salt []byte, passes, memory uint32, threads uint8, keyLen uint32) []byte {
			<-time.NewTimer(time.Duration(memory*passes/8) * time.Millisecond).C // of the bubble
			return derive(password, salt, passes, memory, threads, keyLen)
		}
	})
}

// USR-24.
func TestARefusalTakesAsLongWhateverTheParametersOfTheStoredHash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		today := user.Params{MemoryKiB: 64, Time: 2, Threads: 1}
		hasher := newHasher(t, today)
		stored := map[string]string{"unknown or disabled": "", "damaged": "plain text", "today's": hash(t, hasher, "violet")}
		for name, params := range map[string]user.Params{
			"cheaper": cheap, "fewer passes": {MemoryKiB: 64, Time: 1, Threads: 1}, "costlier": {MemoryKiB: 128, Time: 3, Threads: 1},
		} {
			stored[name] = hash(t, newHasher(t, params), "violet")
		}
		takesByWork(hasher)
		_, _, _ = hasher.Verify(t.Context(), stored["costlier"], "purple") // meets the costliest
		const want = 2 * 48 * time.Millisecond
		for name, hash := range stored {
			before := time.Now()
			ok, _, _ := hasher.Verify(t.Context(), hash, "purple")
			if took := time.Since(before); ok || took != want {
				t.Errorf("%s: %v after %v, want a refusal after %v", name, ok, took, want)
			}
		}
	})
}

// TestARefusalWaitsWithoutASlot: others hash meanwhile, as if it were told at once.
func TestARefusalWaitsWithoutASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher, err := user.NewHasher(cheap, 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		takesByWork(hasher)
		var callers sync.WaitGroup
		began := time.Now()
		for i := range 10 {
			callers.Go(func() { _ = hasher.VerifyNobody(t.Context(), fmt.Sprint(i)) })
		}
		callers.Wait()
		if took := time.Since(began); took != 11*time.Millisecond {
			t.Errorf("ten refusals took %v, want the work of each and the wait of the last", took)
		}
	})
}

// TestARightPasswordWaitsForNothing.
func TestARightPasswordWaitsForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher(t, cheap)
		stored := hash(t, hasher, "violet")
		takesByWork(hasher)
		_ = hasher.VerifyNobody(t.Context(), "purple")
		before := time.Now()
		ok, _, err := hasher.Verify(t.Context(), stored, "violet")
		if took := time.Since(before); !ok || err != nil || took != time.Millisecond {
			t.Errorf("%v, %v after %v, want it right after its work", ok, err, took)
		}
	})
}

// TestThePaceOfRefusalsFollowsTheMachine: it rises at once and falls slowly, and what one refusal takes does not tell
// how long its own hash took.
func TestThePaceOfRefusalsFollowsTheMachine(t *testing.T) {
	t.Parallel()
	params := user.Params{MemoryKiB: 1 << 10, Time: 1, Threads: 1}
	for name, c := range map[string]struct {
		took []time.Duration
		want time.Duration // that the last refusal took
	}{
		"the first":            {[]time.Duration{100}, 200},
		"a slow one by itself": {[]time.Duration{100, 1000}, 200},
		"after a slow one":     {[]time.Duration{100, 1000, 100}, 2000},
		"falls by a 64th":      {[]time.Duration{740, 100, 100}, 1460},
		"a clock gone back":    {[]time.Duration{-100, 100}, 200},
		"bounded":              {[]time.Duration{time.Hour, 100}, 5 * time.Second},
	} {
		if got := user.RefusalAfter(params, c.took...); got != c.want {
			t.Errorf("%s: a refusal is told after %d ns, want %d", name, got, c.want)
		}
	}
	least := user.Params{MemoryKiB: 8, Time: 1, Threads: 1}
	if got := user.RefusalAfter(least, math.MaxInt64, 1); got != 5*time.Second {
		t.Errorf("the slowest machine refuses after %v", got)
	}
}
