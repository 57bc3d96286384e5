package user

import (
	"strings"

	"github.com/google/uuid"
)

// ParseID gives the id that an operator wrote, in the spelling of ours, and reports whether
// it is one. UUIDs are read in the four forms of RFC 9562 and its kin: with dashes, without
// them, in braces and as a URN.
func ParseID(word string) (id string, ok bool) {
	if uuid.Validate(word) != nil { // Parse alone takes any two characters for the braces
		return "", false
	}
	parsed, err := uuid.Parse(word)
	return parsed.String(), err == nil
}

const (
	uuidDigits   = 32
	keyIDLength  = 43 // base64url of a SHA-256 hash
	tokenPrefix  = "mrt_"
	keyIDLetters = "abcdefghijklmnopqrstuvwxyz0123456789-_"
)

// misreadAs lists why people or programs could take a new name for something else. Users of
// earlier versions may have such a name, so it is no rule of [CanonicalUsername].
func misreadAs(canonical string) (problems []Problem) {
	if ReadsAsID(canonical) {
		problems = append(problems, ProblemUsernameIsID)
	}
	if strings.HasPrefix(canonical, "-") || canonical != "" && strings.Trim(canonical, ".") == "" {
		problems = append(problems, ProblemUsernameStart)
	}
	return problems
}

// ReadsAsID reports whether a canonical name looks like the id of a user, a session, a request
// or a key, or like a refresh token: for a person, who sees no difference between o and 0, in
// any grouping of the digits.
func ReadsAsID(canonical string) bool {
	if strings.HasPrefix(canonical, tokenPrefix) {
		return true
	}
	if len(canonical) == keyIDLength && strings.Trim(canonical, keyIDLetters) == "" {
		return true
	}
	digits := strings.NewReplacer("urn:", "", "uuid:", "", "o", "0", "l", "1", "i", "1").Replace(canonical)
	digits = strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_.:(){}[]<>", r) {
			return -1
		}
		return r
	}, digits)
	return len(digits) == uuidDigits && strings.Trim(digits, "0123456789abcdef") == ""
}
