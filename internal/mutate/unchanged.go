package main

import (
	_ "embed"
	"fmt"
	"strings"
)

// unchangedText lists the mistakes without any observable effect, one per line: file,
// function, kind, what stands there, what would, and why it is the same.
//
//go:embed unchanged.tsv
var unchangedText string

// noReason stands in the report where the reason belongs.
const noReason = "WHY"

// unchanged holds why a mistake changes nothing, by what the mistake is.
type unchanged map[identity]string

// identity distinguishes mistakes without line numbers, which every edit moves.
type identity struct {
	file, in string
	kind     kind
	was, now string
}

func (m mistake) identity() identity { return identity{m.file, m.in, m.kind, m.was, m.now} }

func readUnchanged(text string) (unchanged, error) {
	u := make(unchanged)
	for i, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 6 || strings.TrimSpace(f[5]) == "" || f[5] == noReason {
			return nil, fmt.Errorf("unchanged.tsv:%d has %d columns, want file, function, kind, was, now and the reason, with tabs between them", i+1, len(f))
		}
		u[identity{f[0], f[1], kind(f[2]), f[3], f[4]}] = f[5]
	}
	return u, nil
}

// split parts the mistakes that count from those that change nothing.
func (u unchanged) split(all []mistake) (counted, same []mistake) {
	for _, m := range all {
		if _, ok := u[m.identity()]; ok {
			same = append(same, m)
		} else {
			counted = append(counted, m)
		}
	}
	return counted, same
}
