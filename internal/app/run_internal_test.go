package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mintmark-auth/mintmark/internal/revocation"
)

// TestHintsDoNotHurryATaskMoreThanItsPace: repeated logouts don't make lists be signed more
// often.
func TestHintsDoNotHurryATaskMoreThanItsPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hint := make(chan struct{}, 1)
		var begins []time.Time
		a := &App{log: slog.New(slog.DiscardHandler)}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.tick(ctx, task{"lists", revocation.PollEvery, revocation.Apart, hint, func(context.Context) error {
				begins = append(begins, time.Now())
				return nil
			}})
		}()
		for range 1000 {
			select {
			case hint <- struct{}{}:
			default:
			}
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
		<-ended
		for i := 1; i < len(begins); i++ {
			if gap := begins[i].Sub(begins[i-1]); gap < revocation.Apart || gap > revocation.PollEvery {
				t.Fatalf("%s between two, want at least %s", gap, revocation.Apart)
			}
		}
		if len(begins) < 10 {
			t.Errorf("it happened %d times in 5 s", len(begins))
		}
	})
}

// neverRead is a store of which nothing can be read in time.
type neverRead struct{ err error }

func (s neverRead) Revoked(ctx context.Context, _ revocation.Page) (revocation.Reading, error) {
	if s.err != nil {
		return revocation.Reading{}, s.err
	}
	<-ctx.Done()
	return revocation.Reading{}, ctx.Err()
}

// TestListsThatTakeLongToReadDoNotHoldUpTheStart, but a database that says no does.
func TestListsThatTakeLongToReadDoNotHoldUpTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("database is down")
		for _, want := range []error{nil, down} {
			var log bytes.Buffer
			a := &App{
				log:   slog.New(slog.NewTextHandler(&log, nil)),
				lists: revocation.New(revocation.Config{Store: neverRead{want}}),
			}
			if err := a.readLists(t.Context()); !errors.Is(err, want) || (log.Len() > 0) != (want == nil) {
				t.Errorf("got %v and the log %q, want %v", err, &log, want)
			}
			if _, _, err := a.lists.Newer(t.Context(), 0, revocation.Held{}, 0); !errors.Is(err, revocation.ErrStale) {
				t.Errorf("a list that was not read: %v, want %v", err, revocation.ErrStale)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		a := &App{log: slog.New(slog.DiscardHandler), lists: revocation.New(revocation.Config{Store: neverRead{}})}
		if err := a.readLists(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a start that is given up: %v", err)
		}
	})
}
