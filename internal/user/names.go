package user

import (
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

// Problem is one reason why a registration or a password is refused: a whole
// sentence for the person who typed it. It never repeats what they typed.
type Problem string

func (p Problem) Error() string { return string(p) }

// Problems of a name and of an address.
const (
	ProblemUsernameLength     Problem = "Username must have 1 to 64 characters."
	ProblemUsernameCharacters Problem = "Username may hold letters, digits and ASCII punctuation, without spaces, invisible or decorated characters."
	ProblemUsernameScripts    Problem = "Username must not mix letters of different scripts."
	ProblemUsernameIsAddress  Problem = "Username may hold an @ only if it is the e-mail address itself."
	ProblemUsernameIsID       Problem = "Username must not read as an id, such as a UUID."
	ProblemUsernameStart      Problem = "Username must not begin with a - and must not consist of dots."
	ProblemEmail              Problem = "Email must be one plain address such as name@example.com, at most 254 bytes long."
)

const (
	maxUsername = 64 // characters
	maxEmail    = 254
	maxLocal    = 64 // octets, RFC 5321 §4.5.3.1.1
	// maxNameBytes ends the work on a name before it starts: no acceptable name
	// is longer, decomposed and in four-byte characters though it may be.
	maxNameBytes = 1024
)

// CanonicalUsername gives the one form under which all spellings of a name are
// the same user, or the [Problem] with the name. Look users up and count their
// attempts by it; show the name as it was typed.
//
// It is UsernameCaseMapped of RFC 8265 §3.3 (width and case folded, NFC, no
// spaces, compatibility characters or controls), and stricter where a reader
// could take one name for another: letters are the same if their upper case is
// (ı and i, ς and σ), a dot put above an i is the i, zero-width joiners are
// refused, and so are names that start with a combining mark or mix scripts
// otherwise than Japanese, Chinese and Korean do with Latin.
func CanonicalUsername(name string) (string, error) {
	if name == "" || len(name) > maxNameBytes {
		return "", ProblemUsernameLength
	}
	folded, err := foldName(name)
	if err != nil {
		return "", err
	}
	if utf8.RuneCountInString(folded) > maxUsername {
		return "", ProblemUsernameLength
	}
	return folded, nil
}

// CanonicalEmail gives the one form under which all spellings of an address are
// the same mailbox, or [ProblemEmail]. Mail goes to the address as it was typed
// at registration, never to one typed into a later form.
//
// The address must be one bare mailbox: net/mail must read exactly the input
// (no display name, comment, quoting, group, route or folding), with a host name
// after the @. Case is folded in both parts, though RFC 5321 §2.4 lets the part
// before the @ depend on it: no provider does, and two users must not differ by
// it. That part otherwise follows [CanonicalUsername], dots and +tags count. The
// host becomes its A-labels (RFC 5890), so that bücher.example and
// xn--bcher-kva.example are one. An address that is not ASCII may not become
// ASCII by folding: its mail could reach another one's mailbox.
func CanonicalEmail(address string) (string, error) {
	if len(address) > maxEmail || strings.Count(address, "@") != 1 {
		return "", ProblemEmail
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Name != "" || parsed.Address != address {
		return "", ProblemEmail
	}
	local, host, _ := strings.Cut(address, "@")
	canonicalLocal, err := foldName(local)
	if err != nil || len(canonicalLocal) > maxLocal || isASCII(canonicalLocal) != isASCII(local) {
		return "", ProblemEmail
	}
	canonicalHost, err := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.VerifyDNSLength(true)).ToASCII(host)
	if err != nil || strings.HasSuffix(canonicalHost, ".") || !isASCII(host) && !strings.Contains(canonicalHost, "xn--") {
		return "", ProblemEmail
	}
	canonical := canonicalLocal + "@" + canonicalHost
	if len(canonical) > maxEmail {
		return "", ProblemEmail
	}
	return canonical, nil
}

// foldName folds a name to its one spelling. Names whose folding is not stable
// have no one spelling and are refused.
func foldName(name string) (string, error) {
	folded, err := foldOnce(name)
	if err != nil {
		return "", err
	}
	if again, err := foldOnce(folded); err != nil || again != folded {
		return "", ProblemUsernameCharacters
	}
	if first, _ := utf8.DecodeRuneInString(folded); unicode.IsMark(first) {
		return "", ProblemUsernameCharacters
	}
	if mixesScripts(folded) {
		return "", ProblemUsernameScripts
	}
	return folded, nil
}

func foldOnce(name string) (string, error) {
	if !utf8.ValidString(name) || strings.ContainsAny(name, "\u200c\u200d") {
		return "", ProblemUsernameCharacters
	}
	// Through the upper case, so that letters that share it become one.
	caseless := strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, norm.NFC.String(name))
	enforced, err := precis.UsernameCaseMapped.String(caseless)
	if err != nil || enforced == "" {
		return "", ProblemUsernameCharacters
	}
	// The dot of an i is "soft": a second one shows as the first (Unicode §7.1).
	return strings.ReplaceAll(enforced, "i\u0307", "i"), nil
}

// mixesScripts reports whether the letters come from scripts that no language
// writes together, by the Highly Restrictive level of UTS 39 §5.2.
func mixesScripts(name string) bool {
	if isASCII(name) {
		return false
	}
	scripts := scriptsOf(name)
	if len(scripts) <= 1 {
		return false
	}
	together := [][]string{
		{"Latin", "Han", "Hiragana", "Katakana"},
		{"Latin", "Han", "Bopomofo"},
		{"Latin", "Han", "Hangul"},
	}
	return !slices.ContainsFunc(together, func(allowed []string) bool {
		return !slices.ContainsFunc(scripts, func(s string) bool { return !slices.Contains(allowed, s) })
	})
}

// scriptsOf lists the scripts of the characters that belong to one.
func scriptsOf(name string) []string {
	var scripts []string
	for _, r := range name {
		if unicode.In(r, unicode.Common, unicode.Inherited) ||
			slices.ContainsFunc(scripts, func(s string) bool { return unicode.Is(unicode.Scripts[s], r) }) {
			continue
		}
		for script, table := range unicode.Scripts {
			if unicode.Is(table, r) {
				scripts = append(scripts, script)
				break
			}
		}
	}
	return scripts
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
