package user

import "strings"

// Problems that the rules of a registration do not decide themselves.
const (
	ProblemEmailTaken         Problem = "Email is already in use."
	ProblemRegistrationClosed Problem = "Registration is closed; ask an operator for an account."
)

// problemPasswordTooShort is the one whose text depends on configuration.
const problemPasswordTooShort = "Password must have at least %d characters."

// Code returns the name of the broken rule for programs. It stays the same when the
// sentence changes.
func (p Problem) Code() string {
	switch p {
	case ProblemUsernameLength:
		return "username_length"
	case ProblemUsernameCharacters:
		return "username_characters"
	case ProblemUsernameScripts:
		return "username_scripts"
	case ProblemUsernameIsAddress:
		return "username_is_address"
	case ProblemUsernameIsID:
		return "username_is_id"
	case ProblemUsernameStart:
		return "username_start"
	case ProblemEmail:
		return "email_invalid"
	case ProblemEmailTaken:
		return "email_taken"
	case ProblemPasswordMissing:
		return "password_missing"
	case ProblemPasswordTooLong:
		return "password_too_long"
	case ProblemPasswordText:
		return "password_text"
	case ProblemPasswordContainsUsername:
		return "password_contains_username"
	case ProblemPasswordIsEmail:
		return "password_is_email"
	case ProblemPasswordCommon:
		return "password_common"
	case ProblemRegistrationClosed:
		return "registration_closed"
	}
	before, after, _ := strings.Cut(problemPasswordTooShort, "%d")
	if strings.HasPrefix(string(p), before) && strings.HasSuffix(string(p), after) {
		return "password_too_short"
	}
	return "unknown"
}
