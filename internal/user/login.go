package user

import "cmp"

// Login is what somebody logs in with, a name or an e-mail address, in the canonical form of
// each. It is "" as what it can't be.
type Login struct{ Name, Email string }

// ParseLogin reads what was typed where a login is asked for. Text that is neither a name nor
// an address becomes the empty login, which no user has.
func ParseLogin(typed string) Login {
	name, err := CanonicalUsername(typed)
	if err != nil {
		name = ""
	}
	return Login{Name: name, Email: foldedEmail(typed)}
}

// String is one text for all spellings, to count attempts by.
func (l Login) String() string { return cmp.Or(l.Email, l.Name) }
