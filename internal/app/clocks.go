package app

import (
	"context"
	"fmt"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
)

// clocksEvery is how often the clocks are compared, and clocksSoon how soon again while they disagree: one that was set
// right counts as wrong until then, and another must not be wrong at the same time. A reading that takes longer than
// slowReading says too little about the moment of it.
const (
	clocksEvery = 5 * time.Second
	clocksSoon  = time.Second
	slowReading = 2 * time.Second
)

// verifierLeeway is how far ahead of a verifier's clock the time of a token may be before
// the verifier refuses it (pkg/verifier's default).
const verifierLeeway = 30 * time.Second

// asked is a clock that is read by asking for it.
type asked = func(context.Context) (time.Time, error)

// readClocks reads every clock there is. In embedded mode there is one, this machine's.
func (a *App) readClocks(ctx context.Context) error {
	read := clock.Clocks{Machine: time.Now()}
	if a.ephemeral.clock != nil {
		var err error
		if read, err = compareClocks(ctx, a.store.Now, a.ephemeral.clock); err != nil {
			return err
		}
	}
	a.clocks.Note(read)
	a.tellClocks()
	if !read.Agree() {
		time.AfterFunc(clocksSoon, a.readClocksSoon)
	}
	return nil
}

func (a *App) readClocksSoon() {
	select {
	case a.clocksApart <- struct{}{}:
	default: // one waits already
	}
}

// compareClocks says what the clocks of this machine, the database and Redis say now.
func compareClocks(ctx context.Context, ofDatabase, ofRedis asked) (clock.Clocks, error) {
	ctx, cancel := context.WithTimeout(ctx, slowReading)
	defer cancel()
	begun := time.Now()
	database, err := ahead(ctx, ofDatabase)
	if err != nil {
		return clock.Clocks{}, fmt.Errorf("read the database's clock: %w", err)
	}
	redis, err := ahead(ctx, ofRedis)
	if err != nil {
		return clock.Clocks{}, fmt.Errorf("read Redis's clock: %w", err)
	}
	read := clock.Clocks{Machine: begun, Database: begun.Add(database), Redis: begun.Add(redis)}
	return read.Add(time.Since(begun)), nil
}

// compared are clocks that an operator's command has read as it began, and relies on while it
// runs. What depends on it asks the database again.
type compared struct {
	*clock.Watch
	agreed bool // at two readings
}

// Agree implements [keyring.Clocks].
func (c compared) Agree() bool { return c.agreed && c.Now().Agree() }

// clocks compares the clocks for an operator's order. Where the database or Redis is out of
// reach, nothing is known of its clock, and the clocks don't agree; an emergency must not wait
// for Redis.
func (s *Stores) clocks(ctx context.Context, cfg config.Config) keyring.Clocks {
	if cfg.Mode() == config.Embedded {
		return keyring.DatabaseClock{}
	}
	known := compared{Watch: clock.NewWatch(nil)}
	ctx, cancel := context.WithTimeout(ctx, slowReading)
	defer cancel()
	inRedis, err := openRedis(ctx, cfg, nil)
	if err != nil {
		return known
	}
	defer inRedis.Close()
	for range 2 {
		read, err := compareClocks(ctx, s.durable.Now, inRedis.Now)
		if err != nil {
			return known
		}
		known.Note(read)
	}
	known.agreed = known.Watch.Agree()
	return known
}

// ahead asks a clock how far it is ahead of this machine's. The answer is taken for what
// the clock said halfway between the question and the answer.
func ahead(ctx context.Context, ask asked) (time.Duration, error) {
	begun := time.Now()
	said, err := ask(ctx)
	if err != nil {
		return 0, err
	}
	return said.Sub(begun.Round(0)) - time.Since(begun)/2, nil
}

// tellClocks logs when another clock than before is wrong, and when all agree again.
func (a *App) tellClocks() {
	now := a.clocks.Now()
	wrong := ""
	if odd, is := now.Odd(); is {
		wrong = string(odd.Name)
	} else if !now.Agree() {
		wrong = "which one is not known"
	}
	if wrong == a.wrongClock {
		return
	}
	a.wrongClock = wrong
	if wrong == "" {
		a.log.Info("the clocks agree again")
		return
	}
	fields := []any{"wrong", wrong}
	for _, offset := range now.Offsets() {
		fields = append(fields, string(offset.Name), clock.Signed(offset.Ahead))
	}
	a.log.Warn("a clock is wrong; set it right (times are relative to the median)", fields...)
}

// clockNotes tells operators which clock is wrong, and who would refuse new tokens because of it.
func clockNotes(now clock.Clocks, accessTTL time.Duration) []string {
	var notes []string
	if odd, is := now.Odd(); is {
		notes = append(notes, fmt.Sprintf("the clock of %s is wrong: %s against the two others; set it right", odd.Name.Whose(), clock.Signed(odd.Ahead)))
	} else if !now.Agree() {
		notes = append(notes, "the clocks disagree: "+now.String()+"; set them right")
	}
	for _, offset := range now.Offsets() {
		ahead := now.Reliable().Sub(now.Median()) - offset.Ahead // of the tokens
		switch {
		case ahead > verifierLeeway:
			notes = append(notes, fmt.Sprintf("verifiers whose clock is that of %s refuse new tokens: they are %s ahead of it", offset.Name.Whose(), ahead.Round(time.Second)))
		case -ahead >= accessTTL:
			notes = append(notes, fmt.Sprintf("verifiers whose clock is that of %s refuse new tokens: they are %s behind it, and have expired by it", offset.Name.Whose(), -ahead.Round(time.Second)))
		}
	}
	return notes
}
