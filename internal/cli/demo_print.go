package cli

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// sleep waits until then, or ctx ends.
func sleep(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// textPrinter prints the story for a person.
type textPrinter struct {
	*shell
	ink   ink
	lines bool // not a terminal: nothing is written over
}

func newTextPrinter(s *shell) *textPrinter {
	_, person := terminal(s.stdout)
	return &textPrinter{shell: s, ink: s.ink(), lines: !person}
}

// ink is colour where a person reads who wants it.
func (s *shell) ink() ink {
	_, person := terminal(s.stdout)
	plain := slices.ContainsFunc(s.environ, func(entry string) bool {
		value, ok := strings.CutPrefix(entry, "NO_COLOR=") // no-color.org
		return ok && value != "" || entry == "TERM=dumb"
	})
	return ink(person && !plain)
}

func (p *textPrinter) begin(issuer, weather string) {
	p.say("%s\n\n  authority        %s\n  weather service  %s\n", p.ink.bold("The story of a session"), issuer, weather)
}

func (p *textPrinter) step(number int, title string) {
	p.say("\n%s\n", p.ink.bold(fmt.Sprintf("%d. %s", number, title)))
}

func (p *textPrinter) exchanged(e exchange) {
	p.say("   → %s %s\n", e.Method, e.URL)
	p.members(e.Sent)
	p.say("   ← %d %s\n", e.Status, http.StatusText(e.Status))
	if e.Said != "" {
		p.say("       %s\n", e.Said)
	}
	p.members(e.Got)
}

func (p *textPrinter) members(members map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		p.say("       %s %s\n", p.ink.faint(fmt.Sprintf("%-14s", name)), members[name])
	}
}

func (p *textPrinter) decoded(c claims) {
	p.say("   %s\n", p.ink.faint("the access token says"))
	for _, claim := range [][2]string{
		{"iss", c.Issuer}, {"sub", c.Subject}, {"aud", strings.Join(c.Audience, " ")}, {"client_id", c.ClientID}, {"sid", c.SessionID},
		{"exp", fmt.Sprintf("%s, %d s after iat", stamp(time.Unix(c.Expiry, 0)), c.Expiry-c.IssuedAt)},
	} {
		p.say("       %s %s\n", p.ink.faint(fmt.Sprintf("%-14s", claim[0])), claim[1])
	}
}

// waiting counts down on a terminal, and says once elsewhere how long it will be.
func (p *textPrinter) waiting(ctx context.Context, until time.Time) error {
	if p.lines {
		p.say("   … %s\n", remaining(until))
		return sleep(ctx, until)
	}
	defer p.say("\r\x1b[K")
	for time.Now().Before(until) {
		p.say("\r\x1b[K   … %s", remaining(until))
		next := time.Now().Add(200 * time.Millisecond)
		if next.After(until) {
			next = until
		}
		if err := sleep(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

func remaining(until time.Time) string {
	return max(0, time.Until(until)).Round(100*time.Millisecond).String() + " until it expires"
}

func (p *textPrinter) judged(lesson string, differs error) {
	if differs != nil {
		p.say("   %s\n", p.ink.red("✗ "+oneLine(differs.Error())))
		return
	}
	p.say("   %s\n", p.ink.green("✓ "+lesson))
}

func (p *textPrinter) end(steps int, differs error) error {
	if differs != nil {
		return nil // printed at its step, and by the command as it ends
	}
	p.say("\n%s\n", p.ink.green(fmt.Sprintf("All %d steps went as expected: the thief of a refresh token loses the session.", steps)))
	return nil
}

// painted is text in colour, in which nothing else is left that a terminal obeys.
type painted string

// say prints what is painted as it is, and other texts clean.
func (s *shell) say(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = clean(text)
		}
	}
	fmt.Fprintf(s.canvas, format, args...)
}

// ink colours what is said, or not.
type ink bool

func (i ink) bold(text string) painted  { return i.paint("1", text) }
func (i ink) faint(text string) painted { return i.paint("2", text) }
func (i ink) red(text string) painted   { return i.paint("31", text) }
func (i ink) green(text string) painted { return i.paint("32", text) }

func (i ink) paint(code, text string) painted {
	text = clean(text)
	if !i {
		return painted(text)
	}
	return painted("\x1b[" + code + "m" + text + "\x1b[0m")
}

// jsonPrinter gathers the story and prints it at its end, for a program.
type jsonPrinter struct {
	*shell
	story storyAnswer
}

type storyAnswer struct {
	Issuer  string       `json:"issuer"`
	Weather string       `json:"weather"`
	OK      bool         `json:"ok"`
	Differs string       `json:"differs,omitempty"`
	Steps   []stepAnswer `json:"steps"`
}

type stepAnswer struct {
	Number    int        `json:"number"`
	Title     string     `json:"title"`
	Exchanges []exchange `json:"exchanges"`
	Claims    *claims    `json:"claims,omitempty"`
	OK        bool       `json:"ok"`
	Lesson    string     `json:"lesson"`
	Differs   string     `json:"differs,omitempty"`
}

func (p *jsonPrinter) begin(issuer, weather string) {
	p.story.Issuer, p.story.Weather = issuer, weather
}

func (p *jsonPrinter) step(number int, title string) {
	p.story.Steps = append(p.story.Steps, stepAnswer{Number: number, Title: title, Exchanges: []exchange{}})
}

func (p *jsonPrinter) current() *stepAnswer { return &p.story.Steps[len(p.story.Steps)-1] }

func (p *jsonPrinter) exchanged(e exchange) {
	p.current().Exchanges = append(p.current().Exchanges, e)
}

func (p *jsonPrinter) decoded(c claims) { p.current().Claims = &c }

func (p *jsonPrinter) waiting(ctx context.Context, until time.Time) error { return sleep(ctx, until) }

func (p *jsonPrinter) judged(lesson string, differs error) {
	p.current().OK, p.current().Lesson = differs == nil, lesson
	if differs != nil {
		p.current().Differs = oneLine(differs.Error())
	}
}

func (p *jsonPrinter) end(_ int, differs error) error {
	p.story.OK = differs == nil
	if differs != nil {
		p.story.Differs = oneLine(differs.Error())
	}
	return p.answerJSON(p.story)
}
