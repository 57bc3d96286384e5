package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
)

// clocksEvery is how often the clocks are compared. A reading that takes longer than
// slowReading says too little about the moment of it.
const (
	clocksEvery = 5 * time.Second
	slowReading = 2 * time.Second
)

// verifierLeeway is how far ahead of a verifier's clock the time of a token may be before
// the verifier refuses it (pkg/verifier's default).
const verifierLeeway = 30 * time.Second

// readClocks reads every clock there is. In embedded mode there is one, this machine's.
func (a *App) readClocks(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, slowReading)
	defer cancel()
	var read clock.Clocks
	begun := time.Now()
	if a.ephemeral.clock != nil {
		database, err := ahead(ctx, a.store.Now)
		if err != nil {
			return fmt.Errorf("read the database's clock: %w", err)
		}
		redis, err := ahead(ctx, a.ephemeral.clock)
		if err != nil {
			return fmt.Errorf("read Redis's clock: %w", err)
		}
		read.Database, read.Redis = begun.Add(database), begun.Add(redis)
	}
	read.Machine = begun
	a.clocks.Note(read.Add(time.Since(begun)))
	a.tellClocks()
	return nil
}

// ahead asks a clock how far it is ahead of this machine's. The answer is taken for what
// the clock said halfway between the question and the answer.
func ahead(ctx context.Context, ask func(context.Context) (time.Time, error)) (time.Duration, error) {
	asked := time.Now()
	said, err := ask(ctx)
	if err != nil {
		return 0, err
	}
	return said.Sub(asked.Round(0)) - time.Since(asked)/2, nil
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
		fields = append(fields, string(offset.Name), signed(offset.Ahead))
	}
	a.log.Warn("a clock is wrong; set it right (times are relative to the median)", fields...)
}

// clockNotes tells operators which clock is wrong, and who would refuse new tokens because of it.
func clockNotes(now clock.Clocks, accessTTL time.Duration) []string {
	var notes []string
	if odd, is := now.Odd(); is {
		notes = append(notes, fmt.Sprintf("the clock of %s is wrong: %s against the two others; set it right", called(odd.Name), signed(odd.Ahead)))
	} else if !now.Agree() {
		notes = append(notes, "the clocks disagree: "+offsets(now)+"; set them right")
	}
	for _, offset := range now.Offsets() {
		ahead := now.Reliable().Sub(now.Median()) - offset.Ahead // of the tokens
		switch {
		case ahead > verifierLeeway:
			notes = append(notes, fmt.Sprintf("verifiers whose clock is that of %s refuse new tokens: they are %s ahead of it", called(offset.Name), ahead.Round(time.Second)))
		case -ahead >= accessTTL:
			notes = append(notes, fmt.Sprintf("verifiers whose clock is that of %s refuse new tokens: they are %s behind it, and have expired by it", called(offset.Name), -ahead.Round(time.Second)))
		}
	}
	return notes
}

func called(name clock.Name) string {
	switch name {
	case clock.Database:
		return "the database"
	case clock.Redis:
		return "Redis"
	default:
		return "this machine"
	}
}

func offsets(now clock.Clocks) string {
	var each []string
	for _, offset := range now.Offsets() {
		each = append(each, called(offset.Name)+" "+signed(offset.Ahead))
	}
	return strings.Join(each, ", ")
}

// signed writes an offset in whole seconds, with its sign.
func signed(d time.Duration) string {
	d = d.Round(time.Second)
	if d < 0 {
		return d.String()
	}
	return "+" + d.String()
}
