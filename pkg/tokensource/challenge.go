package tokensource

import "strings"

// challenge is one of a WWW-Authenticate header (RFC 9110 §11.6.1).
type challenge struct {
	scheme     string
	parameters map[string]string // by name in lower case; the first, if there are two
}

// challenges reads the values of a WWW-Authenticate header. Commas separate both its challenges and their parameters.
// It skips what it can't parse.
func challenges(values []string) []challenge {
	var all []challenge
	for _, value := range values {
		for _, element := range elements(value) {
			scheme, rest, spaced := strings.Cut(element, " ")
			name, parameter, named := strings.Cut(element, "=")
			switch named = named && isToken(strings.TrimRight(name, " \t")); {
			case named && len(all) > 0: // one more parameter
				all[len(all)-1].add(name, parameter)
			case isToken(scheme):
				next := challenge{scheme: scheme, parameters: map[string]string{}}
				if name, parameter, ok := strings.Cut(rest, "="); spaced && ok {
					next.add(name, parameter)
				}
				all = append(all, next)
			}
		}
	}
	return all
}

func (c challenge) add(name, value string) {
	name = strings.ToLower(strings.Trim(name, " \t"))
	if _, there := c.parameters[name]; !there {
		c.parameters[name] = unquoted(strings.Trim(value, " \t"))
	}
}

// elements splits at commas outside of quoted strings.
func elements(value string) []string {
	var all []string
	begin, quoted := 0, false
	for at := 0; at < len(value); at++ {
		switch {
		case quoted && value[at] == '\\':
			at++
		case value[at] == '"':
			quoted = !quoted
		case value[at] == ',' && !quoted:
			all = append(all, strings.Trim(value[begin:at], " \t"))
			begin = at + 1
		}
	}
	return append(all, strings.Trim(value[begin:], " \t"))
}

// unquoted returns the content of a quoted string, or any other text unchanged.
func unquoted(text string) string {
	inner, ok := strings.CutPrefix(text, `"`)
	if !ok {
		return text
	}
	var out strings.Builder
	for at := 0; at < len(inner) && inner[at] != '"'; at++ {
		if inner[at] == '\\' && at+1 < len(inner) {
			at++
		}
		out.WriteByte(inner[at])
	}
	return out.String()
}

// isToken reports whether a text is a token of RFC 9110 §5.6.2.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
