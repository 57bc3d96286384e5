package verifier

import (
	"encoding/json"
	"unicode/utf8"
)

const (
	// maxDepth bounds nesting, and with it the recursion of the scanner.
	maxDepth = 32
	// fewNames is the number of member names up to which comparing one by one is cheaper than a set.
	fewNames = 16
)

const (
	errNotJSON   = defect("it holds malformed JSON")
	errNotUTF8   = defect("it holds text that is not UTF-8")
	errDuplicate = defect("it holds a JSON object with a repeated member name")
	errTooDeep   = defect("it holds JSON that is nested too deep")
)

// member is one name of a JSON object, unescaped, with the text of its value.
type member struct{ name, value string }

// parseObject parses text as one JSON object (RFC 8259), in one pass, and returns its members in order.
//
// It refuses repeated names at every depth, invalid UTF-8, lone surrogates and trailing data. encoding/json takes the
// last of repeated names, matches names in any case, repairs broken UTF-8 and nests 10,000 deep; another reader may
// decide otherwise, and then two services see two different tokens (RFC 8725 §2.6, RFC 7519 §4).
func parseObject(text string) ([]member, error) {
	if !utf8.ValidString(text) {
		return nil, errNotUTF8
	}
	s := scanner{text: text}
	s.space()
	if s.peek() != '{' {
		return nil, errNotJSON
	}
	s.members, s.names = make([]member, 0, fewNames), make([]string, 0, fewNames)
	if err := s.object(1); err != nil {
		return nil, err
	}
	s.space()
	if s.pos != len(s.text) {
		return nil, errNotJSON
	}
	return s.members, nil
}

// scanner walks over text, which is valid UTF-8.
type scanner struct {
	text    string
	pos     int
	names   []string // names seen in the open objects, outermost first
	members []member // of the outermost object
}

// peek returns the next byte, or 0 at the end; a NUL is never legal outside a string, so 0 is unambiguous.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// next skips space, then b, and reports whether b was there.
func (s *scanner) next(b byte) bool {
	s.space()
	if s.peek() != b {
		return false
	}
	s.pos++
	return true
}

// value reads one value inside depth-1 others.
func (s *scanner) value(depth int) error {
	switch s.peek() {
	case '"':
		_, _, err := s.str()
		return err
	case '{':
		return s.object(depth)
	case '[':
		return s.array(depth)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) object(depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	s.pos++
	if s.next('}') {
		return nil
	}
	base := len(s.names)
	var seen map[string]struct{}
	for {
		name, err := s.name()
		if err != nil {
			return err
		}
		if repeated(s.names[base:], seen, name) {
			return errDuplicate
		}
		s.names = append(s.names, name)
		if seen = remember(seen, s.names[base:]); !s.next(':') {
			return errNotJSON
		}
		s.space()
		start := s.pos
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if depth == 1 && s.members != nil {
			s.members = append(s.members, member{name, s.text[start:s.pos]})
		}
		if s.next('}') {
			s.names = s.names[:base]
			return nil
		}
		if !s.next(',') {
			return errNotJSON
		}
	}
}

// repeated reports whether names contains name; seen indexes names once there are many.
func repeated(names []string, seen map[string]struct{}, name string) bool {
	if seen != nil {
		_, ok := seen[name]
		return ok
	}
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// remember indexes names once there are many: first all of them, then the newest each time. This keeps the scan linear.
func remember(seen map[string]struct{}, names []string) map[string]struct{} {
	if len(names) < fewNames {
		return nil
	}
	if seen == nil {
		seen = make(map[string]struct{}, 2*fewNames)
		for _, n := range names {
			seen[n] = struct{}{}
		}
	}
	seen[names[len(names)-1]] = struct{}{}
	return seen
}

func (s *scanner) name() (string, error) {
	s.space()
	if s.peek() != '"' {
		return "", errNotJSON
	}
	raw, escaped, err := s.str()
	if err != nil || !escaped {
		return raw, err
	}
	return unescape(raw)
}

func (s *scanner) array(depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	s.pos++
	if s.next(']') {
		return nil
	}
	for {
		s.space()
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if s.next(']') {
			return nil
		}
		if !s.next(',') {
			return errNotJSON
		}
	}
}

// str reads a string and returns the text between its quotes and whether it contains escapes.
func (s *scanner) str() (raw string, escaped bool, err error) {
	s.pos++
	start := s.pos
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return s.text[start : s.pos-1], escaped, nil
		case c == '\\':
			escaped = true
			if !s.escape() {
				return "", false, errNotJSON
			}
		case c < 0x20:
			return "", false, errNotJSON
		default:
			s.pos++
		}
	}
	return "", false, errNotJSON
}

// escape reads one escape sequence. A surrogate must be half of a pair: readers differ on what a lone one means
// (RFC 8259 §8.2).
func (s *scanner) escape() bool {
	if s.pos+1 >= len(s.text) {
		return false
	}
	switch s.text[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return true
	case 'u':
		unit, ok := s.unit()
		if !ok || unit>>10 == 0x37 { // a low half first
			return false
		}
		if unit>>10 != 0x36 {
			return true
		}
		low, ok := s.unit()
		return ok && low>>10 == 0x37
	}
	return false
}

// unit reads the four digits after \u.
func (s *scanner) unit() (unit uint32, ok bool) {
	if s.pos+6 > len(s.text) || s.text[s.pos] != '\\' || s.text[s.pos+1] != 'u' {
		return 0, false
	}
	for _, c := range []byte(s.text[s.pos+2 : s.pos+6]) {
		switch {
		case '0' <= c && c <= '9':
			unit = unit<<4 | uint32(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			unit = unit<<4 | uint32(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	s.pos += 6
	return unit, true
}

func (s *scanner) literal(word string) error {
	if len(s.text)-s.pos < len(word) || s.text[s.pos:s.pos+len(word)] != word {
		return errNotJSON
	}
	s.pos += len(word)
	return nil
}

// number reads [ "-" ] int [ frac ] [ exp ] (RFC 8259 §6).
func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return errNotJSON
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return errNotJSON
		}
	}
	if s.peek()|0x20 == 'e' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return errNotJSON
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for '0' <= s.peek() && s.peek() <= '9' {
		s.pos++
	}
	return s.pos > start
}

// stringOf decodes value as a string; the scanner has accepted value.
func stringOf(value string) (string, bool) {
	if value == "" || value[0] != '"' {
		return "", false
	}
	raw := value[1 : len(value)-1]
	for i := range len(raw) {
		if raw[i] == '\\' {
			decoded, err := unescape(raw)
			return decoded, err == nil
		}
	}
	return raw, true
}

// elementsOf returns the texts of the elements of value, an array that the scanner has accepted.
func elementsOf(value string) ([]string, bool) {
	s := scanner{text: value}
	if !s.next('[') {
		return nil, false
	}
	var elements []string
	for !s.next(']') {
		if len(elements) > 0 && !s.next(',') {
			return nil, false
		}
		s.space()
		start := s.pos
		if err := s.value(1); err != nil {
			return nil, false
		}
		elements = append(elements, value[start:s.pos])
	}
	return elements, true
}

// unescape decodes the content of a string that contains escapes and that the scanner has accepted.
func unescape(raw string) (decoded string, err error) {
	if err := json.Unmarshal([]byte(`"`+raw+`"`), &decoded); err != nil {
		return "", errNotJSON
	}
	return decoded, nil
}
