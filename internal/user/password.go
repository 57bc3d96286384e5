package user

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/text"
)

// Problems of a password, besides problemPasswordTooShort.
const (
	ProblemPasswordMissing          Problem = "Password must not be empty."
	ProblemPasswordTooLong          Problem = "Password must have at most 256 characters."
	ProblemPasswordText             Problem = "Password must be valid UTF-8 text without NUL characters."
	ProblemPasswordContainsUsername Problem = "Password must not contain the username."
	ProblemPasswordIsEmail          Problem = "Password must not be the e-mail address or its name with a few characters around it."
	ProblemPasswordCommon           Problem = "Password must not be a common one, a pattern or a repetition: four unrelated words make a good one."
)

const (
	maxPasswordBytes = 1024 // before NFC: bounds the work that a caller can cause
	maxPassword      = 256  // characters after NFC
	// minTelling is the length from which a name inside a password tells something.
	minTelling = 3
)

// PreparePassword gives the form of a password that is hashed and compared: NFC,
// so that é typed as one character or as two is the same password on every
// keyboard (RFC 8265 §4.2.2). Nothing is trimmed, cut off or case-folded. What
// could never have been set is refused with a [Problem] before any work is done
// on it; the rules for *new* passwords are those of [Rules].
func PreparePassword(raw string) (string, error) {
	if raw == "" {
		return "", ProblemPasswordMissing
	}
	if len(raw) > maxPasswordBytes {
		return "", ProblemPasswordTooLong
	}
	if !text.Valid(raw) {
		return "", ProblemPasswordText
	}
	prepared := norm.NFC.String(raw)
	if utf8.RuneCountInString(prepared) > maxPassword {
		return "", ProblemPasswordTooLong
	}
	return prepared, nil
}

// Rules say what a new password must be like. They hold the list of common
// passwords and are safe for concurrent use.
type Rules struct {
	minLength int // characters
	common    commonPasswords
}

// NewRules reads the embedded list. minLength counts characters after NFC.
func NewRules(minLength int) *Rules {
	return &Rules{minLength: minLength, common: parseCommonPasswords(commonPasswordsText)}
}

// Check prepares a new password of this user as [PreparePassword] does and lists
// every rule it breaks; the prepared password counts only if there are none.
func (r *Rules) Check(username, email, password string) (string, []Problem) {
	prepared, err := PreparePassword(password)
	if err != nil {
		return "", []Problem{problemOf(err)}
	}
	var problems []Problem
	if utf8.RuneCountInString(prepared) < r.minLength {
		problems = append(problems, Problem(fmt.Sprintf(problemPasswordTooShort, r.minLength)))
	}
	if containsUsername(prepared, username) {
		problems = append(problems, ProblemPasswordContainsUsername)
	}
	if madeOfEmail(prepared, email) {
		problems = append(problems, ProblemPasswordIsEmail)
	}
	if r.common.contains(prepared) {
		problems = append(problems, ProblemPasswordCommon)
	}
	return prepared, problems
}

// Registration is the input of a registration.
type Registration struct {
	Username string
	Email    string
	Password secret.String
}

// Accepted is a registration without problems.
type Accepted struct {
	Username          string // as typed, NFC
	CanonicalUsername string
	Email             string // as typed
	CanonicalEmail    string
	Password          secret.String // prepared: what to hash
}

// Accept checks a registration and lists every rule it breaks, in the order of
// the fields. Accepted counts only if there are none. Whether the name and the
// address are still free is for the store to say.
func (r *Rules) Accept(reg Registration) (Accepted, []Problem) {
	var problems []Problem
	username, err := CanonicalUsername(reg.Username)
	if err != nil {
		problems = append(problems, problemOf(err))
	}
	email, err := CanonicalEmail(reg.Email)
	if err != nil {
		problems = append(problems, problemOf(err))
	}
	problems = append(problems, misreadAs(username)...)
	// Otherwise a name could be another user's address.
	if strings.Contains(username, "@") && foldedEmail(username) != email {
		problems = append(problems, ProblemUsernameIsAddress)
	}
	password, broken := r.Check(reg.Username, reg.Email, reg.Password.Reveal())
	problems = append(problems, broken...)
	if len(problems) > 0 {
		return Accepted{}, problems
	}
	return Accepted{
		Username:          norm.NFC.String(reg.Username),
		CanonicalUsername: username,
		Email:             reg.Email,
		CanonicalEmail:    email,
		Password:          secret.NewString(password),
	}, nil
}

// foldedEmail is the canonical address, or "" if it is none.
func foldedEmail(address string) string {
	canonical, err := CanonicalEmail(address)
	if err != nil {
		return ""
	}
	return canonical
}

// containsUsername looks for the name as typed and in its canonical form. It
// passes over names that are refused anyway: the search must not grow with them.
func containsUsername(password, username string) bool {
	canonical, err := CanonicalUsername(username)
	if err != nil {
		return false
	}
	password = comparable(password)
	for _, name := range []string{canonical, comparable(username)} {
		if utf8.RuneCountInString(name) >= minTelling && strings.Contains(password, name) {
			return true
		}
	}
	return false
}

// madeOfEmail reports whether the password holds the whole address, or is the part
// before the @ with digits and punctuation at its ends. That part inside a longer
// phrase is fine: it is often an everyday word.
func madeOfEmail(password, email string) bool {
	if foldedEmail(email) == "" {
		return false
	}
	email, password = comparable(email), comparable(password)
	local, _, _ := strings.Cut(email, "@")
	local = trimEnds(local)
	return strings.Contains(password, email) ||
		utf8.RuneCountInString(local) >= minTelling && trimEnds(password) == local
}

// problemOf takes the Problem out of an error of this package's checks, which
// return nothing else.
func problemOf(err error) Problem {
	problem, _ := errors.AsType[Problem](err)
	return problem
}
