package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/mintmark-auth/mintmark/internal/text"
)

// outliveReaders lets the process go on when whoever reads its output or its log has gone. A process that doesn't ask
// for this dies of SIGPIPE, which is right where output is all that a command is for.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }

// written remembers a failed write, so that no command ends with 0 if its output was lost. A reader that has gone has
// lost nothing.
type written struct {
	io.Writer
	failed error // the first one
}

func (w *written) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		return len(p), nil
	}
	if err != nil && w.failed == nil {
		w.failed = fmt.Errorf("write the answer: %w; check where the output goes", err)
	}
	return n, err
}

// Fd is the descriptor of what is written to, if that has one.
func (w *written) Fd() uintptr {
	if file, ok := w.Writer.(interface{ Fd() uintptr }); ok {
		return file.Fd()
	}
	return ^uintptr(0)
}

// format is what answers look like.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
)

func (f *format) String() string { return string(*f) }
func (*format) Type() string     { return "format" }
func (f *format) Set(text string) error {
	if format(text) != formatTable && format(text) != formatJSON {
		return fmt.Errorf("it is table or json")
	}
	*f = format(text)
	return nil
}

// table is an answer for people.
type table struct {
	head  []string // nil: the first column names what the second says
	rows  [][]string
	empty string // said on stderr where there are no rows
}

// answer prints value as JSON, or the table that says the same.
func (s *shell) answer(value any, t table) error {
	if s.output == formatJSON {
		return s.answerJSON(value)
	}
	if len(t.rows) == 0 {
		fmt.Fprintln(s.stderr, t.empty)
		return nil
	}
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	if t.head != nil {
		fmt.Fprintln(w, strings.Join(t.head, "\t"))
	}
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = clean(cell)
			if cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

func (s *shell) answerJSON(value any) error {
	encoder := json.NewEncoder(s.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// done says what was done, for people on stderr as it is no answer, else as JSON.
func (s *shell) done(value any, format string, args ...any) error {
	if s.output == formatJSON {
		return s.answerJSON(value)
	}
	fmt.Fprintln(s.stderr, clean(fmt.Sprintf(format, args...)))
	return nil
}

// clean keeps a text on its line, and lets what can't be seen be seen: user agents and the like are written by
// strangers.
func clean(s string) string { return text.Visible(s) }

// stamp writes a time, or nothing for the zero one.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// stampWithAge adds how long ago that was, or in how long it will be.
func stampWithAge(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return ""
	case d < 0:
		return stamp(t) + " (in " + span(-d) + ")"
	default:
		return stamp(t) + " (" + span(d) + " ago)"
	}
}

// span writes a duration in its largest whole unit.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}
