package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// told is a log of which a test reads what was said, while it is written.
type told struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *told) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// logger logs without the time, so that lines can be compared.
func (l *told) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// ticking runs a task in a bubble for that long and returns when it was done, since
// the begin, and what the log says.
func ticking(t *testing.T, run time.Duration, task task) (times []time.Duration, log string) {
	t.Helper()
	var said told
	a := &App{log: said.logger()}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun, do := time.Now(), task.do
	task.do = func(ctx context.Context) error {
		times = append(times, time.Since(begun))
		return do(ctx)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.tick(ctx, task)
	}()
	time.Sleep(run)
	synctest.Wait()
	cancel()
	<-ended
	return times, said.String()
}

func well(context.Context) error { return nil }

func wantTimes(t *testing.T, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("it was done at other times (-want +got):\n%s", diff)
	}
}

func TestATaskIsDoneAtOnceAndEveryInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times, log := ticking(t, 17*time.Second, task{"t", 5 * time.Second, 0, nil, well})
		wantTimes(t, times, 0, 5*time.Second, 10*time.Second, 15*time.Second)
		if log != "" {
			t.Errorf("the log says %s", log)
		}
	})
}

func TestHintsWithinAMomentAreFollowedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hint := make(chan struct{}, 1)
		for _, after := range []time.Duration{time.Second, time.Second + gatherFor/2, 3 * time.Second} {
			time.AfterFunc(after, func() {
				select {
				case hint <- struct{}{}:
				default:
				}
			})
		}
		times, _ := ticking(t, 4*time.Second, task{"t", time.Hour, 0, hint, well})
		// The second hint came while the first one gathered, and is followed after it.
		wantTimes(t, times, 0, time.Second+gatherFor, time.Second+2*gatherFor, 3*time.Second+gatherFor)
	})
}

func TestAFailingTaskIsLoggedOnceAndOnceWhenItRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		_, log := ticking(t, 9500*time.Millisecond, task{"keys", time.Second, 0, nil, func(context.Context) error {
			n++
			if n == 2 || n == 3 || n == 4 || n == 7 || n == 8 {
				return fmt.Errorf("trouble %d", n)
			}
			return nil
		}})
		const fails, again = `level=ERROR msg="background task fails; it will be tried again" task=keys err="trouble %d"` + "\n", `level=INFO msg="background task is well again" task=keys` + "\n"
		if want := fmt.Sprintf(fails+again+fails+again, 2, 7); log != want || n != 10 {
			t.Errorf("%d times, and the log says\n%s\nwant\n%s", n, log, want)
		}
	})
}

func TestATaskThatHangsIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times, log := ticking(t, 11*time.Second, task{"t", time.Second, 0, nil, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		wantTimes(t, times, 0, tickTimeout, 2*tickTimeout)
		if strings.Count(log, "deadline exceeded") != 1 {
			t.Errorf("the log says\n%s", log)
		}
	})
}

// TestTheEndOfATaskIsNotAFailure: a shutdown that cancels it must wake nobody.
func TestTheEndOfATaskIsNotAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times, log := ticking(t, time.Second, task{"t", time.Hour, 0, nil, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		if len(times) != 1 || log != "" {
			t.Errorf("done at %v, and the log says\n%s", times, log)
		}
	})
}

// heeding runs heed in a bubble for that long and returns when it awaited, how many
// hints it gave, and the log.
func heeding(t *testing.T, run time.Duration, await func(ctx context.Context, n int) error) (times []time.Duration, hints int, log string) {
	t.Helper()
	var said told
	a := &App{log: said.logger()}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hint, begun := make(chan struct{}, 1), time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.heed(ctx, func(ctx context.Context) error {
			times = append(times, time.Since(begun))
			return await(ctx, len(times))
		}, hint)
	}()
	for end := time.After(run); ; {
		select {
		case <-hint:
			hints++
			continue
		case <-end:
		}
		cancel()
		<-ended
		return times, hints, said.String()
	}
}

func TestAReplicaWithoutNoticesPollsRarelyAndLogsItOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times, hints, log := heeding(t, 12*time.Second, func(context.Context, int) error { return errors.New("deaf") })
		wantTimes(t, times, 0, awaitAgain, 2*awaitAgain)
		if hints != 0 || strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "err=deaf") {
			t.Errorf("%d hints, and the log says\n%s", hints, log)
		}
	})
}

func TestAnOutageOfNoticesIsWarnedAboutOnceForAllChannels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said told
		a := &App{log: said.logger()}
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		var channels sync.WaitGroup
		for range 2 {
			channels.Go(func() { a.heed(ctx, func(context.Context) error { return errors.New("deaf") }, nil) })
		}
		channels.Wait()
		if log := said.String(); strings.Count(log, "level=WARN") != 1 {
			t.Errorf("the log says\n%s", log)
		}
	})
}

func TestEveryNoticeIsPassedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times, hints, log := heeding(t, time.Minute, func(ctx context.Context, n int) error {
			switch {
			case n == 3 || n == 5: // trouble twice, each told
				return fmt.Errorf("trouble %d", n)
			case n > 6:
				<-ctx.Done()
				return ctx.Err()
			}
			time.Sleep(time.Second)
			return nil
		})
		wantTimes(t, times, 0, time.Second, 2*time.Second, 2*time.Second+awaitAgain, 3*time.Second+awaitAgain, 3*time.Second+2*awaitAgain, 4*time.Second+2*awaitAgain)
		if hints != 4 || strings.Count(log, "\n") != 2 || !strings.Contains(log, "trouble 3") || !strings.Contains(log, "trouble 5") {
			t.Errorf("%d hints, want 4; the log says\n%s", hints, log)
		}
	})
}

// TestAnUnreadHintBlocksNothing, and one that waits is enough.
func TestAnUnreadHintBlocksNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		hint, n := make(chan struct{}, 1), 0
		a := &App{log: slog.New(slog.DiscardHandler)}
		a.heed(ctx, func(context.Context) error {
			if n++; n == 5 {
				cancel()
			}
			return nil
		}, hint)
		if n != 5 || len(hint) != 1 {
			t.Errorf("%d notices and %d hints, want 5 and 1", n, len(hint))
		}
	})
}

// TestASweepGoesOnWhereItStopped, rests when it is through, and does nothing while the clocks disagree.
func TestASweepGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		defer h.Close()
		var begun []string
		batch := h.remover(24*time.Hour, func(_ context.Context, s audit.Sweep) (audit.Swept, error) {
			if got, want := s.Before, h.clocks.Now().Reliable().Add(-24*time.Hour); !got.Equal(want) {
				t.Errorf("removes what is before %s, want %s", got, want)
			}
			begun = append(begun, s.After)
			return audit.Swept{Last: []string{"a", "b", ""}[(len(begun)-1)%3], Removed: 1}, nil
		})
		rows := &sweep{name: "rows", batch: batch}
		for range 5 {
			if err := rows.once(t.Context()); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(sweepRest) // without a reading of the clocks, which is as good as none that agree
		if err := rows.once(t.Context()); err != nil || len(begun) != 3 {
			t.Errorf("%d batches, %v; want no fourth", len(begun), err)
		}
		time.Sleep(sweepRest)
		for range 2 {
			if err := h.readClocks(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.once(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(begun, []string{"", "a", "b", ""}); diff != "" || rows.done.Load() != 4 {
			t.Errorf("%d rows, batches behind (-got +want):\n%s", rows.done.Load(), diff)
		}
	})
}

func TestASweepThatHangsDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		hangs := func(ctx context.Context) (int, bool, error) {
			<-ctx.Done()
			return 0, false, ctx.Err()
		}
		h.sweeps = []*sweep{{name: "hangs", batch: hangs}, {name: "goes on", batch: func(context.Context) (int, bool, error) { return 1, true, nil }}}
		stop := h.run(t)
		time.Sleep(10*sweepEvery + sweepEvery/2)
		if rows := h.sweeps[1].done.Load(); rows != 11 {
			t.Errorf("%d batches in ten seconds, want 11", rows)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// sweptStore notes what it is to remove.
type sweptStore struct {
	durable
	events, sessions audit.Sweep
}

func (s *sweptStore) RemoveEvents(_ context.Context, sweep audit.Sweep) (audit.Swept, error) {
	s.events = sweep
	return audit.Swept{}, nil
}

func (s *sweptStore) RemoveSessions(_ context.Context, sweep audit.Sweep, _ time.Duration) (audit.Swept, error) {
	s.sessions = sweep
	return audit.Swept{}, nil
}

func TestEachRetentionReachesItsSweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t, "MINTMARK_AUDIT_RETENTION=48h", "MINTMARK_SESSION_RETENTION=72h")
		defer h.Close()
		store := &sweptStore{durable: h.store}
		h.store = store
		for _, s := range h.newSweeps() {
			if err := s.once(t.Context()); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		}
		now := h.clocks.Now().Reliable()
		if events, sessions := now.Sub(store.events.Before), now.Sub(store.sessions.Before); events != 48*time.Hour || sessions != 72*time.Hour {
			t.Errorf("events are removed after %s, sessions %s after their end; want 48h and 72h", events, sessions)
		}
	})
}
