package verifier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParseObject holds the scanner against encoding/json: what it accepts is valid JSON and means the same there.
func FuzzParseObject(f *testing.F) {
	for _, text := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":{"b":[1,-0.5e+3,"\u00e9\ud83d\ude00",true,false,null]},"\u0061\n":""}`, `{"a":1,"a":2}`,
		`{"a":"\ud800"}`, `{"a":01}`, `{"a":[}`, `{"":""}`, "{\"a\":\"\xff\"}", `{"a":1}x`, `[]`, `{"a":-}`, `{"a":1e}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, err := parseObject(text)
		if err != nil {
			if !errors.Is(err, ErrInvalidToken) {
				t.Errorf("got %v", err)
			}
			return
		}
		if !json.Valid([]byte(text)) || !utf8.ValidString(text) {
			t.Fatalf("accepted %q", text)
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if len(members) != len(want) {
			t.Fatalf("%d members, want %d", len(members), len(want))
		}
		for _, m := range members {
			if !bytes.Equal([]byte(m.value), want[m.name]) {
				t.Errorf("%q: got %q, want %q", m.name, m.value, want[m.name])
			}
			var value any
			if err := json.Unmarshal(want[m.name], &value); err != nil {
				t.Fatal(err)
			}
			text, isString := stringOf(m.value)
			if want, ok := value.(string); ok != isString || text != want {
				t.Errorf("string of %q: got %q %v, want %q %v", m.value, text, isString, want, ok)
			}
			elements, isArray := elementsOf(m.value)
			if want, ok := value.([]any); ok != isArray || len(elements) != len(want) {
				t.Errorf("elements of %q: got %q", m.value, elements)
			}
		}
	})
}

// TestScanningIsLinear reads a megabyte of the worst: quadratic work would not end before the tests are stopped.
func TestScanningIsLinear(t *testing.T) {
	t.Parallel()
	var names strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&names, `"n%d":0,`, i)
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"names":   {`{` + names.String() + `"":0}`, nil},
		"objects": {`{"x":[` + strings.Repeat(`{"a":[{"b":1,"c":[{}]}]},`, 100_000) + `1]}`, nil},
		"escapes": {`{"b":"` + strings.Repeat(`\n`, 1_000_000) + `"}`, nil},
		"number":  {`{"a":` + strings.Repeat(`1`, 4_000_000) + `}`, nil},
		"open":    {`{"a":` + strings.Repeat(`[`, 2_000_000), errTooDeep},
	} {
		if _, err := parseObject(c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
