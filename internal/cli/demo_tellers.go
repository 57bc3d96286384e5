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

// narrator tells the story to a person.
type narrator struct {
	*shell
	ink   ink
	lines bool // not a terminal: nothing is written over
}

func newNarrator(s *shell) *narrator {
	_, person := terminal(s.stdout)
	return &narrator{shell: s, ink: s.ink(), lines: !person}
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

func (n *narrator) say(format string, args ...any) { fmt.Fprintf(n.stdout, format, args...) }

func (n *narrator) begin(issuer, weather string) {
	n.say("%s\n\n  authority        %s\n  weather service  %s\n", n.ink.bold("The story of a session"), clean(issuer), weather)
}

func (n *narrator) step(number int, title string) {
	n.say("\n%s\n", n.ink.bold(fmt.Sprintf("%d. %s", number, title)))
}

func (n *narrator) exchanged(e exchange) {
	n.say("   → %s %s\n", e.Method, clean(e.URL))
	n.members(e.Sent)
	n.say("   ← %d %s\n", e.Status, http.StatusText(e.Status))
	if e.Said != "" {
		n.say("       %s\n", e.Said)
	}
	n.members(e.Got)
}

func (n *narrator) members(members map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		n.say("       %s %s\n", n.ink.faint(fmt.Sprintf("%-14s", name)), clean(members[name]))
	}
}

func (n *narrator) decoded(c claims) {
	n.say("   %s\n", n.ink.faint("the access token says"))
	for _, claim := range [][2]string{
		{"iss", c.Issuer}, {"sub", c.Subject}, {"aud", strings.Join(c.Audience, " ")}, {"client_id", c.ClientID}, {"sid", c.SessionID},
		{"exp", fmt.Sprintf("%s, %d s after iat", stamp(time.Unix(c.Expiry, 0)), c.Expiry-c.IssuedAt)},
	} {
		n.say("       %s %s\n", n.ink.faint(fmt.Sprintf("%-14s", claim[0])), clean(claim[1]))
	}
}

// waiting counts down on a terminal, and says once elsewhere how long it will be.
func (n *narrator) waiting(ctx context.Context, until time.Time) error {
	if n.lines {
		n.say("   … %s\n", remaining(until))
		return sleep(ctx, until)
	}
	defer n.say("\r\x1b[K")
	for time.Now().Before(until) {
		n.say("\r\x1b[K   … %s", remaining(until))
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

func (n *narrator) judged(lesson string, differs error) {
	if differs != nil {
		n.say("   %s\n", n.ink.red("✗ "+oneLine(differs.Error())))
		return
	}
	n.say("   %s\n", n.ink.green("✓ "+lesson))
}

func (n *narrator) end(steps int, differs error) error {
	if differs != nil {
		return nil // told at its step, and by the command as it ends
	}
	n.say("\n%s\n", n.ink.green(fmt.Sprintf("All %d steps went as they should: a stolen refresh token costs its thief the session.", steps)))
	return nil
}

// ink colours what is said, or not.
type ink bool

func (i ink) bold(text string) string  { return i.paint("1", text) }
func (i ink) faint(text string) string { return i.paint("2", text) }
func (i ink) red(text string) string   { return i.paint("31", text) }
func (i ink) green(text string) string { return i.paint("32", text) }

func (i ink) paint(code, text string) string {
	if !i {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// transcript gathers the story for a program and prints it at its end.
type transcript struct {
	*shell
	told transcriptAnswer
}

type transcriptAnswer struct {
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

func (t *transcript) begin(issuer, weather string) { t.told.Issuer, t.told.Weather = issuer, weather }

func (t *transcript) step(number int, title string) {
	t.told.Steps = append(t.told.Steps, stepAnswer{Number: number, Title: title, Exchanges: []exchange{}})
}

func (t *transcript) current() *stepAnswer { return &t.told.Steps[len(t.told.Steps)-1] }

func (t *transcript) exchanged(e exchange) {
	t.current().Exchanges = append(t.current().Exchanges, e)
}

func (t *transcript) decoded(c claims) { t.current().Claims = &c }

func (t *transcript) waiting(ctx context.Context, until time.Time) error { return sleep(ctx, until) }

func (t *transcript) judged(lesson string, differs error) {
	t.current().OK, t.current().Lesson = differs == nil, lesson
	if differs != nil {
		t.current().Differs = oneLine(differs.Error())
	}
}

func (t *transcript) end(_ int, differs error) error {
	t.told.OK = differs == nil
	if differs != nil {
		t.told.Differs = oneLine(differs.Error())
	}
	return t.answerJSON(t.told)
}
