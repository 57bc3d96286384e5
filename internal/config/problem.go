package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/text"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Key    string // the variable's name; empty where no key is concerned
	Source string // where the value came from, like `environment` or a path
	What   string // what is wrong
	Mend   string // how to mend it
}

// String gives the problem on one line.
func (p Problem) String() string {
	var line strings.Builder
	line.WriteString(p.Key)
	switch {
	case p.Key == "":
		line.WriteString(p.Source)
	case p.Source != "" && p.Source != p.Key:
		fmt.Fprintf(&line, " (%s)", p.Source)
	}
	fmt.Fprintf(&line, ": %s; %s", p.What, p.Mend)
	return line.String()
}

// Problems are all that is wrong with the configuration. A non-empty list is
// the error Load returns.
type Problems []Problem

// Error gives one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, 0, len(ps))
	for _, p := range ps {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// defect is what a parser has to say against a value; where the value came from
// is known to its caller only.
type defect struct{ what, mend string }

func (d *defect) Error() string { return d.what + "; " + d.mend }

func defectf(mend, format string, args ...any) error {
	return &defect{what: fmt.Sprintf(format, args...), mend: mend}
}

// maxQuoted bounds how much of a wrong value a problem repeats, in bytes.
const maxQuoted = 80

// quote repeats a value that is wrong and not secret. A value with an @ may
// hold a password that was meant for another key, so it is not repeated.
func quote(value string) string {
	if strings.Contains(value, "@") {
		return "the value (not shown, it may hold a password)"
	}
	if len(value) > maxQuoted {
		value = text.Cut(value, maxQuoted) + "…"
	}
	return strconv.Quote(value)
}
