package oauth

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/mintmark-auth/mintmark/internal/text"
)

// Bounds of a form.
const (
	maxParameters = 64
	maxTargets    = 8 // values of resource, and of audience
)

// Form is an application/x-www-form-urlencoded request, read once. A parameter without a
// value is as good as omitted (RFC 6749 §3.2).
type Form struct {
	values map[string][]string
}

// ParseForm reads a form. It refuses more than 64 parameters, and a parameter that comes
// twice; only resource (RFC 8707 §2) and audience (RFC 8693 §2.1) may come up to 8 times.
// It tells a parameter that ends with a line break by its name, or a client would be told of a wrong secret or token.
// The error is an [*Error].
func ParseForm(body string) (Form, error) {
	if strings.Count(body, "&") >= maxParameters {
		return Form{}, Refuse(InvalidRequest, "too many parameters")
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return Form{}, Refuse(InvalidRequest, "the form is malformed")
	}
	f := Form{values: make(map[string][]string, len(values))}
	for name, all := range values {
		if err := f.add(name, all); err != nil {
			return Form{}, err
		}
	}
	return f, nil
}

func (f Form) add(name string, values []string) error {
	switch {
	case len(values) > 1 && !repeats(name):
		return Refuse(InvalidRequest, "a parameter is repeated")
	case len(values) > maxTargets:
		return Refuse(InvalidRequest, "a parameter is repeated more than 8 times")
	case !IsText(name):
		return Refuse(InvalidRequest, "a parameter is no text")
	}
	for _, value := range values {
		if !IsText(value) {
			return Refuse(InvalidRequest, "a parameter is no text")
		}
		if known(name) && strings.TrimRight(value, "\r\n") != value { // read from a file, by a shell or curl
			return Refuse(InvalidRequest, name+" ends with a line break")
		}
		if value != "" {
			f.values[name] = append(f.values[name], value)
		}
	}
	return nil
}

func repeats(name string) bool { return name == "resource" || name == "audience" }

// known reports whether a parameter is one of RFC 6749, RFC 7009, RFC 8693 or RFC 8707, whose name may be repeated in
// an answer.
func known(name string) bool {
	switch name {
	case "grant_type", "client_id", "client_secret", "refresh_token", "scope", "token", "token_type_hint", "resource", "audience":
		return true
	}
	return false
}

// Get returns the value of a parameter, "" if it was omitted; the first one of resource
// and audience.
func (f Form) Get(name string) string {
	if all := f.values[name]; len(all) > 0 {
		return all[0]
	}
	return ""
}

// All returns the values of a parameter in their order.
func (f Form) All(name string) []string { return f.values[name] }

// IsText reports whether s can be kept as text. It refuses what a text column can't hold,
// and U+FFFD, which stands for an escaped lone surrogate: two different passwords must not
// become one.
func IsText(s string) bool {
	return text.Valid(s) && !strings.ContainsRune(s, utf8.RuneError)
}
