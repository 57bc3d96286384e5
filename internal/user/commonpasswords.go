package user

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

//go:embed common_passwords.txt
var commonPasswordsText string

const (
	// fewPieces is the number of well-known pieces a password may be put
	// together from and still be guessed early: 900 words in threes are 10⁹.
	fewPieces = 3
	minPiece  = 3 // characters the pieces must have on the average to tell anything
	minRun    = 3 // characters along the keyboard or the alphabet that are one piece
	// shortUnit characters repeated are worth no more than once.
	shortUnit     = 6
	minDistinct   = 5
	maxDecoration = 8 // digits and punctuation at the ends that add nothing
)

// commonPasswords recognises passwords that guessing programs try first. A plain
// list of the most common ones would refuse little, since few have the twelve
// characters we ask for; what people do to lengthen them is undone instead.
type commonPasswords struct {
	words   map[string]struct{} // lower case letters and digits
	longest int                 // bytes
	rows    []row
	unleet  *strings.Replacer
}

// parseCommonPasswords reads one word a line; # starts a comment.
func parseCommonPasswords(text string) commonPasswords {
	c := commonPasswords{
		words:  map[string]struct{}{},
		rows:   rows(),
		unleet: strings.NewReplacer("0", "o", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "+", "t", "8", "b", "9", "g", "!", "i"),
	}
	for line := range strings.Lines(text) {
		word, _, _ := strings.Cut(line, "#")
		if word = strings.TrimSpace(word); word != "" {
			c.words[word] = struct{}{}
			c.longest = max(c.longest, len(word))
		}
	}
	return c
}

// contains reports whether the password, after [comparable], is a repetition of few characters, or
// consists of at most three well-known pieces (words of the list, years, runs
// along the keyboard or the alphabet, single characters) when case, separators,
// the usual substitutions of letters and what surrounds it are left out.
func (c commonPasswords) contains(password string) bool {
	lower := comparable(password)
	if repeatsShortUnit(lower) || distinctCharacters(lower) < minDistinct {
		return true
	}
	if c.guessable(lower) {
		return true
	}
	core := trimEnds(lower)
	decoration := utf8.RuneCountInString(lower) - utf8.RuneCountInString(core)
	return decoration <= maxDecoration && c.guessable(core)
}

// comparable gives the form in which a password is compared with what is well known: NFKC,
// since programs that guess try fullwidth and other compatibility forms as well, and lower
// case. The password itself stays as it was typed.
func comparable(password string) string {
	return strings.ToLower(norm.NFKC.String(password))
}

// guessable tries the password as it is, without separators, and with its
// substitutions undone; 1 stands for i as well as for l.
func (c commonPasswords) guessable(s string) bool {
	plain := c.unleet.Replace(s)
	for _, spelling := range []string{
		s,
		lettersAndDigits(s),
		lettersAndDigits(strings.ReplaceAll(plain, "1", "i")),
		lettersAndDigits(strings.ReplaceAll(plain, "1", "l")),
	} {
		if spelling != "" && c.pieces(spelling) <= min(fewPieces, utf8.RuneCountInString(spelling)/minPiece) {
			return true
		}
	}
	return false
}

// pieces is the least number of well-known pieces that give s in a row, as long
// as that is no more than fewPieces, and more than that otherwise.
func (c commonPasswords) pieces(s string) int {
	least := make([]int, len(s)+1) // least[i]: pieces for s[:i]
	for i := range least {
		least[i] = i
	}
	reach := func(end, pieces int) { least[end] = min(least[end], pieces) }
	for i, r := range s {
		if least[i] >= fewPieces {
			continue // too many already, whatever follows
		}
		next := least[i] + 1
		reach(i+utf8.RuneLen(r), next)
		for end := i + 2; end <= min(i+c.longest, len(s)); end++ {
			if _, known := c.words[s[i:end]]; known {
				reach(end, next)
			}
		}
		if isYear(s[i:]) {
			reach(i+4, next)
		}
		eachRepetitionEnd(s[i:], func(n int) { reach(i+n, next) })
		for _, row := range c.rows {
			row.eachRunEnd(s[i:], func(n int) { reach(i+n, next) })
		}
	}
	return least[len(s)]
}

// eachRepetitionEnd is the same for one character again and again.
func eachRepetitionEnd(s string, end func(n int)) {
	first, size := utf8.DecodeRuneInString(s)
	for n, count := size, 2; n < len(s); n, count = n+size, count+1 {
		if r, _ := utf8.DecodeRuneInString(s[n:]); r != first {
			return
		}
		if count >= minRun {
			end(n + size)
		}
	}
}

// row is an order in which fingers and minds run, in both directions.
type row struct {
	characters []rune
	endless    bool // after the last comes the first
}

// eachRunEnd calls end with the length in bytes of every run at the start of s:
// the characters of the row in their order or backwards.
func (w row) eachRunEnd(s string, end func(n int)) {
	first, size := utf8.DecodeRuneInString(s)
	start := slices.Index(w.characters, first)
	if start < 0 {
		return
	}
	for _, step := range []int{1, -1} {
		n, at := size, start
		for count := 2; n < len(s); count++ {
			r, width := utf8.DecodeRuneInString(s[n:])
			if at = w.next(at, step); at < 0 || w.characters[at] != r {
				break
			}
			if n += width; count >= minRun {
				end(n)
			}
		}
	}
}

// next is the place one step on, or -1 beyond the ends.
func (w row) next(at, step int) int {
	length := len(w.characters)
	if w.endless {
		return (at + step + length) % length
	}
	if at += step; at == length {
		return -1
	}
	return at
}

func rows() []row {
	all := []row{
		{[]rune("abcdefghijklmnopqrstuvwxyz"), true},
		{[]rune("1234567890"), true},
	}
	for _, keys := range []string{
		"qwertyuiop", "asdfghjkl", "zxcvbnm",
		"qwertzuiopü", "asdfghjklöä", "yxcvbnm",
		"azertyuiop", "qsdfghjklm", "wxcvbn",
		"1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm", "zaq12wsxcde34rfvbgt56yhn",
		"1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "147258369", "!@#$%^&*()_+",
		"йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю", "абвгдежзийклмнопрстуфхцчшщъыьэюя",
	} {
		all = append(all, row{characters: []rune(keys)})
	}
	return all
}

// isYear reports whether s starts with a year people have in mind.
func isYear(s string) bool {
	return len(s) >= 4 && (s[:2] == "19" || s[:2] == "20") && isDigit(s[2]) && isDigit(s[3])
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// repeatsShortUnit reports whether s is a unit of few characters again and again;
// the last time may be cut short.
func repeatsShortUnit(s string) bool {
	runes := []rune(s)
	for unit := 1; unit <= min(shortUnit, len(runes)/2); unit++ {
		same := unit
		for same < len(runes) && runes[same] == runes[same-unit] {
			same++
		}
		if same == len(runes) {
			return true
		}
	}
	return false
}

func distinctCharacters(s string) int {
	seen := map[rune]struct{}{}
	for _, r := range s {
		seen[r] = struct{}{}
	}
	return len(seen)
}

// trimEnds takes off the digits, punctuation and spaces around a word.
func trimEnds(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
}

func lettersAndDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}
