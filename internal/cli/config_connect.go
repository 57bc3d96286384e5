package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
)

// unmet are the dependencies that serve would miss, each on a line of its own.
type unmet []error

func (u unmet) Error() string   { return errors.Join(u...).Error() }
func (u unmet) Unwrap() []error { return u }

// connect checks what the configuration depends on, and tells people of it.
func (s *shell) connect(ctx context.Context, cfg config.Config) ([]findingAnswer, error) {
	findings := app.Connect(ctx, cfg)
	answer := make([]findingAnswer, 0, len(findings))
	var missing unmet
	for _, f := range findings {
		answer = append(answer, newFindingAnswer(f))
		if f.Err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", f.Name, f.Err))
		}
	}
	if len(missing) > 0 {
		return answer, missing
	}
	return answer, nil
}

// printConnected tells people what was found well, or nearly so; errors are told as such.
func (s *shell) printConnected(findings []findingAnswer) {
	for _, f := range findings {
		switch f.Level {
		case levelGood:
			fmt.Fprintf(s.stdout, "%s: %s\n", f.Name, clean(f.What))
		case levelWarning:
			fmt.Fprintf(s.stdout, "warning: %s: %s\n", f.Name, clean(f.What))
		}
	}
}

// The levels of a finding.
const (
	levelGood    = "good"
	levelWarning = "warning"
	levelBad     = "bad"
)

type findingAnswer struct {
	Name  string `json:"name"`
	Level string `json:"level"`
	What  string `json:"what"`
}

func newFindingAnswer(f app.Finding) findingAnswer {
	answer := findingAnswer{Name: f.Name, Level: levelGood, What: oneLine(f.What)}
	switch {
	case f.Err != nil:
		answer.Level = levelBad
	case f.Warn:
		answer.Level = levelWarning
	}
	return answer
}
