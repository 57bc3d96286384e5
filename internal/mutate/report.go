package main

import (
	"fmt"
	"io"
	"slices"
)

// report prints caught ÷ counted of each package and what survived, and returns
// whether every package reached its goal with a whole sample.
func report(out io.Writer, results []result, size int) bool {
	good := true
	fmt.Fprintf(out, "\n%-16s %8s %8s %6s %6s %s\n", "package", "caught", "counted", "share", "goal", "")
	for _, r := range results {
		n, of := r.score()
		note := ""
		switch {
		case of < min(size, len(r.mistakes)) && r.cut():
			note, good = "the time was over before the sample was tried", false
		case n*100 < of*r.target.goal:
			note, good = "below the goal", false
		}
		share := 0.0
		if of > 0 {
			share = 100 * float64(n) / float64(of)
		}
		fmt.Fprintf(out, "%-16s %8d %8d %5.0f%% %5d%% %s\n", r.target.name, n, of, share, r.target.goal, note)
	}
	section(out, "survived: no test noticed", results, func(t trial) bool { return t.outcome == survived && t.deep })
	section(out, "survived the package's own tests; for the others there was no time", results, func(t trial) bool { return t.outcome == survived && !t.deep })
	section(out, "hung: noticed by a deadline only", results, func(t trial) bool { return t.outcome == hung })
	for _, r := range results {
		if r.unchanged > 0 {
			fmt.Fprintf(out, "\n%s: %d mistakes change nothing (internal/mutate/unchanged.tsv says why)\n", r.target.name, r.unchanged)
		}
	}
	return good
}

// cut reports whether there were more mistakes to try.
func (r result) cut() bool {
	return len(r.tried) < len(r.mistakes) || slices.ContainsFunc(r.tried, func(t trial) bool { return t.outcome == untried })
}

// score is how many mistakes were caught, and how many count. A test that a mistake
// makes hang has not caught it.
func (r result) score() (n, of int) {
	for _, t := range r.tried {
		switch t.outcome {
		case caught:
			n, of = n+1, of+1
		case survived, hung:
			of++
		case stillborn, untried:
		}
	}
	return n, of
}

func section(out io.Writer, title string, results []result, belongs func(trial) bool) {
	began := false
	for _, r := range results {
		for _, t := range r.tried {
			if !belongs(t) {
				continue
			}
			if !began {
				fmt.Fprintf(out, "\n%s\n", title)
				began = true
			}
			fmt.Fprintf(out, "  %s\n    in %q, a line for unchanged.tsv if it changes nothing: %s\t%s\t%s\t%s\t%s\t%s\n",
				t.mistake, t.in, t.file, t.in, t.kind, t.was, t.now, noReason)
		}
	}
}

// list prints what could be planted.
func list(out io.Writer, samples []sample) error {
	for _, s := range samples {
		for _, m := range s.mistakes {
			if _, err := fmt.Fprintln(out, m); err != nil {
				return err
			}
		}
	}
	return nil
}
