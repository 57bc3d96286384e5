package tokensource

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// maxDepth bounds the nesting of an answer.
const maxDepth = 32

// readObject reads text as one JSON object without repeated names, at any depth. encoding/json alone takes the last of
// repeated names, and any case of a name: what two readers understand differently is nothing to rotate a token by.
func readObject(text []byte) (members map[string]json.RawMessage, ok bool) {
	if !utf8.Valid(text) || !json.Valid(text) { // valid: the decoder below accepts more
		return nil, false
	}
	return membersOf(text, 1)
}

func membersOf(text []byte, depth int) (members map[string]json.RawMessage, ok bool) {
	members = make(map[string]json.RawMessage)
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') || depth > maxDepth {
		return nil, false
	}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil || !unambiguous(value, depth+1) {
			return nil, false
		}
		key, _ := name.(string) // of an object, it is one
		if _, twice := members[key]; twice {
			return nil, false
		}
		members[key] = value
	}
	return members, true
}

// unambiguous reports whether no object in value repeats a name.
func unambiguous(value json.RawMessage, depth int) bool {
	switch value[0] {
	case '{':
		_, ok := membersOf(value, depth)
		return ok
	case '[':
		var elements []json.RawMessage
		if depth > maxDepth || json.Unmarshal(value, &elements) != nil {
			return false
		}
		for _, element := range elements {
			if !unambiguous(element, depth+1) {
				return false
			}
		}
	}
	return true
}
