package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// FlagError adds the nearest known flag to pflag's error about an unknown one;
// other errors pass unchanged. It fits cobra's SetFlagErrorFunc.
func FlagError(flags *pflag.FlagSet, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || len(unknown.GetSpecifiedName()) < 2 {
		return err
	}
	var known []string
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, f.Name)
		}
	})
	near, ok := nearest(unknown.GetSpecifiedName(), known)
	if !ok {
		return err
	}
	return fmt.Errorf("%w; the nearest known flag is --%s", err, near)
}

// nearest gives the known word with the smallest edit distance to word, the first
// of several, if it is near at all: the beginning of one, or at most half of it
// would have to change.
func nearest(word string, known []string) (string, bool) {
	// A name far longer than any key is as near to all of them, and the distance
	// costs the product of the lengths.
	const longest = 128
	if len(word) > longest {
		word = word[:longest]
	}
	best, least := "", -1
	for _, candidate := range known {
		if d := distance(word, candidate); least < 0 || d < least {
			best, least = candidate, d
		}
	}
	bearable := max(2, len(strings.TrimPrefix(word, prefix))/2)
	return best, least >= 0 && (least <= bearable || strings.HasPrefix(best, word))
}

// distance is the Levenshtein distance of two ASCII words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// The three spellings of a key: MINTMARK_HTTP_ADDR, http_addr, --http-addr.

func yamlName(variable string) string { return strings.ToLower(strings.TrimPrefix(variable, prefix)) }

func flagName(variable string) string { return strings.ReplaceAll(yamlName(variable), "_", "-") }
