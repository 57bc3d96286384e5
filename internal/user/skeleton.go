package user

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

//go:embed confusables.txt
var confusablesText string

// prototypes give for each character that looks like others the one that stands for them all.
var prototypes = sync.OnceValue(func() map[rune]string {
	table := map[rune]string{}
	for line := range strings.Lines(confusablesText) {
		prototype, characters, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "# ") {
			continue
		}
		for _, r := range characters {
			table[r] = prototype
		}
	}
	return table
})

// Skeleton gives the form under which names that look alike are one, whichever scripts they
// are written in: rnike and Mike, b0b and BOB, ivan, Ivan and lvan. It is for comparison only.
//
// It is the skeleton of UTS 39 §4 of the name as it is shown, taken twice because case counts
// for the eye and not for us: the capitals of one name may look like the letters of another,
// and so may its small letters. An i is an l here, since its capital looks like one. Other
// chains of case and likeness are not followed: by v, Ν, N and n, for one, half of the alphabet
// would be one letter.
func Skeleton(name string) string {
	shown := norm.NFKC.String(name)
	for range 2 {
		shown = strings.Map(foldCase, replaceConfusables(shown))
	}
	return strings.NewReplacer("i\u0307", "l", "l\u0307", "l", "i", "l").Replace(shown)
}

// foldCase goes through the upper case, as [CanonicalUsername] does.
func foldCase(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }

func replaceConfusables(s string) string {
	table := prototypes()
	var replaced strings.Builder
	for _, r := range norm.NFD.String(s) {
		if prototype, ok := table[r]; ok {
			replaced.WriteString(prototype)
		} else {
			replaced.WriteRune(r)
		}
	}
	return norm.NFD.String(replaced.String())
}
